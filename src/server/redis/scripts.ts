/**
 * What changes the shared state, each as one step of Redis: no process that dies in between leaves a half. The first argument of each is
 * the prefix of the keys; times are those of Redis, in milliseconds, since the machines' clocks differ.
 *
 * | key | what it holds |
 * | --- | --- |
 * | order:ID | an order: its text, who draws it (owner), how often it was taken, that it is to be cancelled, how it ended |
 * | order:ID:events | a stream of what became of it |
 * | order:ID:images | its images: pixels and receipt by index |
 * | waiting, deadlines | ids that wait, by place and by the time when nobody wants them any more |
 * | share, rounds, round | how many of a key wait; the round of its last one; the round that is drawn |
 * | running | ids that are drawn, by deadline |
 * | kept, sizes, bytes | orders that are over, by their end; bytes of their images, each and together |
 * | workers, rates | processes that draw, by when they were last heard; milliseconds for a unit of work, by model |
 * | repeat:HASH | the job that an idempotency key started |
 *
 * What belongs to one order expires by itself, at the latest when it could not be asked after any more.
 */
const COMMON = `
local P = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function order(id) return P .. 'order:' .. id end
local function keep(key, id)
  local known = redis.call('HMGET', order(id), 'deadline', 'kept')
  redis.call('PEXPIRE', key, known[1] - now + known[2])
end
local function tell(id, ...)
  redis.call('XADD', order(id) .. ':events', '*', ...)
  keep(order(id) .. ':events', id)
  redis.call('PUBLISH', order(id), '')
end
local function moved() redis.call('PUBLISH', P .. 'moved', '') end
local function wait(id, place, deadline)
  redis.call('ZADD', P .. 'waiting', place, id)
  redis.call('ZADD', P .. 'deadlines', deadline, id)
  redis.call('HINCRBY', P .. 'share', redis.call('HGET', order(id), 'key'), 1)
end
local function leave(id)
  if redis.call('ZREM', P .. 'waiting', id) == 0 then return end
  redis.call('ZREM', P .. 'deadlines', id)
  local key = redis.call('HGET', order(id), 'key')
  if key and redis.call('HINCRBY', P .. 'share', key, -1) <= 0 then redis.call('HDEL', P .. 'share', key) end
end
local function over(id)
  leave(id)
  redis.call('ZREM', P .. 'running', id)
end
local function sweep()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deadlines', '-inf', now)) do leave(id) end
  redis.call('ZREMRANGEBYSCORE', P .. 'running', '-inf', now)
  if redis.call('ZCARD', P .. 'waiting') == 0 then redis.call('DEL', P .. 'rounds', P .. 'round', P .. 'share') end
end
local function isOwner(id, token) return redis.call('HGET', order(id), 'owner') == token end
local function isOpen(id)
  local known = redis.call('HMGET', order(id), 'text', 'deadline', 'kept', 'end')
  return known[1] and tonumber(known[2]) and tonumber(known[3]) and not known[4]
end
local function drop(id)
  redis.call('DEL', order(id) .. ':images')
  redis.call('ZREM', P .. 'kept', id)
  local bytes = redis.call('HGET', P .. 'sizes', id)
  if bytes then
    redis.call('HDEL', P .. 'sizes', id)
    redis.call('DECRBY', P .. 'bytes', bytes)
  end
end
local function finish(id, how, most)
  over(id)
  redis.call('HSET', order(id), 'end', how)
  tell(id, 'type', 'end', 'end', how)
  local known = redis.call('HMGET', order(id), 'kept', 'repeats')
  local kept, images = tonumber(known[1]), order(id) .. ':images'
  redis.call('PEXPIRE', order(id), 2 * kept)
  redis.call('PEXPIRE', order(id) .. ':events', 60000)
  redis.call('PEXPIRE', images, kept)
  if known[2] then redis.call('PEXPIRE', known[2], kept) end
  local bytes = 0
  for _, field in ipairs(redis.call('HKEYS', images)) do bytes = bytes + redis.call('HSTRLEN', images, field) end
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', P .. 'kept', '-inf', now)) do drop(old) end
  redis.call('ZADD', P .. 'kept', now + kept, id)
  redis.call('HSET', P .. 'sizes', id, bytes)
  local all = redis.call('INCRBY', P .. 'bytes', bytes)
  while all > tonumber(most) do
    local oldest = redis.call('ZRANGE', P .. 'kept', 0, 0)[1]
    if not oldest or oldest == id then break end
    drop(oldest)
    all = tonumber(redis.call('GET', P .. 'bytes'))
  end
  moved()
end
`;

