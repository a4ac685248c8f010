package programs

import (
	"testing"

	"mcfs/e2e/rig"
)

// TestBackups: the backup that a program makes of a file by renaming it is not in S3
// before somebody wants it there, here by unmounting; nothing is copied there for it.
func TestBackups(t *testing.T) {
	rig.Need(t, "install", "cp", "mv")
	b := newBench(t, nil)
	b.both(`
cp "$TREE/block" a; cp "$TREE/one" a --backup=numbered; cp "$TREE/block" a --backup=numbered; cksum a a.~1~ a.~2~
cp "$TREE/block" b; install -m 644 -b "$TREE/one" b; cksum b b~
cp "$TREE/block" c; cp "$TREE/one" d; mv -b d c; cksum c c~`)
	b.finish(
		each(once, "", "a.~1~", "a.~2~", "b~", "c~"),
		each(times(3), "", "a"), each(restated(2, 1), "", "b"), each(once, "", "d"),
		each(rig.Saved{Objects: 1, Sidecars: 2, Copies: 1}, "", "c"),
	)
}
