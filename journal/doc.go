// Package journal is the durable memory of a volume: what is promised and not finished,
// as typed records. Entries are the sealed files that matter after a restart, changes the
// queued changes of names, uploads those that must not be left behind in the store.
//
// It promises:
//
//   - What an Update has put is there after kill -9 or a power cut once that has returned
//     (P5). A transaction is there whole or not at all, and in the order of the calls.
//   - Transactions that come together share one write and one sync of the disk.
//   - Damage is never taken for a value. A value that is hit is set aside and named by
//     Unreadable; where it is not known what is missing, Rebuilt says so.
//   - One process has the journal. Peek reads it while none has.
//   - The journal of an older program is taken over at the first start, and goes only when
//     the new one is on the disk.
//
// # On disk
//
// A folder with two files. "lock" is locked by who has the journal. "log" begins with two
// copies of a header, then has records in the order in which they were written, then zeros.
// A record is a put or a delete of one value, and the last one of a transaction says so
// (frame.go). The log is written ahead with zeros, and each record tells how long the file
// was: so a sync has only the record to write, and a file that was cut short is known.
//
// What a power cut has torn is told from damage by the sectors that were not written, which
// are zeros, and by what later records say was on the disk before them (load.go).
//
// When the log has grown well past the values that are left, these are written to "log.new",
// which takes its place (checkpoint.go). Transactions go on meanwhile.
//
// The folder also keeps older programs out, which know a file journal.db instead: they
// refuse a spool with a folder that they do not know.
//
// # Locks
//
// Journal.mu is for the queue and numbers, state.mu for the values. Neither is held over I/O.
//
// May import: journal/legacy, sidecar.
package journal
