// Package pace keeps what is sent to a store below a rate.
//
// Promises: all who send share one rate, and take turns by pieces of a few milliseconds, so that
// none stands while others go on; whoever waits stops waiting with its context; a rate that
// changes holds from the next piece on; without a rate nothing is in the way.
//
// It imports nothing of ours.
package pace
