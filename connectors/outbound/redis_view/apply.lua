-- One batch into the view, all of it or nothing: only where the view is the one the sender knows and stands where the
-- sender read on from. So a batch counts once, whoever sends it, however often.
--
-- KEYS  view, exceptions:open, exceptions:closed, then the keys of each change
-- ARGV  epoch; lifetime of a reservation (s); closed exceptions to keep; prefix of an exception's key;
--       number of partitions, and for each: offset field, expected offset ('' none), next offset;
--       then runs to the end: kind, number of changes, their arguments
-- Returns {'EPOCH'}, {'MOVED', offset field}, or {'DONE', applied, old, applied, old, ...} by run.

local view, open, closed = KEYS[1], KEYS[2], KEYS[3]
local lifetime, kept, prefix, places = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local key, arg = 3, 5
local groups = open .. ':groups' -- every category|severity|owner there was; open ones of each have an index of their own
local NOTE_LIFETIME = 2592000 -- what is remembered of an exception that readers no longer see, s
local call = redis.call

if call('HGET', view, 'epoch') ~= ARGV[1] then
  return {'EPOCH'}
end
local positions = {}
for _ = 1, places do
  local field = ARGV[arg + 1]
  if (call('HGET', view, field) or '') ~= ARGV[arg + 2] then
    return {'MOVED', field}
  end
  positions[#positions + 1] = field
  positions[#positions + 1] = ARGV[arg + 3]
  arg = arg + 3
end

local function next_key()
  key = key + 1
  return KEYS[key]
end

local function next_arg()
  arg = arg + 1
  return ARGV[arg]
end

-- A location's or feed's field beside its revision. With `ties` the later of two with one revision wins.
local function field(ties)
  local hash, name, revision, value = next_key(), next_arg(), next_arg(), next_arg()
  local companion = 'r:' .. name
  if value == '' then
    return call('HDEL', hash, name, companion) > 0
  end
  local known = tonumber(call('HGET', hash, companion) or '')
  local given = tonumber(revision)
  if known and (given < known or (given == known and not ties)) then
    return false
  end
  call('HSET', hash, name, value, companion, revision)
  return true
end

local function offer()
  local hash, index, sku, revision, value = next_key(), next_key(), next_arg(), next_arg(), next_arg()
  if value == '' then
    call('ZREM', index, sku)
    return call('DEL', hash) > 0
  end
  local known = tonumber(call('HGET', hash, 'r') or '')
  if known and tonumber(revision) <= known then
    return false
  end
  call('HSET', hash, 'v', value, 'r', revision)
  if not known then
    call('ZADD', index, 0, sku)
  end
  return true
end

local function reservation()
  local hash, revision, value = next_key(), next_arg(), next_arg()
  local known = tonumber(call('HGET', hash, 'r') or '')
  if value == '' then
    return call('DEL', hash) > 0
  end
  if known and tonumber(revision) <= known then
    return false
  end
  call('HSET', hash, 'v', value, 'r', revision)
  call('EXPIRE', hash, lifetime)
  return true
end

-- Exceptions and resolutions come over two topics, so in any order; the same condition may be raised again later. What
-- holds is what was written last, by the log's timestamps: r and t, of the newest raise and resolution. Records of one
-- transaction share a timestamp; there their numbers decide (rn, tn), and if these are equal, what held before (rp, tp).
local function is_open(state)
  local r, t = state.r or -1, state.t or -1
  if r ~= t then
    return r > t
  end
  if state.rn ~= state.tn then
    return state.rn > state.tn
  end
  return (state.rp or -1) > (state.tp or -1)
end

local NAMES = {'r', 'rn', 'rp', 't', 'tn', 'tp'}

local function noted(hash, which, at)
  local found, state = call('HMGET', hash, unpack(NAMES)), {}
  for i, name in ipairs(NAMES) do
    state[name] = found[i] and tonumber(found[i]) or nil
  end
  local newest, number, before = which, which .. 'n', which .. 'p'
  local last = state[newest]
  at = math.max(tonumber(at), last or 0)
  if last == at then
    state[number] = state[number] + 1
  else
    state[before], state[newest], state[number] = last, at, 1
  end
  for _, name in ipairs({newest, number, before}) do
    if state[name] then
      call('HSET', hash, name, string.format('%.0f', state[name]))
    end
  end
  return state
end

local function group_of(hash)
  local name = call('HGET', hash, 'g')
  return name and (open .. ':' .. name)
end

-- Status, indexes and lifetime, as the facts in the hash say.
local function settle(hash, id, state)
  local shown, group = call('HMGET', hash, 'v', 'a', 'z', 'o'), group_of(hash)
  if state.r and is_open(state) then
    call('HSET', hash, 's', 'OPEN')
    call('HDEL', hash, 'w')
    call('PERSIST', hash)
    call('ZREM', closed, id)
    call('ZADD', open, shown[2], id)
    if group then
      call('ZADD', group, shown[2], id)
    end
    return
  end
  if group then
    call('ZREM', group, id)
  end
  if shown[1] then
    call('HSET', hash, 's', shown[4])
    call('PERSIST', hash)
    call('ZREM', open, id)
    call('ZADD', closed, shown[3], id)
  else
    call('HSET', hash, 's', shown[4])
    call('EXPIRE', hash, NOTE_LIFETIME)
  end
end

local function raise()
  local hash, id, at, raised_at, name, value = next_key(), next_arg(), next_arg(), next_arg(), next_arg(), next_arg()
  local group = group_of(hash)
  if group then
    call('ZREM', group, id)
  end
  if value == '' then
    call('ZREM', open, id)
    call('ZREM', closed, id)
    return call('DEL', hash) > 0
  end
  call('HSET', hash, 'v', value, 'a', raised_at, 'g', name)
  call('SADD', groups, name)
  settle(hash, id, noted(hash, 'r', at))
  return true
end

local function resolve()
  local hash, id, at, resolved_at, outcome, value = next_key(), next_arg(), next_arg(), next_arg(), next_arg(), next_arg()
  if value == '' then
    return false -- retracting a resolution has no meaning here
  end
  call('HSET', hash, 'w', value, 'z', resolved_at, 'o', outcome)
  settle(hash, id, noted(hash, 't', at))
  return true
end

-- Of exceptions beyond the newest `kept` a note stays, so that one raised and resolved long ago never comes up as open.
local function trim()
  for _, id in ipairs(call('ZRANGE', closed, 0, -(kept + 1))) do
    call('ZREM', closed, id)
    call('HDEL', prefix .. id, 'v', 'w')
    call('EXPIRE', prefix .. id, NOTE_LIFETIME)
  end
end

local kinds = {
  snapshot = function() return field(false) end,
  feed = function() return field(true) end,
  offer = offer,
  reservation = reservation,
  raise = raise,
  resolve = resolve,
}

local answer = {'DONE'}
while arg < #ARGV do
  local kind, number = kinds[next_arg()], tonumber(next_arg())
  local applied = 0
  for _ = 1, number do
    if kind() then
      applied = applied + 1
    end
  end
  answer[#answer + 1] = applied
  answer[#answer + 1] = number - applied
end
trim()
if places > 0 then
  call('HSET', view, unpack(positions))
end
return answer
