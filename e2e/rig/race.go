//go:build race

package rig

// Race says whether the test, and with it the daemon, runs under the race detector.
const Race = true
