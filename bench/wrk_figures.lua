-- What wrk measured, as one line of JSON: its own text rounds latencies and leaves out the 99.9th
-- percentile. Requests and answers never pass through Lua: `init` runs before the first request.

-- `-- N MANNER` after the URL asks with POST and a body of N bytes, the digits 0 to 9 over and over, where N
-- is not 0. MANNER is one of those of load.py: pipelined requests are one text that wrk sends again and
-- again; only for a mix Lua is asked for each request.
local PIPELINED = 16
local ONE_NAP_OF = 20
local SHORTEST_MS, LONGEST_MS = 8, 24

function init(arguments)
   local length = tonumber(arguments[1] or "0")
   if length > 0 then
      wrk.method = "POST"
      wrk.body = string.rep("0123456789", math.ceil(length / 10)):sub(1, length)
      wrk.headers["Content-Type"] = "application/octet-stream"
   end
   if arguments[2] == "pipelined" then
      local batch = string.rep(wrk.format(), PIPELINED)
      wrk.format = function() return batch end
   elseif arguments[2] == "mix" then
      local usual, nap, count = wrk.format(), wrk.format(nil, "/nap"), 0
      request = function()
         count = count + 1
         return count % ONE_NAP_OF == 0 and nap or usual
      end
   elseif arguments[2] == "pauses" then
      delay = function() return math.random(SHORTEST_MS, LONGEST_MS) end
   end
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '{"requests":%d,"duration_us":%d,"bytes":%d,' ..
      '"p50_us":%d,"p90_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d,' ..
      '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}\n',
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(90), latency:percentile(99),
      latency:percentile(99.9), latency.max,
      e.connect, e.read, e.write, e.timeout, e.status))
end
