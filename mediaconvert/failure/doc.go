// Package failure says what it means that a MediaConvert job ended in an error, and what to do.
//
// It promises that the service's own message comes first, and that a guess is called one. AWS
// documents no code for an input that was decrypted wrongly: where a job could not parse its input,
// the file's settings are read again, and told from those that the job had.
//
// May import: sidecar.
package failure
