package programs

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// bench is a mount with a local directory beside it, in which the same happens.
type bench struct {
	t     *testing.T
	r     *rig.Rig
	m     *rig.Mount
	local string         // the truth to compare with
	tree  string         // a local directory to copy from
	mark  int            // requests before it are not judged
	upTo  map[string]int // of files that a rename replaces: a version replaced before it left never leaves
}

func newBench(t *testing.T, s rig.Settings) *bench {
	t.Helper()
	return benchOn(t, func() *rig.Rig { return rig.New(t, s) })
}

func benchOn(t *testing.T, start func() *rig.Rig) *bench {
	t.Helper()
	t.Parallel()
	rig.Need(t, "bash", "find", "diff", "xargs")
	r := start()
	return &bench{t: t, r: r, m: r.Mount("warm"), local: t.TempDir(), tree: makeTree(t)}
}

// makeTree makes what is copied: sizes on both sides of a block and a part,
// modes, times to the nanosecond, names that want quoting.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const script = `
mkdir -p "$1/sub dir/deeper"
cd "$1"
: >empty
printf x >one
seq 1 20000 >numbers.txt
head -c 65536 /dev/urandom >block
head -c 65537 /dev/urandom >"sub dir/block and one"
head -c 6291456 /dev/urandom >"sub dir/deeper/parts.bin"
printf '#!/bin/sh\necho runs\n' >'sub dir/größe & "quotes".sh'
ln -s "sub dir/block and one" link
chmod 600 one; chmod 444 numbers.txt; chmod 755 "sub dir/größe & \"quotes\".sh"; chmod 750 "sub dir"
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

// treeFiles are the regular files of makeTree.
var treeFiles = []string{
	"empty", "one", "numbers.txt", "block", "sub dir/block and one", "sub dir/deeper/parts.bin", `sub dir/größe & "quotes".sh`,
}

// both runs a script in the local directory and in the mount: it must succeed
// and print the same. TREE is the tree to copy from.
func (b *bench) both(script string) string {
	b.t.Helper()
	script = "export HOME='" + b.r.Dir + "/home' TREE='" + b.tree + "'\n" + script
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = b.local, append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	want, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("in a local directory: %v\n%s", err, want)
	}
	got, gotErr := b.m.TryShell(rig.Limit, script)
	if got != string(want) || gotErr != nil {
		b.t.Fatalf("in the mount (%v):\n%s\nin a local directory:\n%s", gotErr, got, want)
	}
	return got
}

// locally brings the local directory to where another script has brought the mount.
func (b *bench) locally(script string) {
	b.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = b.local, append(os.Environ(), "LC_ALL=C", "TZ=UTC", "TREE="+b.tree)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("in a local directory: %v\n%s", err, out)
	}
}

// describe prints what must come back of files, links and directories. A time
// that nobody set is that of the moment: only older ones and later ones count.
const describe = `find . -mindepth 1 -not -name '*.settings.json' \( -type f -printf '%P|f|%s|%m|%T@\n' -o -type l -printf '%P|l|%l\n' -o -type d -printf '%P|d|%m\n' \) | sort`

// listing is what describe says, without the times of now.
func (b *bench) listing(text string) string {
	b.t.Helper()
	var out strings.Builder
	today := time.Now().Add(-24 * time.Hour).Unix()
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(fields) == 5 {
			at, _, _ := strings.Cut(fields[4], ".")
			if t, err := time.ParseDuration(at + "s"); err != nil {
				b.t.Fatalf("%q: %v", line, err)
			} else if s := int64(t.Seconds()); s > today && s < today+48*3600 {
				fields[4] = "now"
			}
		}
		out.WriteString(strings.Join(fields, "|") + "\n")
	}
	return out.String()
}

// alike compares a mount with the local directory: names, content, attributes.
func (b *bench) alike(m *rig.Mount, when string) {
	b.t.Helper()
	cmd := exec.Command("bash", "-c", describe)
	cmd.Dir, cmd.Env = b.local, append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	want, err := cmd.Output()
	if err != nil {
		b.t.Fatal(err)
	}
	if got, want := b.listing(m.Shell(describe)), b.listing(string(want)); got != want {
		b.t.Errorf("%s, the mount has\n%s\nthe local directory has\n%s", when, got, want)
	}
	m.Run("diff", "-r", "--no-dereference", "-x", "*"+rig.SidecarSuffix, b.local, ".")
}

// Uploads of one file, by what was done to it.
var (
	once    = rig.Saved{Objects: 1, Sidecars: 1}
	renamed = rig.Saved{Copies: 1, Sidecars: 1}
	link    = rig.Saved{Objects: 1, Restated: 1} // a symlink, which gets its time afterwards
)

func times(n int) rig.Saved { return rig.Saved{Objects: n, Sidecars: n} }

// restated is for programs that change attributes after their close: each
// version is uploaded once, and its sidecar may be put again as often.
func restated(n, most int) rig.Saved { return rig.Saved{Objects: n, Sidecars: n, Restated: most} }

// each gives the same count to several files.
func each(s rig.Saved, prefix string, names ...string) map[string]rig.Saved {
	all := make(map[string]rig.Saved)
	for _, name := range names {
		all[prefix+name] = s
	}
	return all
}

// finish unmounts, demands that S3 holds what the local directory holds and
// that it came there by these uploads, and looks at all of it with a mount that
// knows nothing. uploads are by file; several maps are put together.
func (b *bench) finish(uploads ...map[string]rig.Saved) {
	b.t.Helper()
	b.alike(b.m, "where it was written")
	b.m.Unmount()
	b.settled()
	want := make(map[string]rig.Saved)
	for _, u := range uploads {
		maps.Copy(want, u)
	}
	b.uploads(want)
	if b.t.Failed() {
		return
	}
	cold := b.r.Mount("cold")
	b.alike(cold, "cold")
	b.r.Truth(cold)
	cold.Unmount()
}

// uploads compares what was uploaded since the mark with what should have been.
func (b *bench) uploads(want map[string]rig.Saved) {
	b.t.Helper()
	got := b.r.Saves(b.mark)
	for _, name := range slices.Sorted(maps.Keys(got)) {
		g, w := got[name], want[name]
		if most := b.upTo[name]; most > 0 {
			w = times(max(1, min(g.Objects, most)))
			w.Sidecars = min(w.Objects, g.Sidecars)
		}
		if g.Restated <= w.Restated {
			g.Restated = w.Restated // those that follow one another closely are one
		}
		if g != w {
			b.t.Errorf("S3 was given of %s: %v; wanted: %v", name, got[name], want[name])
		}
	}
	for name := range want {
		if _, any := got[name]; !any {
			b.t.Errorf("S3 was never given %s", name)
		}
	}
}

// settled demands that the bucket holds the files of the local directory, and no key more.
func (b *bench) settled() {
	b.t.Helper()
	var files, bare []string
	err := filepath.WalkDir(b.local, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == b.local {
			return err
		}
		name, err := filepath.Rel(b.local, path)
		switch {
		case err != nil:
			return err
		case e.IsDir():
			files = append(files, name+"/")
		case e.Type()&fs.ModeSymlink != 0:
			bare = append(bare, name)
		default:
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.r.Settle(30*time.Second, files, bare...)
}
