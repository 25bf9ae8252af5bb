/**
 * The verbs in Lua, each one round trip and atomic. A script reads only what it is told: keys come first the epoch, then
 * its own; `now` is ms since the epoch, '' for the engine's clock.
 *
 * A record is the text `version expiresAt json` (`-` for never), an epoch `id born quietUntil`.
 */
export interface Script {
  readonly name: string
  readonly lua: string
}

/** Engines drop expired records and their index this long after they ended, ms. Written as a literal into the scripts. */
const LATE_MS = 3_600_000
/** Idle buckets are dropped this long after they were full again, ms: time for the engine's own clock to be set. */
const BUCKET_LATE_MS = 60_000
/** As in `src/store/gcra.ts`. */
const CLOCK_SLACK_US = 60_000_000

const CLOCK = `
local call = redis.call
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function read(key, now)
  local text = call('GET', key)
  if not text then return nil end
  local version, ends, json = string.match(text, '^(%S+) (%S+) (.*)$')
  if ends ~= '-' and tonumber(ends) <= now then return nil end
  return text, version
end
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
  ttl = string.format('%.0f', ttl)
  local fresh = call('EXISTS', index) == 0
  call('ZADD', index, 0, name)
  if never then
    call('PERSIST', index)
    call('ZREM', due, name)
  else
    last(index, fresh, tonumber(ttl))
    fresh = call('EXISTS', due) == 0
    call('ZADD', due, ends, name)
    last(due, fresh, tonumber(ttl))
  end
  local ended = call('ZRANGEBYSCORE', due, '-inf', string.format('%.0f', now - ${LATE_MS}), 'LIMIT', 0, 4)
  for i = 1, #ended do
    call('ZREM', index, ended[i])
    call('ZREM', due, ended[i])
  end
end
`

/** KEYS epoch sequence, ARGV epoch sequence: whether single use can be trusted. */
const SINGLE_USE = `
local now = clock(ARGV[3])
local epoch = call('GET', KEYS[1])
if epoch ~= ARGV[1] then return { 'changed' } end
local sequence = call('INCR', KEYS[2])
if sequence <= tonumber(ARGV[2]) then return { 'behind' } end
if tonumber(string.match(epoch, '(%d+)$')) > now then return { 'quiet' } end
`

/** KEYS record · ARGV now · gives the live record and the clock, or nothing. */
export const GET: Script = { name: 'get', lua: `${CLOCK}return (read(KEYS[1], clock(ARGV[1])))` }

/** KEYS record [index due] · ARGV now name version ends json. */
export const SET: Script = {
  name: 'set',
  lua: `${CLOCK}${WRITE}write(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[3], ARGV[4], ARGV[5], clock(ARGV[1]))`,
}

/** KEYS record index due · ARGV name. */
export const DELETE: Script = {
  name: 'delete',
  lua: `redis.call('DEL', KEYS[1]) redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('ZREM', KEYS[3], ARGV[1])`,
}

/** KEYS index · ARGV now least most count · gives the clock as text, then names. */
export const LIST: Script = {
  name: 'list',
  lua: `${CLOCK}
local names = call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
table.insert(names, 1, string.format('%.0f', clock(ARGV[1])))
return names`,
}

/** KEYS epoch sequence record [index due] · ARGV epoch sequence now name version ends json. */
export const CREATE: Script = {
  name: 'create',
  lua: `${CLOCK}${WRITE}${SINGLE_USE}
if read(KEYS[3], now) then return { 'stands', sequence } end
write(KEYS[3], KEYS[4], KEYS[5], ARGV[4], ARGV[5], ARGV[6], ARGV[7], now)
return { 'done', sequence }`,
}

/** As {@link CREATE}, and ARGV expected: the version that must stand. */
export const REPLACE: Script = {
  name: 'replace',
  lua: `${CLOCK}${WRITE}${SINGLE_USE}
local text, version = read(KEYS[3], now)
if version ~= ARGV[8] then return { 'stands', sequence } end
write(KEYS[3], KEYS[4], KEYS[5], ARGV[4], ARGV[5], ARGV[6], ARGV[7], now)
return { 'done', sequence }`,
}

/** KEYS epoch sequence record index due · ARGV epoch sequence now name. */
export const TAKE: Script = {
  name: 'take',
  lua: `${CLOCK}${SINGLE_USE}
local text = read(KEYS[3], now)
if not text then return { 'stands', sequence } end
call('DEL', KEYS[3])
call('ZREM', KEYS[4], ARGV[4])
call('ZREM', KEYS[5], ARGV[4])
return { 'done', sequence, text }`,
}

/**
 * KEYS epoch · ARGV known fresh now window behind: makes the epoch, or tells the one that stands. Whoever knew another
 * one has lost data: single use stays closed until everything claimed before the new one has ended.
 */