const BODIES = {
  /** id, order, key, model, work, timeout, kept, limit, limit of a key, place of the repeat, hash of the body */
  accept: `
    local id, text, key, model, work = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
    local timeout, kept = tonumber(ARGV[7]), tonumber(ARGV[8])
    sweep()
    local repeats = P .. 'repeat:' .. ARGV[11]
    if ARGV[11] ~= '' then
      local known = redis.call('HMGET', repeats, 'id', 'body')
      if known[1] then return {'repeated', known[1], known[2]} end
    end
    if redis.call('ZCARD', P .. 'waiting') >= tonumber(ARGV[9]) then return {'full'} end
    if tonumber(redis.call('HGET', P .. 'share', key) or 0) >= tonumber(ARGV[10]) then return {'full of key'} end
    local round = math.max(tonumber(redis.call('GET', P .. 'round') or 0), tonumber(redis.call('HGET', P .. 'rounds', key) or 0)) + 1
    redis.call('HSET', P .. 'rounds', key, round)
    local deadline = now + timeout
    redis.call('HSET', order(id), 'text', text, 'key', key, 'model', model, 'work', work, 'deadline', deadline, 'kept', kept, 'round', round)
    redis.call('PEXPIRE', order(id), timeout + 2 * kept)
    wait(id, round * 4294967296 + redis.call('INCR', P .. 'count') % 4294967296, deadline)
    if ARGV[11] ~= '' then
      redis.call('HSET', repeats, 'id', id, 'body', ARGV[12])
      redis.call('PEXPIRE', repeats, timeout + kept)
      redis.call('HSET', order(id), 'repeats', repeats)
    end
    moved()
    return {'accepted', round}`,

  /**
   * id, token, what BullMQ's keys of its queue begin with: text, deadline in how many milliseconds, times taken before, whether it is to
   * be cancelled, indices that are drawn; nothing where another has its lock
   */
  take: `
    local id = ARGV[2]
    if not isOpen(id) or redis.call('GET', ARGV[4] .. id .. ':lock') ~= ARGV[3] then return {} end
    local known = redis.call('HMGET', order(id), 'text', 'deadline', 'cancel')
    -- A connection that broke off sends again what it had no answer to.
    if not isOwner(id, ARGV[3]) then redis.call('HINCRBY', order(id), 'takes', 1) end
    local place = redis.call('ZSCORE', P .. 'waiting', id)
    if place then
      local round = math.floor(place / 4294967296)
      if round > tonumber(redis.call('GET', P .. 'round') or 0) then redis.call('SET', P .. 'round', round) end
    end
    leave(id)
    redis.call('HSET', order(id), 'owner', ARGV[3])
    redis.call('ZADD', P .. 'running', known[2], id)
    tell(id, 'type', 'start')
    moved()
    local drawn = {}
    for _, field in ipairs(redis.call('HKEYS', order(id) .. ':images')) do
      local index = string.match(field, '^rgb:(%d+)$')
      if index then table.insert(drawn, index) end
    end
    return {known[1], known[2] - now, redis.call('HGET', order(id), 'takes') - 1, known[3] or '', drawn}`,

  /** id, token, then the fields of an event, and the most bytes of previews: whether it goes on (0), is cancelled (1) or is another's (-1) */
  step: `
    local id = ARGV[2]
    if not isOwner(id, ARGV[3]) then return -1 end
    if not isOpen(id) then return 1 end
    local preview = ARGV[8]
    if preview ~= '' and redis.call('HINCRBY', order(id), 'previews', #preview) <= tonumber(ARGV[7]) then
      tell(id, 'type', 'step', 'image', ARGV[4], 'step', ARGV[5], 'steps', ARGV[6], 'preview', preview)
    else
      tell(id, 'type', 'step', 'image', ARGV[4], 'step', ARGV[5], 'steps', ARGV[6])
    end
    return redis.call('HEXISTS', order(id), 'cancel')`,

  /** id, token, index, pixels, receipt: as step */
  image: `
    local id, index = ARGV[2], ARGV[4]
    if not isOwner(id, ARGV[3]) then return -1 end
    if not isOpen(id) then return 1 end
    local images = order(id) .. ':images'
    if redis.call('HSETNX', images, 'rgb:' .. index, ARGV[5]) == 1 then
      redis.call('HSET', images, 'receipt:' .. index, ARGV[6])
      keep(images, id)
      tell(id, 'type', 'image', 'image', index)
    end
    return redis.call('HEXISTS', order(id), 'cancel')`,

  /** id, token, how it ended, most bytes of all images: whether it was this that ended it; what was cancelled ends as whoever left said */
  finish: `
    local id = ARGV[2]
    if not isOpen(id) or not isOwner(id, ARGV[3]) then return 0 end
    finish(id, redis.call('HGET', order(id), 'cancel') or ARGV[4], ARGV[5])
    return 1`,

  /** id, how it ends, most bytes of all images: whether it is over at once; else whoever draws it is told, and ends it so */
  leave: `
    local id = ARGV[2]
    if not isOpen(id) then return 0 end
    if redis.call('ZSCORE', P .. 'running', id) then
      redis.call('HSETNX', order(id), 'cancel', ARGV[3])
      return 0
    end
    finish(id, ARGV[3], ARGV[4])
    return 1`,

  /** id, token: an order that goes back to be the next, as if it had not been taken */
  giveBack: `
    local id = ARGV[2]
    if not isOwner(id, ARGV[3]) or not isOpen(id) then return 0 end
    redis.call('HDEL', order(id), 'owner')
    redis.call('HINCRBY', order(id), 'takes', -1)
    redis.call('ZREM', P .. 'running', id)
    wait(id, 0, redis.call('HGET', order(id), 'deadline'))
    tell(id, 'type', 'back')
    moved()
    return 1`,

  /** id: an order that nobody asks after any more */
  forget: `
    local id = ARGV[2]
    over(id)
    drop(id)
    local repeats = redis.call('HGET', order(id), 'repeats')
    if repeats and redis.call('HGET', repeats, 'id') == id then redis.call('DEL', repeats) end
    redis.call('DEL', order(id), order(id) .. ':events')
    moved()
    return 1`,

  /** The ids that wait in their order with model and work of each; those that run; rates; how many processes draw. */
  look: `
    sweep()
    redis.call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', now - 30000)
    local function facts(ids)
      local rows = {}
      for _, id in ipairs(ids) do
        local known = redis.call('HMGET', order(id), 'model', 'work')
        table.insert(rows, {id, known[1] or '', known[2] or '0'})
      end
      return rows
    end
    return {
      facts(redis.call('ZRANGE', P .. 'waiting', 0, -1)),
      facts(redis.call('ZRANGE', P .. 'running', 0, -1)),
      redis.call('HGETALL', P .. 'rates'),
      redis.call('ZCARD', P .. 'workers'),
    }`,

  /** what BullMQ's keys of a queue begin with, token: ids of what came up for it and cannot be read, which is removed */
  discard: `
    local Q, ids = ARGV[2], {}
    for _, id in ipairs(redis.call('LRANGE', Q .. 'active', 0, -1)) do
      if redis.call('GET', Q .. id .. ':lock') == ARGV[3] then
        redis.call('LREM', Q .. 'active', 0, id)
        redis.call('SREM', Q .. 'stalled', id)
        redis.call('DEL', Q .. id, Q .. id .. ':lock')
        table.insert(ids, id)
      end
    end
    return ids`,

  /** name of a process that draws, and whether it goes on to */
  beat: `
    if ARGV[3] == '1' then redis.call('ZADD', P .. 'workers', now, ARGV[2]) else redis.call('ZREM', P .. 'workers', ARGV[2]) end
    moved()
    return 1`,
} as const;

export type ScriptName = keyof typeof BODIES;

/** The scripts by name, each with what all need. */
export const SCRIPTS: Readonly<Record<ScriptName, string>> = Object.fromEntries(
  Object.entries(BODIES).map(([name, body]) => [name, COMMON + body]),
) as Record<ScriptName, string>;
