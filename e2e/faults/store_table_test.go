package faults

// The table of the store. A cell has what comes of one operation (the column)
// under one fault (the row):
//
//	ok      it succeeds
//	down    store.ErrUnavailable        deny    ErrDenied
//	cond    ErrPrecondition             sum     ErrChecksum
//	busy    ErrConflict                 bucket  ErrNoBucket
//	gone    ErrNotExist                 lost    ErrNoUpload
//	wrong   it succeeds and gives other bytes, which the layer above finds
//
// A number is how many requests it took. A plus says that the call failed, and
// took effect: S3 has what it was to make. Else S3 has after a success what the
// call makes, after a failure what it had before, and never anything else.
//
// Some cells deserve a word:
//
//   - A conditional write whose answer is lost is sent again, and then finds its
//     own work: "cond2+". Its caller looks (see package store).
//   - Begin is never repeated by the store, because each request whose answer is
//     lost may leave an upload that nobody knows. Its caller looks for that one.
//   - The answers to Put, PutPart, Abort, Head and Delete have no body that could
//     break. What they say stands in their headers.
//   - HEAD has no body to name what is missing. After a 404 a GET is asked, and
//     the HEAD repeated where the GET finds something.
//   - PUT, GET, HEAD and DELETE of a store that has had an answer go a shorter way first,
//     and what fails there is asked for by the SDK. Their connection is an old one,
//     and net/http itself tries another where an old one breaks.
//   - Get cannot tell an object that was cut short or altered on its way without
//     TLS, unless it knows the range. The sidecar's size, tag and MAC tell: see
//     TestRead.

const storeWrites = `
                                  | Put     PutNone PutMatch Begin   PutPart Complete CompleteNone Abort   Delete  DeleteMatch PutShort PutMatchShort DeleteShort DeleteMatchShort
latency                           | ok1     ok1     ok1      ok1     ok1     ok1      ok1          ok1     ok1     ok1         ok1      ok1           ok1         ok1
reset in the request's header     | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
reset in every request's header   | down3   down3   down3    down1   down3   down3    down3        down3   down3   down3       down4    down4         down4       down4
reset in the request's body       | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
reset in every request's body     | down3   down3   down3    down1   down3   down3    down3        down3   down3   down3       down4    down4         down4       down4
reset in the answer's header      | ok2     cond2+  cond2+   down1+  ok2     ok2      ok2          ok2     ok2     ok2         ok2      cond2+        ok2         ok2
reset in every answer's header    | down3+  down3+  down3+   down1+  down3+  down3+   down3+       down3+  down3+  down3+      down4+   down4+        down4+      down4+
reset in the answer's body        | ok1     ok1     ok1      down1+  ok1     ok2      ok2          ok1     ok1     ok1         ok1      ok1           ok1         ok1
reset in every answer's body      | ok1     ok1     ok1      down1+  ok1     down3+   down3+       ok1     ok1     ok1         ok1      ok1           ok1         ok1
request's body garbled            | sum1    sum1    sum1     ok1     sum1    sum1     sum1         ok1     ok1     ok1         ok2      ok2           ok1         ok1
answer garbled                    | ok1     ok1     ok1      down1+  ok1     down1+   down1+       ok1     ok1     ok1         ok1      ok1           ok1         ok1
answer cut short                  | ok1     ok1     ok1      down1+  ok1     down1+   down1+       ok1     ok1     ok1         ok1      ok1           ok1         ok1
web page instead of an answer     | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
silence before the request        | down1   down1   down1    down1   down1   down1    down1        down1   down1   down1       down1    down1         down1       down1
silence in the request's body     | down1   down1   down1    down1   down1   down1    down1        down1   down1   down1       down1    down1         down1       down1
silence instead of an answer      | down1+  down1+  down1+   down1+  down1+  down1+   down1+       down1+  down1+  down1+      down1+   down1+        down1+      down1+
silence after the answer's header | ok1     ok1     ok1      down1+  ok1     down1+   down1+       ok1     ok1     ok1         ok1      ok1           ok1         ok1
name unknown                      | down    down    down     down    down    down     down         down    down    down        down     down          down        down
name server silent                | down    down    down     down    down    down     down         down    down    down        down     down          down        down
connection refused                | down    down    down     down    down    down     down         down    down    down        down     down          down        down
server mute                       | down    down    down     down    down    down     down         down    down    down        down     down          down        down
500                               | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
500 always                        | down3   down3   down3    down1   down3   down3    down3        down3   down3   down3       down4    down4         down4       down4
200 with an error in it           | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
503 SlowDown                      | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
503 SlowDown always               | down3   down3   down3    down1   down3   down3    down3        down3   down3   down3       down4    down4         down4       down4
429                               | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
429 always                        | down3   down3   down3    down1   down3   down3    down3        down3   down3   down3       down4    down4         down4       down4
403                               | deny1   deny1   deny1    deny1   deny1   deny1    deny1        deny1   deny1   deny1       ok2      ok2           ok2         ok2
credentials expired               | deny1   deny1   deny1    deny1   deny1   deny1    deny1        deny1   deny1   deny1       deny2    deny2         deny2       deny2
404 of a proxy                    | ok2     ok2     ok2      down1   ok2     ok2      ok2          ok2     ok2     ok2         ok2      ok2           ok2         ok2
404 of the bucket                 | bucket1 bucket1 bucket1  bucket1 bucket1 bucket1  bucket1      bucket1 bucket1 bucket1     ok2      ok2           ok2         ok2
409                               | busy1   busy1   busy1    busy1   busy1   busy1    busy1        busy1   busy1   busy1       ok2      ok2           ok2         ok2
412                               | cond1   cond1   cond1    cond1   cond1   cond1    cond1        cond1   cond1   cond1       cond1    cond1         cond1       cond1
`