export const EPOCH: Script = {
  name: 'epoch',
  lua: `${CLOCK}
local now = clock(ARGV[3])
local window = tonumber(ARGV[4])
local stands = call('GET', KEYS[1])
local function make(id, born, quiet)
  stands = string.format('%s %.0f %.0f', id, born, quiet)
  call('SET', KEYS[1], stands)
  return stands
end
if not stands then return make(ARGV[2], now, ARGV[1] == '' and 0 or now + window) end
if ARGV[1] == '' then return stands end
if stands == ARGV[1] then
  if ARGV[5] == '1' then return make(ARGV[2], now, now + window) end
  return stands
end
local id, born, quiet = string.match(stands, '^(%S+) (%d+) (%d+)$')
if id == string.match(ARGV[1], '^%S+') then return stands end
if tonumber(quiet) < tonumber(born) + window then return make(id, tonumber(born), tonumber(born) + window) end
return stands`,
}

/**
 * The GCRA step of `src/store/gcra.ts` over many calls, one after the other.
 *
 * KEYS buckets… [epoch] · ARGV now, how many rates, each as quota periodUs burst stepUs stepRest toleranceUs toleranceRest, then
 * each call as how many charges, each as its rate (from 1) and cost. Gives the clock, then for each call 1 (admitted), 0 (refused)
 * or -1 (a bucket is none of ours) and for each of its charges the bucket as it was read: tatUs (-1: none) and rest; at the end
 * the epoch, '' for none, if its key was given.
 *
 * A bucket is the text `tatUs`, with ` rest` behind it unless that is 0.
 */
export const CONSUME: Script = {
  name: 'consume',
  lua: `
local call, number, format, floor = redis.call, tonumber, string.format, math.floor
local now
if ARGV[1] == '' then
  local time = call('TIME')
  now = time[1] * 1000 + floor(time[2] / 1000)
else
  now = number(ARGV[1])
end
local nowUs = now * 1000
local out, size, at, place = { now }, 1, 0, 2 + 7 * ARGV[2]
local last = #ARGV
-- Of each charge of one call: the text that was read, the bucket to keep, and whether it is kept even if the call is refused.
local texts, tats, rests, pulls = {}, {}, {}, {}
while place < last do
  local count = number(ARGV[place + 1])
  local verdict, mark = 1, size + 1
  size = mark
  for i = 1, count do
    local rate = 7 * ARGV[place + 2 * i] - 5
    local cost = number(ARGV[place + 2 * i + 1])
    local quota, burst = number(ARGV[rate + 1]), number(ARGV[rate + 3])
    local toleranceUs, toleranceRest = number(ARGV[rate + 6]), number(ARGV[rate + 7])
    local text = redis.pcall('GET', KEYS[at + i])
    local tat, rest, pulled = nil, 0, false
    if text then
      tat = number(text)
      if not tat then
        if type(text) == 'string' then tat, rest = string.match(text, '^(%d+) (%d+)$') end
        tat, rest = number(tat), number(rest)
        if not tat then verdict, rest = -1, 0 end
      end
    end
    out[size + 1] = tat or -1
    out[size + 2] = rest
    size = size + 2
    if not tat or tat < nowUs then
      tat, rest = nowUs, 0
    elseif tat - nowUs > math.max(toleranceUs, ARGV[rate + 2]) + ${CLOCK_SLACK_US} then
      tat, rest, pulled = nowUs + toleranceUs, toleranceRest, true
    elseif rest >= quota then
      tat, rest = tat + 1, 0
    end
    texts[i], tats[i], rests[i], pulls[i] = text, tat, rest, pulled
    local fits = false
    if cost <= burst then
      local nextTat, nextRest = nowUs, 0
      if cost >= -burst then
        nextTat, nextRest = tat + ARGV[rate + 4] * cost, rest + ARGV[rate + 5] * cost
        if nextRest >= quota or nextRest < 0 then
          local carry = floor(nextRest / quota)
          nextTat, nextRest = nextTat + carry, nextRest - carry * quota
        end
        if nextTat < nowUs then nextTat, nextRest = nowUs, 0 end
      end
      local ahead = nextTat - nowUs
      fits = cost <= 0 or ahead < toleranceUs or (ahead == toleranceUs and nextRest <= toleranceRest)
      -- Kept only if every charge fits. A bucket that was pulled in is kept as it is if one does not.
      if fits then tats[i], rests[i], pulls[i] = nextTat, nextRest, pulled and { tat, rest } end
    end
    if not fits and verdict == 1 then verdict = 0 end
  end
  out[mark] = verdict
  if verdict >= 0 then
    for i = 1, count do
      local tat, rest, pulled = tats[i], rests[i], pulls[i]
      if verdict == 0 and type(pulled) == 'table' then tat, rest = pulled[1], pulled[2] end
      if (verdict == 1 or pulled) and (tat > nowUs or texts[i]) then
        local text = rest == 0 and format('%.0f', tat) or format('%.0f %.0f', tat, rest)
        call('SET', KEYS[at + i], text, 'PX', format('%.0f', (tat - nowUs) / 1000 + ${BUCKET_LATE_MS}))
      end
    end
  end
  at = at + count
  place = place + 1 + 2 * count
end
if KEYS[at + 1] then out[size + 1] = call('GET', KEYS[at + 1]) or '' end
return out`,
}
