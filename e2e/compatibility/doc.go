// Package compatibility asks an S3 server what of the protocol it keeps, as far as mcfs
// rests on it, and then has a volume do there all that can be done to files.
//
// Without an endpoint it asks the server of the tests. With MCFS_ENDPOINT, as
// `make compatibility` sets it, it asks that one, and prints the server's column of
// docs/compatibility.md. All of it happens below a prefix of its own, which is emptied in
// the end. It imports volume, and the store's rooms; nothing imports it.
package compatibility
