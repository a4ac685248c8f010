// Package rig is the bench on which the whole program is tested and measured:
// it builds mcfs once per test run, gives it an S3 server, a KMS and a
// configuration, mounts it as a process of its own, and watches it.
//
// It promises that no daemon, no mount and no server outlives the test, and
// that nothing can hang it: whatever waits for the mount has a limit, past
// which the daemon is made to print its goroutines and the test fails. A daemon
// that ends with another status than 0, that reports a data race, a panic or,
// unless the test expects them, errors, fails the test too.
//
// It is a fixture: only tests and measurements import it. It imports the
// fixtures s3test and kmstest, and none of the rooms that it puts to the test.
package rig
