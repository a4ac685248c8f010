package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// makeTree fills a local directory with what a volume must be able to hold.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	script := `
mkdir -p "$1/sub dir/deeper" "$1/empty dir"
cd "$1"
: >empty
printf x >one
seq 1 20000 >numbers.txt
head -c 65536 /dev/urandom >block
head -c 65537 /dev/urandom >"sub dir/block and one"
head -c 12582913 /dev/urandom >"sub dir/deeper/parts.bin"
head -c 1000 /dev/urandom >'sub dir/größe & "quotes" +%25 日本.bin'
printf '#!/bin/sh\necho runs\n' >script.sh
ln -s "sub dir/block and one" link
ln -s /nowhere/at/all dangling
chmod 600 one; chmod 444 numbers.txt; chmod 755 script.sh; chmod 700 "sub dir"
touch -d '2001-02-03 04:05:06.789012345 UTC' numbers.txt
touch -d '2030-01-01 00:00:00 UTC' block
touch -d '1999-12-31 23:59:59.5 UTC' "sub dir/deeper/parts.bin"
touch -d '2010-10-10 10:10:10 UTC' "sub dir/deeper"
`
	if out, err := exec.Command("bash", "-euc", script, "bash", dir).CombinedOutput(); err != nil {
		t.Fatalf("make a tree: %v\n%s", err, out)
	}
	return dir
}

// describe prints what must come back of files, links and directories; of the
// latter their names only: their attributes have a test of their own.
const describe = `find . -mindepth 1 -not -name '*.settings.json' \( -type f -printf '%P|f|%s|%m|%T@\n' -o -type l -printf '%P|l|%l\n' -o -type d -printf '%P|d\n' \) | sort`

// localOutput runs a script in a local directory: the truth to compare with.
func localOutput(t *testing.T, dir, script string) (string, int) {
	t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	return string(out), rig.Status(err)
}

// TestColdMountReadsBack copies a tree with its attributes, and reads it through
// a mount that knows nothing but the bucket.
func TestColdMountReadsBack(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash", "cp", "find", "diff")
	tree := makeTree(t)
	want, status := localOutput(t, tree, describe)
	if status != 0 {
		t.Fatal(want)
	}
	r := rig.New(t, nil)
	m := r.Mount("warm")
	m.Run("cp", "-a", tree+"/.", ".")
	compare := func(m *rig.Mount, when string) {
		t.Helper()
		if got := m.Shell(describe); got != want {
			t.Errorf("%s: the tree is\n%s\nwhat was copied is\n%s", when, got, want)
		}
		m.Run("diff", "-r", "--no-dereference", "-x", "*.settings.json", tree, ".")
		wantLS, _ := localOutput(t, tree, `ls -lnR --time-style=full-iso | grep -v -e ^total -e '^d'`)
		gotLS := m.Shell(`ls -lnR -I '*.settings.json' --time-style=full-iso | grep -v -e ^total -e '^d'`)
		if gotLS != wantLS {
			t.Errorf("%s: ls -l says\n%s\nof what was copied\n%s", when, gotLS, wantLS)
		}
	}
	compare(m, "where it was written")
	m.Unmount()
	checkTree(t, r, tree)

	r.S3.Proxy.Reset()
	cold := r.Mount("cold")
	compare(cold, "cold")
	if got := cold.Run("cat", "numbers.txt.settings.json"); got != string(r.Get(rig.Prefix+"numbers.txt.settings.json").Body) {
		t.Errorf("the sidecar in the mount is %q", got)
	}
	names := strings.Fields(cold.Run("ls", "-U", "-1", "-I", "sub dir", "-I", "empty dir"))
	if i := slices.Index(names, "one.settings.json"); i < 0 || names[i+1] != "one" {
		t.Errorf("one.settings.json is not listed just before its file: %q", names)
	}
	cold.Unmount()
	if w := r.Writes(); len(w) > 0 {
		t.Errorf("reading wrote: %v", w)
	}
	checkTree(t, r, tree)
}

// TestDirectoryAttributes reads the modes and times of directories through a
// mount that knows nothing but the bucket.
func TestDirectoryAttributes(t *testing.T) {
	t.Parallel()
	r := rig.New(t, nil)
	m := r.Mount("warm")
	m.Shell(`mkdir plain private old; chmod 700 private; mkdir -m 751 old/inner; touch -d '2010-10-10 10:10:10.123456789 UTC' old/inner; touch -d '2011-11-11 11:11:11 UTC' old`)
	const list = `stat -c '%n %a %.9Y' private old old/inner; stat -c '%n %a' plain`
	const want = "old 755 1321009871.000000000\nold/inner 751 1286705410.123456789\n"
	first := m.Shell(list)
	if !strings.Contains(first, want) {
		t.Errorf("the directories show as\n%s", first)
	}
	m.Unmount()
	cold := r.Mount("cold")
	if got := cold.Shell(list); got != first {
		t.Errorf("cold, the directories show as\n%s\nnot as\n%s", got, first)
	}
	cold.Unmount()
}

// checkTree demands that the bucket holds exactly the files of a local tree,
// and that every sidecar decrypts its object to them (P3).
func checkTree(t *testing.T, r *rig.Rig, tree string) {
	t.Helper()
	var files, bare []string
	sums := make(map[string]string)
	err := filepath.WalkDir(tree, func(path string, e os.DirEntry, err error) error {
		if err != nil || path == tree {
			return err
		}
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			files = append(files, name+"/")
		case e.Type().IsRegular():
			files = append(files, name)
			sums[name] = hashFile(t, path)
		default:
			bare = append(bare, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Settle(20*time.Second, files, bare...)
	if t.Failed() {
		return // a proof of a bucket that still changes would mislead
	}
	got := r.Proof()
	for name, sum := range sums {
		if got[name] != sum {
			t.Errorf("S3 holds %s of %s, which should be %s", got[name], name, sum)
		}
	}
}
