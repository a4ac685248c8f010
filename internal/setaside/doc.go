// Package setaside is what the commands of the quarantine say and do with a file that was set aside.
//
// Promises: what cannot be read of a file is said, and its exit status is another; after an export
// that failed there is no file.
//
// May import: internal/human, internal/verdict, spool.
package setaside
