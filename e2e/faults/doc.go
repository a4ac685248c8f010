// Package faults breaks what lies between mcfs and its servers, one fault at a
// time and at random, and looks at what becomes of it.
//
// It promises tables without a gap: every operation of a store and of a keeper
// under every fault has the outcome that is written in the table, ends within
// its deadline, and leaves the server in the state that the outcome says. What
// a person sees of it is looked at through a whole volume. The S3 server is a
// real one, the KMS is strict about signatures and the encryption context; the
// faults are made by a proxy in front of each. Nothing imports it.
package faults
