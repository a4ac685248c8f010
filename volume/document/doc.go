// Package document keeps the bytes of an open sidecar, and what a program writes over them.
//
// It promises that nothing is taken, not for a moment, that can never become a settings
// document, and never more than Most bytes.
//
// May import: sidecar, volume/file.
package document
