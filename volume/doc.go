// Package volume is the tree of files in one bucket and prefix: names, versions,
// drafts and their states, the commit of drafts and the reading of versions.
// It works without FUSE; the mount, the commands and the tests share it.
//
// It keeps the promises P2 to P8 (docs/architecture.md): a version has a key and an IV of its own;
// a sidecar that exists tells the truth; Flush returns nil only when ciphertext
// and sidecar are in the store (or, with SpoolDurable, when the fsynced spool
// has them); what happens to names is journaled, true at once, and finished
// behind; no operation on names waits long for the network.
//
// May import: crypt, keys, sidecar, spool, store, volume/acl, volume/arrival, volume/carry, volume/changes, volume/clock, volume/commit, volume/document, volume/entry, volume/event, volume/fetch, volume/file, volume/flaw, volume/lately, volume/listing, volume/metacache, volume/moving, volume/naming, volume/orphans, volume/patience, volume/queue, volume/recheck, volume/remote, volume/status, volume/tasks, volume/tree, volume/upload, volume/writers.
//
// # Locks
//
// In this order, each optional:
//
//	Volume.names  serialises changes of names; held while their journal transaction runs,
//	              and shared by what journals a draft under the name that it has
//	Volume.mu     guards the tree (nodes, and what package tree knows of a directory), attempts and
//	              claims; never held over I/O
//	Content.Lock  a node's (package file); held over the spool's disk I/O, never over the network
//
// A transaction of the journal may lock a content, so nobody waits for the journal with
// one locked. "n locked" in a comment means that n.content is.
//
// Content.LockOpening comes before all of them: one at a time fetches what a file's
// version says, or its key. A commit holds no lock while it talks to the network;
// its job in the queue keeps others back from its path, and there is one of a node at a time.
package volume
