import type { Script } from './scripts.ts'
import { Kind } from './tariff.ts'

/**
 * Idle buckets are dropped a minute after they were full again, which is time for the engine's own clock to be set, and by that clock
 * with the minute in which they are full: while that is the same one, their expiry need not be written again.
 */
const BUCKET_LATE_MS = 60_000
/** A refund that is sent again is known for this long, ms. */
const REFUND_KNOWN_MS = 600_000

/** ARGV when, as in the other scripts: `now` ms, `nowUs` µs, `given` where the clock came along. */
const BEGIN = `
local call, number, format, when = redis.call, tonumber, string.format, ARGV[1]
local notAfter = number(when)
local given, now = not notAfter and when ~= '', nil
if given then
  now = number(string.sub(when, 2))
else
  local time = call('TIME')
  now = time[1] * 1000 + (time[2] - time[2] % 1000) / 1000
  if notAfter and now > notAfter then return { 'late', now } end
end
local nowUs = now * 1000
`

/** The bucket that `text` tells: `tat` (nil: none) and `rest`; `foreign` where it is none of ours. */
const READ = `
local tat, rest, foreign = nil, 0, false
if text then
  tat = number(text)
  if not tat then
    if type(text) == 'string' then tat, rest = string.match(text, '^(%d+) (%d+)$') end
    tat, rest = number(tat), number(rest)
    if not tat then foreign, rest = true, 0 end
  elseif tat % 1 ~= 0 or tat < 0 or tat > 9007199254740991 then
    foreign, tat = true, nil
  end
end
`

/**
 * The GCRA step of `src/store/gcra.ts`: what a charge makes of `tat` and `rest` at `nowUs`. Leaves what these are worth now, whether they
 * were `pulled` in after a clock step, whether the charge `fits`, and what it would leave: `nextTat` and `nextRest`.
 */
const STEP = `
pulled = false
if not tat or tat < nowUs then
  tat, rest = nowUs, 0
elseif tat - nowUs > farthestUs then
  tat, rest, pulled = nowUs + toleranceUs, toleranceRest, true
elseif rest >= quota then
  tat, rest = tat + 1, 0
end
nextTat, nextRest = tat + addUs, rest + addRest
if nextRest >= quota then nextTat, nextRest = nextTat + 1, nextRest - quota end
if nextTat < nowUs then nextTat, nextRest = nowUs, 0 end
local ahead = nextTat - nowUs
fits = ahead < toleranceUs or (ahead == toleranceUs and nextRest <= toleranceRest)
if kind ~= ${Kind.Charge} then fits = kind == ${Kind.Refund} end
`

/** Keeps `tat` and `rest` under `key`: no key where there was none and a full bucket says the same. `readTat` is nil or what was read. */
const KEEP = `
if tat > nowUs or rest > 0 or text then
  local kept = rest == 0 and format('%.0f', tat) or format('%.0f %.0f', tat, rest)
  if given then
    call('SET', key, kept, 'PX', format('%.0f', (tat - nowUs) / 1000 + ${BUCKET_LATE_MS}))
  else
    local minuteUs = tat - tat % ${BUCKET_LATE_MS}000
    if readTat and readTat - readTat % ${BUCKET_LATE_MS}000 == minuteUs then
      call('SET', key, kept, 'KEEPTTL')
    else
      call('SET', key, kept, 'PXAT', format('%.0f', minuteUs / 1000 + 2 * ${BUCKET_LATE_MS}))
    end
  end
end
`

const TARIFF = 'quota, farthestUs, toleranceUs, toleranceRest, kind, addUs, addRest'

/**
 * One charge that gives nothing back: what most decisions are.
 *
 * KEYS bucket · ARGV when adds tariff. A tariff is numbers as JSON, which costs less than as many arguments: quota farthestUs
 * toleranceUs toleranceRest kind addUs addRest. `adds` is its addUs where every full bucket takes the charge and it adds no fraction,
 * else ''. Gives how far the bucket was ahead of the clock, µs, if the charge is made and no fraction was there. Else the clock, 1
 * (admitted), 0 (refused) or -1 (the bucket is none of ours), and the bucket as it was read: tatUs (-1: none) and rest.
 *
 * A bucket is the text `tatUs`, with ` rest` behind it unless that is 0.
 */
