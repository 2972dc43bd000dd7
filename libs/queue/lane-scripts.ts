/**
 * What happens to the lanes in Redis, each in one step.
 *
 *     malkoha:lanes                  set of the lanes that have or had tasks
 *     malkoha:lanes:version          grows with each lane that is new to the set; begins with the time (µs), so that
 *                                    after a loss of data nobody takes the lanes they know for those there are
 *     malkoha:lane:<lane>            sorted set of its levels (a level: a priority) that have tasks
 *     malkoha:lane:<lane>:<level>    sorted set of tasks by their turn
 *     malkoha:turns:<lane>:<level>   hash: `now`, the turn taken last, and the next turn of each account
 *     malkoha:queued                 hash: task → `<level>|<added, ms>|<lane>|<machines to avoid>|<account>|<weight>`
 *     malkoha:delayed                sorted set of tasks by the time from which they may be taken
 *     malkoha:bell:<lane>            list that holds one entry when an idle host should look at the lane
 *
 * Turns are start-time fair queueing: a task's turn is the later of the level's present one and its account's next,
 * which moves on by 1/weight. So accounts share a level by their weights, however many tasks one of them submits; an
 * account's own tasks keep their order; and no turn ever changes, so nothing is sorted again.
 *
 * @see Goyal, Vin, Cheng: Start-time Fair Queuing (SIGCOMM 1996)
 */
const COMMON = `
local P = 'malkoha:'
local ACCOUNTS = 4096 -- of a level, with a turn of their own; more share one
local function fields(info)
  local level, added, lane, avoid, account, weight = string.match(info, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$')
  return level, tonumber(added), lane, avoid, account, tonumber(weight)
end
local function known(lane)
  if redis.call('SADD', P .. 'lanes', lane) == 0 then return end
  if redis.call('INCR', P .. 'lanes:version') == 1 then
    local time = redis.call('TIME')
    redis.call('SET', P .. 'lanes:version', string.format('%d%06d', time[1], time[2]))
  end
  for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
    redis.call('RPUSH', P .. 'mail:' .. worker, '{"kind":"lanes"}')
    redis.call('EXPIRE', P .. 'mail:' .. worker, 60)
  end
end
local function ring(lane)
  known(lane)
  local bell = P .. 'bell:' .. lane
  if redis.call('LLEN', bell) == 0 then redis.call('RPUSH', bell, '1') end
end
local function place(id, info, front)
  local level, _, lane, _, account, weight = fields(info)
  local turns = P .. 'turns:' .. lane .. ':' .. level
  local now = tonumber(redis.call('HGET', turns, 'now') or '0')
  local turn = now
  if not front then
    local field = 'of:' .. account
    local own = redis.call('HGET', turns, field)
    if not own and redis.call('HLEN', turns) > ACCOUNTS then
      field = 'others'
      own = redis.call('HGET', turns, field)
    end
    turn = math.max(now, tonumber(own or '0'))
    redis.call('HSET', turns, field, string.format('%.17g', turn + 1 / weight))
  end
  redis.call('ZADD', P .. 'lane:' .. lane .. ':' .. level, string.format('%.17g', turn), id)
  redis.call('ZADD', P .. 'lane:' .. lane, level, level)
  ring(lane)
end
local function unplace(id, info)
  local level, _, lane = fields(info)
  local tasks = P .. 'lane:' .. lane .. ':' .. level
  redis.call('ZREM', tasks, id)
  if redis.call('EXISTS', tasks) == 0 then
    redis.call('ZREM', P .. 'lane:' .. lane, level)
    redis.call('DEL', P .. 'turns:' .. lane .. ':' .. level)
  end
end
`;

/** id, info, front (0/1), due (ms; 0: at once) → 1 added, 0 it is there. */
export const ADD = `${COMMON}
local id, info = ARGV[1], ARGV[2]
if redis.call('HSETNX', P .. 'queued', id, info) == 0 then return 0 end
if ARGV[4] == '0' then
  place(id, info, ARGV[3] == '1')
  return 1
end
redis.call('ZADD', P .. 'delayed', ARGV[4], id)
local _, _, lane = fields(info)
ring(lane) -- whoever waits for the lane must know when to look
return 1`;

