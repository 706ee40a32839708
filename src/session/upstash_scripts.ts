import { Script } from "../upstash/script.ts";

/**
 * What they share: an account's devices are one string, `device|generation|channel|location` joined by commas, so that a
 * message finds all its receivers with one MGET; a channel is a hash. Names in them are percent-encoded. Generations
 * have more digits than a Lua number: they are compared as texts.
 */
const COMMON = `
local function devices(key)
  local list = {}
  for entry in string.gmatch(redis.call('GET', key) or '', '[^,]+') do
    local device, generation, channel = string.match(entry, '^([^|]*)|(%d+)|([^|]*)|')
    if device then list[#list + 1] = {text = entry, device = device, generation = generation, channel = channel} end
  end
  return list
end
local function write(key, list, ttl)
  local texts = {}
  for i, one in ipairs(list) do texts[i] = one.text end
  if #texts == 0 then redis.call('DEL', key)
  elseif ttl then redis.call('SET', key, table.concat(texts, ','), 'EX', ttl)
  else redis.call('SET', key, table.concat(texts, ','), 'KEEPTTL') end
end
local function without(key, device, generation)
  local kept, found = {}, false
  for _, one in ipairs(devices(key)) do
    if one.device == device and one.generation == generation then found = true else kept[#kept + 1] = one end
  end
  if found then write(key, kept) end
end
local function put_out(prefix, one, ms)
  local key = prefix .. one.channel
  local text = redis.call('HGET', key, 'v') or one.text
  redis.call('DEL', key)
  redis.call('HSET', key, 'e', '2')
  redis.call('PEXPIRE', key, ms)
  return text
end
local function later(one, other)
  if #one ~= #other then return #one > #other end
  return one > other
end
local function micros()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000000 + time[2])
end
local function channel(key, who, device, generation, session, ttl)
  redis.call('DEL', key)
  redis.call('HSET', key, 'k', who, 'd', device, 'g', generation, 'v', session, 'h', micros())
  redis.call('EXPIRE', key, ttl)
end
`;

/**
 * KEYS account, channel, lease. ARGV device, generation, entry, session, devices at most, ttl, `ch:` prefix, account part,
 * the channel was put out: remembered for ms, 1 when the lease must be held. Gives `ok` and who was put out, or `ended`, or
 * `lease`, or `older` and the later generation that is there. A login that is stored again puts nobody else out, and tells
 * again who was.
 */
export const ADD: Script = new Script(`${COMMON}
local known = redis.call('HMGET', KEYS[2], 'e', 'g', 'r')
if known[1] then return {'ended'} end
local out = {'ok'}
for one in string.gmatch(known[3] or '', '%S+') do out[#out + 1] = one end
if known[2] == ARGV[2] then return out end
if ARGV[10] == '1' and redis.call('EXISTS', KEYS[3]) == 0 then return {'lease'} end
local most, all, kept = tonumber(ARGV[5]), devices(KEYS[1]), {}
for _, one in ipairs(all) do
  if (one.device == ARGV[1] or most == 1) and later(one.generation, ARGV[2]) then return {'older', one.generation} end
end
local function leave(one)
  if ARGV[7] .. one.channel ~= KEYS[2] then out[#out + 1] = put_out(ARGV[7], one, ARGV[9]) end
end
for _, one in ipairs(all) do
  if one.device == ARGV[1] then leave(one) else kept[#kept + 1] = one end
end
if #kept >= most then
  for _, one in ipairs(kept) do one.heard = tonumber(redis.call('HGET', ARGV[7] .. one.channel, 'h') or '0') end
end
while #kept >= most do
  local silent = 1
  for i, one in ipairs(kept) do if one.heard < kept[silent].heard then silent = i end end
  leave(table.remove(kept, silent))
end
kept[#kept + 1] = {text = ARGV[3]}
write(KEYS[1], kept, ARGV[6])
channel(KEYS[2], ARGV[8], ARGV[1], ARGV[2], ARGV[4], ARGV[6])
if #out > 1 then redis.call('HSET', KEYS[2], 'r', table.concat(out, ' ', 2)) end
return out`);

