// Package memorytest gives the tests of a package temporary files in memory: those that write and
// sync many thousands of small files wait for nothing but the disk, and nothing that they check
// depends on it.
//
// It promises that nothing of it is left when the tests have ended by themselves.
//
// May import: nothing of ours.
package memorytest
