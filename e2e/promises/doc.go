// Package promises has one test for each promise, P1 to P9 of
// docs/architecture.md: a short scenario with the whole program that shows the
// heart of it, and that fails when the promise is broken. The many ways in which
// a promise could break in a corner are the other packages' affair.
package promises
