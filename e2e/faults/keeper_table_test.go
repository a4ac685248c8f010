package faults

// The table of the keeper. A cell has what comes of one operation (the column)
// under one fault (the row):
//
//	ok    it succeeds            down  keys.ErrUnavailable
//	deny  ErrDenied              state ErrKeyState
//
// A number is how many requests it took; the pool, which fetches more than one
// key at once, has each of them struck, and no number; nor has what the clock ends.
//
// A cell of the silent rows has "ok2" where one try ends by itself after a third
// of the call's time, and another follows. Where the header has come already, or
// where the client was given and is not the SDK's own, the call's deadline is the
// only one. A body that was garbled on its way is not what was signed: without
// TLS, KMS refuses it.

const keeperTable = `
                                  | New     NewEncrypt Pool    Unwrap  Wrap    Rewrap  RewrapFarOut RewrapFarIn CheckNew CheckUnwrap
latency                           | ok1     ok1        ok      ok1     ok1     ok1     ok1          ok1         ok1      ok1
reset in the request's header     | ok2     ok2        down    ok2     ok2     ok2     ok2          ok2         ok2      ok2
reset in every request's header   | down4   down4      down    down4   down4   down4   down4        down4       down4    down4
reset in the request's body       | ok2     ok2        down    ok2     ok2     ok2     ok2          ok2         ok2      ok2
reset in every request's body     | down4   down4      down    down4   down4   down4   down4        down4       down4    down4
reset in the answer's header      | ok2     ok2        down    ok2     ok2     ok2     ok2          ok2         ok2      ok2
reset in every answer's header    | down4   down4      down    down4   down4   down4   down4        down4       down4    down4
reset in the answer's body        | ok2     ok2        down    ok2     ok2     ok2     ok2          ok2         ok2      ok2
reset in every answer's body      | down4   down4      down    down4   down4   down4   down4        down4       down4    down4
request's body garbled            | deny1   deny1      deny    deny1   deny1   deny1   deny1        deny1       deny1    deny1
answer garbled                    | down1   down1      down    down1   down1   down1   down1        down1       down1    down1
answer cut short                  | down1   down1      down    down1   down1   down1   down1        down1       down1    down1
web page instead of an answer     | down1   down1      down    down1   down1   down1   down1        down1       down1    down1
404 of a proxy                    | down1   down1      down    down1   down1   down1   down1        down1       down1    down1
silence before the request        | ok2     ok2        down    ok2     ok2     ok2     down1        down1       ok2      ok2
silence in the request's body     | ok2     ok2        down    ok2     ok2     ok2     down1        down1       ok2      ok2
silence instead of an answer      | ok2     ok2        down    ok2     ok2     ok2     down1        down1       ok2      ok2
silence after the answer's header | down1   down1      down    down1   down1   down1   down1        down1       down1    down1
name unknown                      | down    down       down    down    down    down    down         down        down     down
name server silent                | down    down       down    down    down    down    down         down        down     down
connection refused                | down    down       down    down    down    down    down         down        down     down
server mute                       | down    down       down    down    down    down    down         down        down     down
internal error                    | ok2     ok2        down    ok2     ok2     ok2     ok2          ok2         ok2      ok2
internal error always             | down4   down4      down    down4   down4   down4   down4        down4       down4    down4
503 without a word                | ok2     ok2        down    ok2     ok2     ok2     ok2          ok2         ok2      ok2
429 without a word                | down1   down1      down    down1   down1   down1   down1        down1       down1    down1
throttled                         | ok2     ok2        down    ok2     ok2     ok2     ok2          ok2         ok2      ok2
throttled always                  | down4   down4      down    down4   down4   down4   down4        down4       down4    down4
access denied                     | deny1   deny1      deny    deny1   deny1   deny1   deny1        deny1       deny1    deny1
403 without a word                | deny1   deny1      deny    deny1   deny1   deny1   deny1        deny1       deny1    deny1
credentials expired               | deny1   deny1      deny    deny1   deny1   deny1   deny1        deny1       deny1    deny1
key disabled                      | state1  state1     state   state1  state1  state1  state1       state1      state1   state1
key pending deletion              | state1  state1     state   state1  state1  state1  state1       state1      state1   state1
key not found                     | state1  state1     state   state1  state1  state1  state1       state1      state1   state1
slower than its deadline          | down    down       down    down    down    down    down         down        down     down
`