/**
 * now (ms), milliseconds that make up for a level (0: none do), version of the lanes, lanes… → {'stale'} when there are
 * other lanes than those of that version; {'none', time of the next delayed task or ''}; or {'task', id, info}.
 *
 * The head of a level is its next turn; of the heads of all levels and lanes the one with the highest level wins, each
 * lifted by the time it has waited, then the oldest. Costs the same however many tasks wait.
 */
export const TAKE = `${COMMON}
local now, ageing = tonumber(ARGV[1]), tonumber(ARGV[2])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, 32)) do
  redis.call('ZREM', P .. 'delayed', id)
  local info = redis.call('HGET', P .. 'queued', id)
  if info then place(id, info, true) end
end
if (redis.call('GET', P .. 'lanes:version') or '0') ~= ARGV[3] then return {'stale'} end
local best, bestInfo, bestRank, bestAdded
for i = 4, #ARGV do
  for _, level in ipairs(redis.call('ZRANGE', P .. 'lane:' .. ARGV[i], 0, -1)) do
    local id = redis.call('ZRANGE', P .. 'lane:' .. ARGV[i] .. ':' .. level, 0, 0)[1]
    local info = redis.call('HGET', P .. 'queued', id)
    local _, added = fields(info)
    local rank = tonumber(level)
    if ageing > 0 then rank = rank + math.max(0, now - added) / ageing end
    if not best or rank > bestRank or (rank == bestRank and added < bestAdded) then
      best, bestInfo, bestRank, bestAdded = id, info, rank, added
    end
  end
end
if not best then
  return {'none', redis.call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')[2] or ''}
end
local level, _, lane = fields(bestInfo)
local tasks = P .. 'lane:' .. lane .. ':' .. level
local turn = redis.call('ZSCORE', tasks, best)
redis.call('HDEL', P .. 'queued', best)
unplace(best, bestInfo)
if redis.call('EXISTS', tasks) == 1 then redis.call('HSET', P .. 'turns:' .. lane .. ':' .. level, 'now', turn) end
-- One bell may have stood for several tasks: whoever was woken by it wakes the next.
if redis.call('EXISTS', P .. 'lane:' .. lane) == 1 then ring(lane) end
return {'task', best, bestInfo}`;

/** id → 1 removed, 0 it was not there. */
export const REMOVE = `${COMMON}
local info = redis.call('HGET', P .. 'queued', ARGV[1])
if not info then return 0 end
redis.call('HDEL', P .. 'queued', ARGV[1])
if redis.call('ZREM', P .. 'delayed', ARGV[1]) == 0 then unplace(ARGV[1], info) end
return 1`;

/** id → {'none'}, {'delayed'}, or {'waiting', tasks of higher levels of its lane and those before it in its own}. */
export const PLACE = `${COMMON}
local info = redis.call('HGET', P .. 'queued', ARGV[1])
if not info then return {'none'} end
local level, _, lane = fields(info)
local ahead = redis.call('ZRANK', P .. 'lane:' .. lane .. ':' .. level, ARGV[1])
if not ahead then return {'delayed'} end
for _, higher in ipairs(redis.call('ZRANGEBYSCORE', P .. 'lane:' .. lane, '(' .. level, '+inf')) do
  ahead = ahead + redis.call('ZCARD', P .. 'lane:' .. lane .. ':' .. higher)
end
return {'waiting', ahead}`;

/** → lane, tasks, added (ms) of the oldest head or '', for each lane. */
export const DEPTHS = `${COMMON}
local out = {}
for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes')) do
  local tasks, oldest = 0, nil
  for _, level in ipairs(redis.call('ZRANGE', P .. 'lane:' .. lane, 0, -1)) do
    local key = P .. 'lane:' .. lane .. ':' .. level
    tasks = tasks + redis.call('ZCARD', key)
    local _, added = fields(redis.call('HGET', P .. 'queued', redis.call('ZRANGE', key, 0, 0)[1]))
    if not oldest or added < oldest then oldest = added end
  end
  out[#out + 1] = lane
  out[#out + 1] = tasks
  out[#out + 1] = oldest and tostring(oldest) or ''
end
return out`;

/** Forgets the lanes that have no task. → how many */
export const TIDY = `${COMMON}
local gone = 0
for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes')) do
  if redis.call('EXISTS', P .. 'lane:' .. lane) == 0 then
    redis.call('SREM', P .. 'lanes', lane)
    redis.call('DEL', P .. 'bell:' .. lane)
    gone = gone + 1
  end
end
return gone`;
