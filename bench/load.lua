-- Sends the bytes of one file over and over, and prints what came back as one line of JSON.

local raw

function init(args)
   local file = assert(io.open(args[1], "rb"))
   raw = file:read("*a")
   file:close()
   -- wrk formats its request once, before it starts: so the scripting costs nothing while it runs.
   wrk.format = function() return raw end
end

function done(summary)
   local e = summary.errors
   print(string.format(
      '{"requests": %d, "bytes": %d, "us": %d, "status": %d, "errors": %d}',
      summary.requests, summary.bytes, summary.duration, e.status, e.connect + e.read + e.write + e.timeout))
end
