// Package torture kills a mount at random instants, and demands of the next one
// everything that was promised. Several workers make and change a tree at once:
// they save, append, patch, fsync what stays open, rename, exchange, move
// directories, remove, link, and set attributes. What a call that returned 0 has
// promised is written down; a call that was under way at the kill may have
// happened or not, and nothing else may be otherwise than it was. The S3 server
// is killed, restarted and frozen meanwhile, and daemons are killed while they
// recover.
//
// Half of the worlds, as the seed has it, are small: parts of 32 to 128 KiB, and a spool
// of 2 to 4 MiB, so that what was sent is dropped from it, over committed files that are
// emptied and written anew, and under renames, truncations and kills. What a full spool
// may refuse may be refused there; small_linux_test.go says what that is.
//
// After each kill the bucket must be true as it stands (every sidecar decrypts its
// object, and none holds what nobody had closed), the next mount must show the
// tree, and after mcfs sync the bucket must hold exactly that, each object
// decrypted by its sidecar alone. At the end nothing is left in the spool that is
// not accounted for, no upload is unfinished, and a mount with an empty spool
// shows the same tree.
//
// tree_linux_test.go knows what was promised, ops_linux_test.go makes the calls,
// draw_linux_test.go chooses them, kill_linux_test.go chooses the instants, and
// check_linux_test.go and bucket_linux_test.go look at what is left.
package torture
