// Package launchd writes the property list by which macOS starts a volume when its user logs in.
//
// Promises: pure; what a list names is read back as it was named, or the list is refused.
//
// May import: nothing of ours.
package launchd