export const CHARGE: Script = {
  name: 'charge',
  lua: `${BEGIN}
local key = KEYS[1]
local text = call('GET', key)
${READ}
if foreign then return { now, -1, -1, 0 } end
local readTat, readRest, was = tat, rest, nil
local pulled, fits, nextTat, nextRest = false, true, nil, 0
if ARGV[2] ~= '' and (not tat or tat < nowUs) then
  -- A full bucket: there is nothing to weigh, so nothing to decode.
  tat, rest = nowUs, 0
  nextTat = nowUs + ARGV[2]
else
  local ${TARIFF} = unpack(cjson.decode(ARGV[3]))
  ${STEP}
end
if fits then
  if rest == 0 then was = tat - nowUs end
  tat, rest = nextTat, nextRest
end
if fits or pulled then ${KEEP} end
return was or { now, fits and 1 or 0, readTat or -1, readRest }`,
}

/**
 * Many calls, one after the other, of many charges each.
 *
 * KEYS buckets… [refund] [epoch] · ARGV when job. A job is numbers as JSON: refunds asks, how many tariffs, each as in
 * {@link CHARGE}, then each call as how many charges, each as its tariff (from 1). `refunds` and `asks` are 1 where the key of
 * their name is given. Gives the clock, 1 if these refunds were made before and so are not made again, then for each call
 * 1 (admitted), 0 (refused) or -1 (a bucket is none of ours) and for each of its charges the bucket as it was read, as CHARGE does;
 * at the end the epoch, '' for none, if it was asked for.
 */
export const CONSUME: Script = {
  name: 'consume',
  lua: `${BEGIN}
local job = cjson.decode(ARGV[2])
local refunds, asks, place, last, at = job[1], job[2], 3 + 7 * job[3], #job, 0
local again = 0
if refunds == 1 then
  again = call('SET', KEYS[#KEYS - asks], 1, 'NX', 'PX', ${REFUND_KNOWN_MS}) and 0 or 1
end
local out, size = { now, again }, 2
-- Of each charge of one call: the text that was read, the bucket to keep, and whether it is kept even if the call is refused.
local texts, readTats, tats, rests, pulls = {}, {}, {}, {}, {}
while place < last do
  local count = job[place + 1]
  local verdict, mark = 1, size + 1
  size = mark
  for i = 1, count do
    local tariff = 7 * job[place + 1 + i] - 3
    local ${TARIFF} = unpack(job, tariff, tariff + 6)
    if again == 1 and kind == ${Kind.Refund} then addUs, addRest = 0, 0 end
    local key = KEYS[at + i]
    -- What is no text at all must not end the calls of others.
    local text = redis.pcall('GET', key)
    ${READ}
    if foreign then verdict = -1 end
    out[size + 1] = tat or -1
    out[size + 2] = rest
    readTats[i], size = tat, size + 2
    local pulled, fits, nextTat, nextRest
    ${STEP}
    texts[i], tats[i], rests[i], pulls[i] = text, tat, rest, pulled
    -- Kept only if every charge fits. A bucket that was pulled in is kept as it is if one does not.
    if fits then tats[i], rests[i], pulls[i] = nextTat, nextRest, pulled and { tat, rest } end
    if not fits and verdict == 1 then verdict = 0 end
  end
  out[mark] = verdict
  if verdict >= 0 then
    for i = 1, count do
      local key, text, readTat, tat, rest, pulled = KEYS[at + i], texts[i], readTats[i], tats[i], rests[i], pulls[i]
      if verdict == 0 and type(pulled) == 'table' then tat, rest = pulled[1], pulled[2] end
      if verdict == 1 or pulled then ${KEEP} end
    end
  end
  at = at + count
  place = place + 1 + count
end
if asks == 1 then out[size + 1] = call('GET', KEYS[#KEYS]) or '' end
return out`,
}
