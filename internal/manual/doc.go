// Package manual writes the manual pages of a program from its commands: what --help says, with
// name, synopsis, options and exit status.
//
// Promises: pure, but for Write; each command that a user sees has a page, and all that its help says
// is in it, in the same order; no text of a help becomes a request to the formatter.
//
// May import: nothing of ours.
package manual
