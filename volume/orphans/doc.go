// Package orphans sees to it that of an upload that was given up nothing stays in
// the store. One request is not enough: a part that the store was still working on
// when its sender turned away may arrive after the abort, and stays there, and is
// paid for (AWS says so of AbortMultipartUpload, and to look for parts that are left).
//
// So an upload is aborted, looked for a moment later and once more when no part can be
// under way any more, and aborted again as often as anything is found. The journal has
// it until then, so that the next mount goes on. However many there are, few requests
// are under way at once, and none while the store is away.
//
// May import: spool, store, volume/queue.
package orphans
