// Package programs drives the programs of a Debian system in a real mount over a
// real S3 server: what copies, edits, archives and records, driven by scripts,
// and by keys where a person would press them.
//
// Most tests run the same script in the mount and in a local directory. What it
// prints, how it ends and what it leaves must be the same; then the bucket must
// hold exactly what the local directory does, each file uploaded once, with one
// sidecar that decrypts it, and nothing under the names that programs use in
// passing (P6). A second mount that knows nothing but the bucket must show the
// same content and attributes.
package programs
