// Package file is the content of one file that is open, or has not left yet: its sealed file
// in the spool, the base version that has its unchanged bytes, the snapshot that an earlier
// close has asked for, and the parts that leave while it is still being written.
//
// It promises:
//
//   - A part that has left never changes: a write into it gives its upload up, and the commit
//     goes by another, with a data key and an IV of its own (P2).
//   - A reader sees one version, with local writes to it, or an error (P8).
//   - What a close has asked for stays as it was, on the disk too, until it is committed or
//     another close takes its place (P5, P6).
//   - No byte of a base is published again before the whole base has been checked (P9).
//   - What an upload alone has of a file is taken for nothing else, and no such upload is
//     given up while anybody may want the file.
//
// It knows no tree, no names, no journal and no commits. Its owner tells by Host where the
// file is, and changes State, and what else is exported of a Content, with the content
// locked. State moves by the table of states alone, but for what an earlier mount has left
// (Recover, ComeBackAsLocked, TakeArrivedLocked, BringBack).
//
// # Locks
//
// In this order, each optional:
//
//	Origin.opening       admits one at a time to what opens the base apart from the file, over the network
//	Content.LockOpening  admits one at a time to what fetches a description or a key, over the network
//	Content.Lock         guards a content; held over the spool's disk I/O, never over the network
//	Origin.mu, Cursor    nothing waits under these
//
// What wants the content locked has a name that ends in Locked. Methods of Host are called
// without, but for those that say so.
//
// May import: crypt, keys, sidecar, spool, store, volume/fetch, volume/flaw, volume/remote, volume/upload.
package file
