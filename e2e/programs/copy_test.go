package programs

import (
	"testing"

	"mcfs/e2e/rig"
)

// TestCp copies into the mount, within it and over what is there.
func TestCp(t *testing.T) {
	rig.Need(t, "cp")
	b := newBench(t, nil)
	b.both(`
mkdir plain p
cp "$TREE"/{empty,one,numbers.txt,block} plain/
cp -p "$TREE"/{empty,one,numbers.txt,block} p/; stat -c '%n %s %a' p/{empty,one,numbers.txt,block}; stat -c %.9Y p/{numbers.txt,block}
cp -a "$TREE" a
cp --sparse=always "$TREE/block" sparse
{ printf head; head -c 3000000 /dev/zero; printf tail; } >"$HOME/holes"
cp --sparse=always "$HOME/holes" holes; cksum holes
cp plain/block within; cp -p p/numbers.txt within.txt; stat -c %.9Y within.txt
cp plain/one over; cp "$TREE/block" over; cmp "$TREE/block" over
cp --attributes-only -p "$TREE/block" attributes; stat -c '%s %.9Y' attributes
cp -u "$TREE/one" over; cp -n "$TREE/one" over; cksum over
cp --remove-destination "$TREE/numbers.txt" over; cksum over
cp "$TREE/one" .notes.backup; cp "$TREE/one" sedentary`)
	b.finish(
		each(once, "plain/", "empty", "one", "numbers.txt", "block"),
		each(once, "p/", "empty", "one", "numbers.txt", "block"),
		each(once, "a/", treeFiles...), each(link, "a/", "link"),
		each(once, "", "sparse", "holes", "within", "within.txt", "attributes", ".notes.backup", "sedentary"),
		each(times(3), "", "over"),
	)
}

// TestMv moves files and trees, over others and from and to the local disk.
func TestMv(t *testing.T) {
	rig.Need(t, "mv", "cp")
	b := newBench(t, nil)
	b.both(`
cp -a "$TREE" tree; cp -a "$TREE" "$HOME/out"
mv tree/one one; mv tree/numbers.txt tree/block; cksum tree/block
mv "tree/sub dir" moved; ls -I '*.settings.json' tree
rm -rf "$HOME/in"; mv moved "$HOME/in"; [ ! -e moved ]; (cd "$HOME/in" && find . -type f -not -name '*.settings.json' | sort | tr '\n' '\0' | xargs -0 cksum)
mv "$HOME/in" back; mv -n one back/; mv -b back/one back/deeper/; ls -I '*.settings.json' back
mv -T tree back/deeper/tree; mv "$HOME/out" out`)
	for _, name := range []string{"back/deeper/tree/block", "back/deeper/one"} {
		if got := b.r.Saves(0)[name]; got.Objects > 0 {
			t.Errorf("%s was uploaded (%v), not copied on the server", name, got)
		}
	}
	b.m.Unmount()
	b.settled()
	cold := b.r.Mount("cold")
	b.alike(cold, "cold")
	b.r.Truth(cold)
	cold.Unmount()
}

// TestInstall installs as makefiles do.
func TestInstall(t *testing.T) {
	rig.Need(t, "install")
	b := newBench(t, nil)
	b.both(`
install "$TREE/block" plain; stat -c %a plain
install -m 640 "$TREE/block" mode; stat -c %a mode
install -p -m 644 "$TREE/numbers.txt" times; stat -c '%a %.9Y' times
install -D -m 755 "$TREE/one" usr/local/bin/one; stat -c %a usr/local usr/local/bin/one
install -d -m 700 private; stat -c %a private
install -C -m 640 "$TREE/block" mode; install "$TREE/one" plain; cksum plain mode`)
	b.finish(each(restated(1, 2), "", "times"), each(restated(2, 2), "", "plain"), each(restated(1, 1), "", "mode"), each(restated(1, 1), "usr/local/bin/", "one"))
}

// TestDd runs dd's ways of opening and writing, on new files and on old ones.
func TestDd(t *testing.T) {
	rig.Need(t, "dd")
	b := newBench(t, nil)
	b.both(`
dd() { command dd status=none if="$TREE/block" "$@"; }
dd of=plain bs=4096
dd of=notrunc bs=1000; dd of=notrunc bs=777 count=5 seek=3 conv=notrunc; cksum notrunc
dd of=fsync bs=5000 conv=fsync; dd of=fdatasync bs=64K conv=fdatasync
head -c 1000000 /dev/zero | command dd status=none of=sparse bs=4096 conv=sparse; cksum sparse
dd of=excl conv=excl; (! dd of=excl conv=excl 2>&1) | sed 's/.*: //'
(! dd of=nocreat conv=nocreat 2>&1) | sed 's/.*: //'; ls nocreat 2>/dev/null || echo none
dd of=plain conv=nocreat,notrunc bs=100 count=1 seek=9; cksum plain
dd of=append oflag=append conv=notrunc bs=1000; dd of=append oflag=append conv=notrunc bs=999; cksum append
dd of=direct oflag=direct bs=4096; cksum direct; command dd status=none if=direct iflag=direct bs=4096 | cksum
dd of=sync oflag=sync bs=16K; dd of=dsync oflag=dsync bs=16K; cksum sync dsync
dd of=seek bs=1 seek=5000000 count=1; stat -c %s seek; cksum seek
dd of=swab conv=swab,fsync bs=512; cksum swab; dd of=short bs=1M count=0; stat -c %s short
dd of=seek bs=1000 seek=1 count=1; stat -c %s seek`)
	b.finish(
		each(once, "", "fsync", "fdatasync", "sparse", "excl", "direct", "sync", "dsync", "swab", "short"),
		each(times(2), "", "plain", "notrunc", "append", "seek"),
	)
}
