// Package endings shows that nothing waits for ever and nothing is lost when
// something ends: the server's answers, a process in the mount, the daemon by
// any of its signals, the session it was started from, or the machine's waking.
package endings
