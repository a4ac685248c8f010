// Package sidecar is the settings document that stands beside each object, the
// metadata that goes with both, and the names reserved for them.
//
// It promises that whatever it renders is accepted by MediaConvert's own
// patterns and by S3's limits, that it reads back everything it renders
// exactly, and that it refuses what cannot decrypt a file with an error that
// names the field and the cure. Pure: it imports nothing of ours and touches
// neither disk nor network; its only outside source is crypto/rand.
package sidecar

import "strings"

// Suffix is what the name of a sidecar adds to that of its file.
const Suffix = ".settings.json"

// ContentType is the media type under which a sidecar is stored.
const ContentType = "application/json"

// Is says whether name (a path or its last element) is a sidecar's.
func Is(name string) bool {
	_, ok := Base(name)
	return ok
}

// Name is the sidecar's name for a file's; a path stays a path.
func Name(base string) string { return base + Suffix }

// Base is the inverse of Name; false if name is no sidecar's or nothing is
// left that could be a file: "", "." and ".." are not names. A sidecar's name
// may itself have a sidecar: of "a.settings.json.settings.json" the base is
// "a.settings.json".
func Base(name string) (string, bool) {
	base, ok := strings.CutSuffix(name, Suffix)
	if !ok {
		return "", false
	}
	switch base[strings.LastIndexByte(base, '/')+1:] {
	case "", ".", "..":
		return "", false
	}
	return base, true
}
