// Package watches runs the hot folders of a configuration beside a mount.
//
// Promises: what fails in a hot folder is logged, told to those who listen to the mount's events,
// shown by its status, and tried again; the mount neither fails nor ends by it. Of several
// that are about one file the first has it. Settle waits for the
// jobs of what was saved before. After Close nothing of it runs, and its jobs go on.
//
// May import: config, internal/backend, internal/feed, internal/hotfolder, internal/jobspec, internal/paths, internal/status, internal/stored, internal/verdict, mediaconvert/batch, mediaconvert/document, mediaconvert/failure, mediaconvert/jobs, sidecar, store.
package watches
