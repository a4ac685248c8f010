// Package verdict says of an error what a program needs to know: a word that never changes, and
// the cure.
//
// Promises: every error that the rooms below declare for commands has a word and a cure; each word
// is documented in docs/commands.md; an error's text is never changed by it.
//
// May import: internal/control, internal/demo, internal/drain, internal/human, internal/mounts, keys, mediaconvert/document, mediaconvert/failure, mediaconvert/jobs, mediaconvert/wire, sidecar, spool, store, volume.
package verdict
