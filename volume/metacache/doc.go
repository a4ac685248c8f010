// Package metacache remembers how the objects of a volume were described, from
// one mount to the next, so that only what has changed in the store is asked for
// again. It is a file of its own, apart from the journal.
//
// It promises:
//
//   - A description is given back only for the very state of the object and its
//     sidecar for which it was kept (Stamp); what a listing says decides.
//   - It is never in the way. A file that cannot be read is set aside and begun
//     anew; where not even that is possible, nothing is remembered. A crash loses
//     at most the last second of it. No error reaches the caller.
//   - It is bounded, on disk and in memory.
//
// May import: nothing of ours.
package metacache
