// Package dir is a store in a local directory: each object is a plain file at
// its key's path, so that a person can look at it and give it to openssl.
//
//	ROOT/movie.mp4                the object's bytes, and nothing else
//	ROOT/.mcfs/meta/HH/HASH.GEN   its ETag, content type and metadata (JSON)
//	ROOT/.mcfs/uploads/ID/        an unfinished multipart upload
//	ROOT/.mcfs/tmp/               what is being written
//	ROOT/.mcfs/lock               held for the moment of a change
//
// # Atomicity
//
// HASH is the SHA-256 of the key. GEN names the generation of the bytes: their
// size and modification time in nanoseconds, which this package sets so that no
// two generations of a key share it. A write makes the data durable in tmp,
// then the metadata of its generation, then checks the condition and renames
// the data into place: this rename alone is the commit. After a crash at any
// instant a key has the old bytes with the old metadata or the new bytes with
// the new, for metadata of another generation is never looked at; at worst a
// small file that nothing refers to remains. A file is never written in place,
// so an open body goes on reading its version.
//
// A file that somebody else put or changed is an object without metadata,
// under an ETag made of its inode, size and time. Copy the tree with tools that keep
// times to the nanosecond (cp -a, rsync -a): otherwise all metadata is lost.
//
// # Names
//
// A key's element is its file's name, but for what cannot be one: "" (as in a
// key that ends in "/") is "%empty", "." and ".." are "%2E" and "%2E%2E",
// ".mcfs" at the root is "%2Emcfs", a NUL byte is "%00", and "%" is "%25". Where
// both "a" and "a/b" are keys, the file of "a" is "a%file". An element of more
// than 255 bytes is refused, and so is a key that the file system takes for
// another (macOS: upper and lower case, composed and decomposed letters).
//
// Directories are made and removed as objects come and go. Modes are 0700 and
// 0600. Conditions hold between goroutines and between processes on one
// machine. The package imports store only.
package dir
