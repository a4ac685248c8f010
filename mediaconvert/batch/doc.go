// Package batch is what many jobs at once need beside each job: who does them, whose outputs are
// where, and what has become of all.
//
// Promises: of a file that is done nothing is kept but a number for each of its outputs; no two
// files of a batch have one output; where nobody answers for several files in a row, or the context
// ends, no further one is begun, and who names them is not waited for.
//
// May import: mediaconvert/document.
package batch
