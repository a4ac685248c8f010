// Package human puts names, errors, sizes and times into words for one line of text.
//
// Promises: no name and no error, whoever has chosen it, reaches a terminal as
// anything but printable text, and none takes more than one line.
//
// May import: nothing of ours.
package human