const storeReads = `
                                  | Get     GetRange Head    List    Uploads Parts   Check   GetShort HeadShort ListShort
latency                           | ok1     ok1      ok1     ok1     ok1     ok1     ok1     ok1      ok1       ok1
reset in the request's header     | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
reset in every request's header   | down3   down3    down3   down3   down3   down3   down3   down5    down5     down5
reset in the request's body       | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
reset in every request's body     | down3   down3    down3   down3   down3   down3   down3   down5    down5     down5
reset in the answer's header      | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
reset in every answer's header    | down3   down3    down3   down3   down3   down3   down3   down4    down4     down4
reset in the answer's body        | down1   down1    ok1     ok2     ok2     ok2     ok2     down1    ok1       ok2
reset in every answer's body      | down1   down1    ok1     down3   down3   down3   down3   down1    ok1       down4
request's body garbled            | ok1     ok1      ok1     ok1     ok1     ok1     ok1     ok1      ok1       ok1
answer garbled                    | wrong1  wrong1   ok1     down1   down1   down1   down1   wrong1   ok1       ok2
answer cut short                  | wrong1  down1    ok1     down1   down1   down1   down1   wrong1   ok1       ok2
web page instead of an answer     | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
silence before the request        | down1   down1    down1   down1   down1   down1   down1   down1    down1     down1
silence in the request's body     | down1   down1    down1   down1   down1   down1   down1   down1    down1     down1
silence instead of an answer      | down1   down1    down1   down1   down1   down1   down1   down1    down1     down1
silence after the answer's header | down1   down1    ok1     down1   down1   down1   down1   down1    ok1       down1
name unknown                      | down    down     down    down    down    down    down    down     down      down
name server silent                | down    down     down    down    down    down    down    down     down      down
connection refused                | down    down     down    down    down    down    down    down     down      down
server mute                       | down    down     down    down    down    down    down    down     down      down
500                               | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
500 always                        | down3   down3    down3   down3   down3   down3   down3   down4    down4     down4
200 with an error in it           | down1   down1    down1   ok2     ok2     ok2     ok2     ok2      ok2       ok2
503 SlowDown                      | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
503 SlowDown always               | down3   down3    down3   down3   down3   down3   down3   down4    down4     down4
429                               | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
429 always                        | down3   down3    down3   down3   down3   down3   down3   down4    down4     down4
403                               | deny1   deny1    deny1   deny1   deny1   deny1   deny1   ok2      ok2       ok2
credentials expired               | deny1   deny1    deny1   deny1   deny1   deny1   deny1   deny2    deny2     deny2
404 of a proxy                    | ok2     ok2      ok2     ok2     ok2     ok2     ok2     ok2      ok2       ok2
404 of the bucket                 | bucket1 bucket1  ok2     bucket1 bucket1 bucket1 bucket1 ok2      ok2       ok2
409                               | busy1   busy1    busy1   busy1   busy1   busy1   busy1   ok2      ok2       ok2
412                               | cond1   cond1    cond1   cond1   cond1   cond1   cond1   cond1    ok2       ok2
`

const storeCopies = `
                                  | Copy    CopyBegin CopyPart CopyEnd CopyEmptyGet CopyEmptyPut
latency                           | ok1     ok1       ok1      ok1     ok1          ok1
reset in the request's header     | ok2     down1     ok2      ok2     ok2          ok2
reset in every request's header   | down3   down1     down3    down3   down3        down4
reset in the request's body       | ok2     down1     ok2      ok2     ok2          ok2
reset in every request's body     | down3   down1     down3    down3   down3        down4
reset in the answer's header      | ok2     down1+    ok2      ok2     ok2          cond2+
reset in every answer's header    | down3+  down1+    down3    down3+  down3        down4+
reset in the answer's body        | ok2     down1+    ok2      ok2     ok1          ok1
reset in every answer's body      | down3+  down1+    down3    down3+  ok1          ok1
request's body garbled            | ok1     ok1       ok1      sum1    ok1          ok1
answer garbled                    | down1+  down1+    down1    down1+  ok1          ok1
answer cut short                  | down1+  down1+    down1    down1+  ok1          ok1
web page instead of an answer     | ok2     down1     ok2      ok2     ok2          ok2
silence before the request        | down1   down1     down1    down1   down1        down1
silence in the request's body     | down1   down1     down1    down1   down1        down1
silence instead of an answer      | down1+  down1+    down1    down1+  down1        down1+
silence after the answer's header | down1+  down1+    down1    down1+  down1        ok1
name unknown                      | down    down      down     down    down         down
name server silent                | down    down      down     down    down         down
connection refused                | down    down      down     down    down         down
server mute                       | down    down      down     down    down         down
500                               | ok2     down1     ok2      ok2     ok2          ok2
500 always                        | down3   down1     down3    down3   down3        down4
200 with an error in it           | ok2     down1     ok2      ok2     down1        ok2
503 SlowDown                      | ok2     down1     ok2      ok2     ok2          ok2
503 SlowDown always               | down3   down1     down3    down3   down3        down4
429                               | ok2     down1     ok2      ok2     ok2          ok2
429 always                        | down3   down1     down3    down3   down3        down4
403                               | deny1   deny1     deny1    deny1   deny1        ok2
credentials expired               | deny1   deny1     deny1    deny1   deny1        deny2
404 of a proxy                    | ok2     down1     ok2      ok2     ok2          ok2
404 of the bucket                 | bucket1 bucket1   bucket1  bucket1 bucket1      ok2
409                               | busy1   busy1     busy1    busy1   busy1        ok2
412                               | cond1   cond1     cond1    cond1   cond1        cond1
`
