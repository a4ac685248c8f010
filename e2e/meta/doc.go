// Package meta tests what a mount knows of its files without reading them:
// attributes that last, directories of every kind and size, names that are hard
// on S3 or on terminals, and how few requests all of it takes. Its tests drive
// real programs in a real mount over a real S3 server.
package meta
