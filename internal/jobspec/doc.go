// Package jobspec makes the options of a job's document of what a user has written, on a command
// line or in a configuration.
//
// Promises: a value that makes no sense is a Mistake, which names the flag and what to give; a
// template is read once, and no more of it than a document can have.
//
// May import: config, mediaconvert/document, mediaconvert/wire.
package jobspec
