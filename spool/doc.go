// Package spool is the local folder of sealed files: drafts that are not yet in
// the store, and cached blocks of versions that are. It opens the journal of both.
//
// Promises: no plaintext ever reaches the disk; a block that a sync or a frozen view
// refers to is never overwritten in place; what was written before a Sync or a durable
// journal transaction returned survives kill -9 and power loss; what is corrupt is
// quarantined, never deleted. It imports crypt and journal, and knows nothing of stores,
// keepers or FUSE.
//
// # A sealed file on disk
//
// HEXID is the data file: a header (header.go), then slots of 32 KiB. A slot holds the
// ciphertext of one block and nothing else; the block's nonce and tag are in the map. So
// slots are whole filesystem blocks and can be punched out one by one, and an older
// block that somebody puts back fails to authenticate.
//
// HEXID.map is the map, which a file has from its first Sync on. (Before that it is
// empty on disk, and its header says so.) It is a log of sealed records (record.go), each
// a change of the table, which has for every block whether it is a hole, in which slot it
// is, in the base, or in which upload alone (table.go, sent.go). The log is compacted by
// writing a new one beside it.
//
// # What may be overwritten when
//
// Every block that is written takes a free slot. A slot becomes free when nothing refers
// to it: not the table, not a frozen view, and not the map on disk (slots.go). After a
// fast Sync the map is in the page cache: it survives kill -9, not power loss. After a
// full one both are on the disk. What a full Sync refers to stays until the next full Sync.
// After a reboot, the blocks named by fast records that no full one followed are
// read and checked when the file is loaded; if one is missing, the file goes
// back to its last full Sync (load.go).
//
// # What may be dropped
//
// When the quota is reached, blocks are dropped that are marked as being elsewhere: first
// those that the base has, too (SetClean), then those that an unfinished upload has
// (LeaveTo, Sent). What only such an upload has is never taken for the base's: a read of
// it returns a SentError, GiveUp refuses to end the upload, and Hold, which precedes every
// promise about the file, fails. Landed makes it the base's, once the object is in the store.
// Between the two goes what only the map on disk has, if nobody was promised it (Replaced).
//
// # Locks
//
// In this order: Spool.reclaiming, File.syncing, File.mu, then the small ones of
// quota, dirty list and open files. Space and buffers are taken before File.mu,
// because finding them may need the locks of other files.
package spool
