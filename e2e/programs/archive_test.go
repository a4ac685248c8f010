package programs

import (
	"testing"

	"mcfs/e2e/rig"
)

// TestTar packs and unpacks, in the mount, into it and out of it.
func TestTar(t *testing.T) {
	rig.Need(t, "tar")
	b := newBench(t, nil)
	b.both(`
tar() { command tar --warning=no-timestamp "$@"; }
tar -cf t.tar -C "$TREE" .; mkdir x; tar -xf t.tar -C x; tar -tf t.tar | sort
tar -czf z.tgz --exclude '*.settings.json' x; tar -tzf z.tgz | sort; mkdir y; tar -xpzf z.tgz -C y
tar -rf t.tar -C "$TREE/.." "$(basename "$TREE")/one"; tar -tf t.tar | wc -l; tar -df t.tar -C "$TREE" ./block ./numbers.txt
tar -C "$TREE" -cf - . | tar -xf - -C y; rm z.tgz t.tar`)
	b.finish(
		each(once, "x/", treeFiles...), each(link, "x/", "link"),
		each(once, "y/x/", treeFiles...), each(link, "y/x/", "link"),
		each(once, "y/", treeFiles...), each(link, "y/", "link"),
		each(once, "", "z.tgz"), each(times(2), "", "t.tar"),
	)
}

// TestZip packs into the mount, adds to the archive, and unpacks there. zip
// writes beside its archive and renames; unzip sets times after its close.
func TestZip(t *testing.T) {
	rig.Need(t, "zip", "unzip")
	b := newBench(t, nil)
	b.both(`
zip() { command zip -X "$@"; }
(cd "$TREE" && zip -qr - .) >"$HOME/t.zip"; (cd "$TREE" && zip -qry "$OLDPWD/a.zip" . ); zip -qj a.zip "$TREE/../$(basename "$TREE")/one"
zip -qd a.zip numbers.txt; unzip -tq a.zip; unzip -Z1 a.zip | sort
unzip -q a.zip -d x; unzip -qo a.zip block -d x; (cd x && find . -type f -not -name '*.settings.json' | wc -l)
find x -type f -not -name '*.settings.json' | sort | zip -q within.zip -@; unzip -tq within.zip; zip -qT within.zip; rm "$HOME/t.zip"`)
	unpacked := []string{"empty", "one", "sub dir/block and one", "sub dir/deeper/parts.bin", `sub dir/größe & "quotes".sh`}
	b.upTo = map[string]int{"a.zip": 3, "within.zip": 1}
	b.finish(
		each(restated(1, 1), "x/", unpacked...), each(restated(2, 2), "x/", "block"),
		each(rig.Saved{Objects: 2, Sidecars: 1}, "x/", "link"), // which unzip makes a file of first
	)
}
