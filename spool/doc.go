// Package spool is the local folder of sealed files: drafts that are not yet in
// the store, and cached blocks of versions that are; and the journal of both.
//
// It promises: no plaintext ever reaches the disk; a block that a sync or a
// frozen view refers to is never overwritten in place; what Sync and a durable
// journal transaction returned for survives kill -9 and power loss; what is
// corrupt is quarantined, never deleted. It imports crypt and sidecar (for
// attributes only), and knows nothing of stores, keepers or FUSE.
//
// # A sealed file on disk
//
// HEXID is the data file: a header (header.go), then slots of 32 KiB. A slot
// holds the ciphertext of one block and nothing else; the block's nonce and tag
// stand in the map. So slots are whole filesystem blocks, can be punched out
// one by one, and a block put back from an older day fails to authenticate.
//
// HEXID.map is the map, which a file has from its first Sync on (before it is
// empty on disk, and its header says so): a log of sealed records (record.go), each a change of
// the table that says for every block whether it is a hole, in which slot it is, in the
// base, or in which upload alone (table.go, sent.go). The log is compacted by writing a new one beside it.
//
// # What may be overwritten when
//
// A slot is taken afresh for every block that is written, and becomes free only
// when nothing refers to it: not the table, not a frozen view, and not the map
// on disk (slots.go). The last has two strengths. After a fast Sync the map is
// in the page cache: it survives kill -9, not power loss. After a full one both
// are on the disk. What a full Sync refers to stays until the next full Sync.
// After a reboot, the blocks named by fast records that no full one followed are
// read and checked when the file is loaded; if one is missing, the file goes
// back to its last full Sync (load.go).
//
// # What may be dropped
//
// Under the quota's pressure blocks are dropped that are marked as being elsewhere:
// first those that the base has (SetClean), then those that an upload has which is not
// finished (LeaveTo, Sent). What such an upload alone has is never taken for the base's:
// a read says SentError, GiveUp refuses to end the upload, and Hold, which every promise
// asks first, refuses the promise. Landed makes it the base's, once the object is there.
//
// # Locks
//
// In this order: Spool.reclaiming, File.syncing, File.mu, then the small ones of
// quota, dirty list and open files. Space and buffers are taken before File.mu,
// because finding them may need the locks of other files.
package spool
