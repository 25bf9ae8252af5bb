/**
 * The verbs in Lua, each one round trip and atomic. A script reads and writes only the keys that it is given. `when` is `=` and the
 * clock, ms since the epoch; or '' for the engine's clock; or the last instant of the engine's clock, ms, at which to write: a write
 * that comes later (a client sends again what a broken connection left open) does nothing but tell the time, `{ 'late', now }`.
 *
 * A record is the text `version expiresAt json` (`-` for never), an epoch `id born quietUntil`.
 */
export interface Script {
  readonly name: string
  readonly lua: string
}

/** Engines drop expired records and their index this long after they ended, ms. Written as a literal into the scripts. */
const LATE_MS = 3_600_000
/** How far the end of what was claimed may grow before it is written down again, ms. */
const REACH_STEP_MS = 60_000
/** Single use stays closed after a loss for at least and at most this long, ms. */
const SHORTEST_QUIET_MS = 900_000
const LONGEST_QUIET_MS = 86_400_000
/** A process that made no single use for this long is no more told from one that lost its last, ms. */
export const SEQUENCE_KNOWN_MS = 172_800_000

const CLOCK = `
local call = redis.call
local function clock(when)
  local notAfter = tonumber(when)
  if not notAfter and when ~= '' then return tonumber(string.sub(when, 2)) end
  local time = call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return now, notAfter and now > notAfter
end
local function read(key, now)
  local text = call('GET', key)
  if not text then return nil end
  local version, ends, json = string.match(text, '^(%S+) (%S+) (.*)$')
  if ends ~= '-' and tonumber(ends) <= now then return nil end
  return text, version
end
`

/** ARGV when. */
const IN_TIME = `
local now, late = clock(ARGV[1])
if late then return { 'late', now } end
`

/** Writes a record and its place in the partition's index; drops index entries of a few records that ended long ago. */
const WRITE = `
local function last(key, fresh, ttl)
  if fresh then call('PEXPIRE', key, ttl) return end
  local left = call('PTTL', key)
  if left >= 0 and left < ttl then call('PEXPIRE', key, ttl) end
end
local function write(record, index, due, name, version, ends, json, now)
  local text = version .. ' ' .. ends .. ' ' .. json
  local never = ends == '-'
  local ttl = never and 0 or math.max(tonumber(ends) - now, 0) + ${LATE_MS}
  if never then call('SET', record, text) else call('SET', record, text, 'PX', string.format('%.0f', ttl)) end
  if not index then return end
  local fresh = call('EXISTS', index) == 0
  call('ZADD', index, 0, name)
  if never then
    call('PERSIST', index)
    call('ZREM', due, name)
  else
    last(index, fresh, ttl)
    fresh = call('EXISTS', due) == 0
    call('ZADD', due, ends, name)
    last(due, fresh, ttl)
  end
  -- What tells the ends lasts as long as the names that it tells them of.
  if call('PTTL', index) == -1 then call('PERSIST', due) end
  local ended = call('ZRANGEBYSCORE', due, '-inf', string.format('%.0f', now - ${LATE_MS}), 'LIMIT', 0, 4)
  for i = 1, #ended do
    call('ZREM', index, ended[i])
    call('ZREM', due, ended[i])
  end
end
`

/** KEYS epoch sequence reach · ARGV when epoch sequence: whether single use can be trusted. */
const SINGLE_USE = `${IN_TIME}
local epoch = call('GET', KEYS[1])
if epoch ~= ARGV[2] then return { 'changed' } end
local sequence = call('INCR', KEYS[2])
call('PEXPIRE', KEYS[2], ${SEQUENCE_KNOWN_MS})
if sequence <= tonumber(ARGV[3]) then return { 'behind' } end
local closed = tonumber(string.match(epoch, '(%d+)$'))
if closed > now + ${LONGEST_QUIET_MS} then
  -- It was set by a clock that has stepped back since.
  local id, born = string.match(epoch, '^(%S+) (%d+)')
  call('SET', KEYS[1], string.format('%s %.0f %.0f', id, math.min(tonumber(born), now), now + ${LONGEST_QUIET_MS}))
  return { 'changed' }
end
if closed > now then return { 'quiet' } end
local reach = tonumber(call('GET', KEYS[3]) or 0)
local function reaches(ends)
  if ends == '-' or tonumber(ends) <= reach + ${REACH_STEP_MS} then return end
  reach = tonumber(ends)
  call('SET', KEYS[3], ends)
end
local function tell(what, text) return { what, now, sequence, string.format('%.0f', reach), text } end
`

