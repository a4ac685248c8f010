// Package acceptance is the kit that finds out what MediaConvert decrypts: a tiny clip is saved in
// each form that mcfs can write, and a job is made of each. It is the only way to settle what AWS
// leaves undocumented: the tag of GCM, the counter of an IV of 12 bytes, and GCM's with 16.
//
// Promises: what it writes into the volume is removed, and a job that has not ended by then is
// cancelled, whatever happens; every request has a deadline, and so has the whole.
//
// May import: crypt, internal/doctor, keys, mediaconvert/document, mediaconvert/jobs, sidecar, store.
package acceptance
