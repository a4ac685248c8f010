// Package backend opens what a configuration names: credentials, store and keeper.
//
// Promises: store and keeper have been tried before they are handed out, within ten seconds; after
// an error nothing is open; no keyring is made where files were encrypted under a lost one;
// a token of an MFA device is asked for once.
//
// May import: config, internal/human, internal/verdict, keys, sidecar, store, store/dir, store/pace, store/s3.
package backend
