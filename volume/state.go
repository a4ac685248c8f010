package volume

import "mcfs/volume/file"

// State is what a draft is in. The zero State is a clean file: no draft at all.
type State = file.State

// The states, as package file has them.
const (
	Clean       = file.Clean
	Writing     = file.Writing
	Queued      = file.Queued
	Uploading   = file.Uploading
	Publishing  = file.Publishing
	Interrupted = file.Interrupted
	Local       = file.Local
	Temporary   = file.Temporary
	Lost        = file.Lost
)