/**
 * KEYS channel. ARGV `at:` prefix, remembered for ms, a name for this call. Gives 1 when there was a session, also when the
 * same call comes again.
 */
export const END: Script = new Script(`${COMMON}
local known = redis.call('HMGET', KEYS[1], 'k', 'd', 'g', 'n', 's')
if known[4] == ARGV[3] then return tonumber(known[5]) end
local had = 0
if known[1] then
  had = 1
  without(ARGV[1] .. known[1], known[2], known[3])
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'e', '1', 'n', ARGV[3], 's', had)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return had`);

/**
 * For each session KEYS account, channel, lease; ARGV devices at most, ttl, `ch:` prefix, who is put out: remembered for ms,
 * then for each session account part, device, generation, channel, entry, session, 1 when the lease must be held. Gives for
 * each that lost its device its number, from 1, and for each that was put out the number of the session that did it, a
 * space, and who.
 */
export const RESTORE: Script = new Script(`${COMMON}
local most, ttl, gone = tonumber(ARGV[1]), ARGV[2], {}
for i = 0, #KEYS / 3 - 1 do
  local account, key, lease = KEYS[3 * i + 1], KEYS[3 * i + 2], KEYS[3 * i + 3]
  local who, device, generation, id, entry, session, needs = unpack(ARGV, 7 * i + 5, 7 * i + 11)
  local known = redis.call('HMGET', key, 'e', 'g')
  if known[1] ~= '1' and (needs == '' or redis.call('EXISTS', lease) == 1) then
    local kept, rivals, there, newest = {}, {}, nil, true
    for _, one in ipairs(devices(account)) do
      if one.channel == id then there = one
      elseif one.device == device or most == 1 then
        rivals[#rivals + 1] = one
        newest = newest and later(generation, one.generation)
      else kept[#kept + 1] = one end
    end
    if there then
      if not known[2] then channel(key, who, device, there.generation, session, ttl) end
    elseif not newest or (#rivals == 0 and #kept >= most) then gone[#gone + 1] = tostring(i + 1)
    else
      for _, one in ipairs(rivals) do gone[#gone + 1] = (i + 1) .. ' ' .. put_out(ARGV[3], one, ARGV[4]) end
      kept[#kept + 1] = {text = entry}
      write(account, kept, ttl)
      channel(key, who, device, generation, session, ttl)
    end
  end
end
return gone`);

/** KEYS channels. ARGV `at:` prefix, ttl, kept without writing while so much of it is left. Gives the numbers of those without a session. */
export const TOUCH: Script = new Script(`
local missing, now = {}, redis.call('TIME')
local heard = string.format('%.0f', now[1] * 1000000 + now[2])
for i, key in ipairs(KEYS) do
  local known = redis.call('HMGET', key, 'k', 'g')
  local account = known[1] and ARGV[1] .. known[1]
  if account and string.find(redis.call('GET', account) or '', '|' .. known[2] .. '|', 1, true) then
    redis.call('HSET', key, 'h', heard)
    if redis.call('TTL', key) < tonumber(ARGV[3]) then
      redis.call('EXPIRE', key, ARGV[2])
      redis.call('EXPIRE', account, ARGV[2])
    end
  else missing[#missing + 1] = i end
end
return missing`);

/**
 * KEYS account, channel, lease. ARGV device, generation, ms. Takes out what a gateway without lease has left and nobody has
 * heard of for so long.
 */
export const CLEAN: Script = new Script(`${COMMON}
local known = redis.call('HMGET', KEYS[2], 'g', 'h')
local same = known[1] == ARGV[2]
if same and tonumber(micros()) - tonumber(known[2]) < tonumber(ARGV[3]) * 1000 then return 0 end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
without(KEYS[1], ARGV[1], ARGV[2])
if same then redis.call('DEL', KEYS[2]) end
return 1`);