/** KEYS record · ARGV when · gives the live record, or nothing. */
export const GET: Script = { name: 'get', lua: `${CLOCK}return (read(KEYS[1], clock(ARGV[1])))` }

/** KEYS record [index due] · ARGV when name version ends json. */
export const SET: Script = {
  name: 'set',
  lua: `${CLOCK}${WRITE}${IN_TIME}write(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[3], ARGV[4], ARGV[5], now)
return { 'done', now }`,
}

/** KEYS record index due · ARGV when name. */
export const DELETE: Script = {
  name: 'delete',
  lua: `${CLOCK}${IN_TIME}call('DEL', KEYS[1])
call('ZREM', KEYS[2], ARGV[2])
call('ZREM', KEYS[3], ARGV[2])
return { 'done', now }`,
}

/** KEYS index · ARGV when least most count · gives the clock as text, then names. */
export const LIST: Script = {
  name: 'list',
  lua: `${CLOCK}
local names = call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
table.insert(names, 1, string.format('%.0f', clock(ARGV[1])))
return names`,
}

/** KEYS epoch sequence reach record [index due] · ARGV when epoch sequence name version ends json. */
export const CREATE: Script = {
  name: 'create',
  lua: `${CLOCK}${WRITE}${SINGLE_USE}
local text, version = read(KEYS[4], now)
-- This very version is the same call, sent again.
if text then return tell(version == ARGV[5] and 'done' or 'stands') end
write(KEYS[4], KEYS[5], KEYS[6], ARGV[4], ARGV[5], ARGV[6], ARGV[7], now)
reaches(ARGV[6])
return tell('done')`,
}

/** As {@link CREATE}, and ARGV expected: the version that must stand. */
export const REPLACE: Script = {
  name: 'replace',
  lua: `${CLOCK}${WRITE}${SINGLE_USE}
local text, version = read(KEYS[4], now)
if version == ARGV[5] then return tell('done') end
if version ~= ARGV[8] then return tell('stands') end
write(KEYS[4], KEYS[5], KEYS[6], ARGV[4], ARGV[5], ARGV[6], ARGV[7], now)
reaches(ARGV[6])
return tell('done')`,
}

/** KEYS epoch sequence reach record index due · ARGV when epoch sequence name. */
export const TAKE: Script = {
  name: 'take',
  lua: `${CLOCK}${SINGLE_USE}
local text = read(KEYS[4], now)
if not text then return tell('stands') end
call('DEL', KEYS[4])
call('ZREM', KEYS[5], ARGV[4])
call('ZREM', KEYS[6], ARGV[4])
return tell('done', text)`,
}

/**
 * KEYS epoch sequence reach · ARGV when known fresh reach behind: makes the epoch, or tells the one that stands; gives it, the clock
 * and the reach. Whoever knew another one has lost data: single use stays closed until what was claimed before has ended.
 */
export const EPOCH: Script = {
  name: 'epoch',
  lua: `${CLOCK}
local now = clock(ARGV[1])
local known, fresh, behind = ARGV[2], ARGV[3], ARGV[5] == '1'
local reach = math.max(tonumber(call('GET', KEYS[3]) or 0), tonumber(ARGV[4]))
local stands = call('GET', KEYS[1])
local function quiet(from) return math.min(math.max(reach + ${REACH_STEP_MS}, from + ${SHORTEST_QUIET_MS}), from + ${LONGEST_QUIET_MS}) end
local function make(id, born, quiet)
  stands = string.format('%s %.0f %.0f', id, born, quiet)
  call('SET', KEYS[1], stands)
  call('SET', KEYS[3], string.format('%.0f', reach))
end
if not stands then
  -- Nothing was ever here, as far as anybody can tell; or something was.
  local first = known == '' and call('EXISTS', KEYS[3]) == 0
  make(fresh, now, first and 0 or quiet(now))
elseif known ~= '' then
  local id, born, closed = string.match(stands, '^(%S+) (%d+) (%d+)$')
  local knownId, knownBorn = string.match(known, '^(%S+) (%d+)')
  if id == knownId then
    if behind and stands == known then make(fresh, now, quiet(now)) end
  elseif tonumber(born) < tonumber(knownBorn) then
    -- A copy from before the epoch that was known.
    make(fresh, now, quiet(now))
  elseif tonumber(closed) < quiet(tonumber(born)) then
    make(id, tonumber(born), quiet(tonumber(born)))
  end
end
return { stands, now, string.format('%.0f', reach) }`,
}
