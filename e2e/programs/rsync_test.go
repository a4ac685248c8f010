package programs

import (
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestRsync mirrors a tree in rsync's ways, and again.
func TestRsync(t *testing.T) {
	rig.Need(t, "rsync")
	b := newBench(t, nil)
	b.both(`
rsync -a "$TREE/" a; rsync -ai "$TREE/" a
rsync -a --inplace "$TREE/" inplace; rsync -ai --inplace "$TREE/" inplace
rsync -a --whole-file --fsync "$TREE/" fsync
mkdir append; head -c 3000000 "$TREE/sub dir/deeper/parts.bin" >append/parts.bin
rsync -a --append-verify "$TREE/sub dir/deeper/parts.bin" append/; cmp append/parts.bin "$TREE/sub dir/deeper/parts.bin"
rsync -a --exclude '*.settings.json' a/ within; rsync -a --exclude '*.settings.json' a/ "$HOME/out/"; diff -r --no-dereference "$HOME/out" "$TREE"`)
	noTemporary(t, b)
	b.finish(
		each(once, "a/", treeFiles...), each(link, "a/", "link"),
		each(restated(1, 1), "inplace/", treeFiles...), each(link, "inplace/", "link"),
		each(once, "fsync/", treeFiles...), each(link, "fsync/", "link"),
		each(once, "within/", treeFiles...), each(link, "within/", "link"),
		each(restated(2, 1), "append/", "parts.bin"),
	)
}

// TestRsyncDelete mirrors with --delete, which meets every sidecar: the first
// run removes what is gone, the second nothing, and neither harms a file.
func TestRsyncDelete(t *testing.T) {
	rig.Need(t, "rsync")
	b := newBench(t, nil)
	b.both(`
rsync -a "$TREE/" m`)
	b.settled() // what is removed before it has left never leaves
	b.both(`
cp -a "$TREE/." "$HOME/mirrored"
rm -r "$HOME/mirrored/sub dir" "$HOME/mirrored/one"; echo changed >"$HOME/mirrored/block"
rsync -a --delete "$HOME/mirrored/" m; find m -not -name '*.settings.json' | sort
rsync -a --delete "$HOME/mirrored/" m; find m -not -name '*.settings.json' | sort
rsync -a --delete-after --inplace "$HOME/mirrored/" m; rsync -ai --delete --exclude '*.settings.json' "$HOME/mirrored/" m
diff -r --no-dereference -x '*.settings.json' "$HOME/mirrored" m; rm -r "$HOME/mirrored"`)
	noTemporary(t, b)
	b.upTo = map[string]int{"m/block": 2}
	b.finish(
		each(once, "m/", treeFiles...), each(link, "m/", "link"),
	)
}

var rsyncTemporary = regexp.MustCompile(`^\..+\.[A-Za-z0-9]{6}$`)

// noTemporary demands that S3 never heard of rsync's temporary names.
func noTemporary(t *testing.T, b *bench) {
	t.Helper()
	for name := range b.r.Saves(b.mark) {
		if rsyncTemporary.MatchString(path.Base(name)) {
			t.Errorf("S3 was given %s", name)
		}
	}
}

// TestRsyncPartial interrupts a transfer, as Ctrl-C does, and resumes it: the
// part that --partial leaves is a file, and what completes it another version.
func TestRsyncPartial(t *testing.T) {
	rig.Need(t, "rsync", "cmp")
	b := newBench(t, nil)
	source := b.tree + "/sub dir/deeper/parts.bin"
	interrupt := func(args ...string) {
		t.Helper()
		cmd := exec.Command("rsync", append(args, "--bwlimit=500k", source, b.m.Path("big"))...)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		b.m.Within(rig.Limit, "the beginning of the file", func() error { return awaitBytes(b.m.Path(".big.??????"), 512<<10) })
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		b.m.Within(20*time.Second, "rsync interrupted", func() error { _ = cmd.Wait(); return nil })
		if code := cmd.ProcessState.ExitCode(); code != 20 {
			t.Errorf("the interrupted rsync ended with %d, not 20:\n%s", code, out.String())
		}
	}
	interrupt("-a")
	if _, err := os.Lstat(b.m.Path("big")); err == nil {
		t.Error("an interrupted rsync without --partial left its file")
	}
	interrupt("-a", "--partial")
	whole, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	part, err := os.Stat(b.m.Path("big"))
	if err != nil || part.Size() == 0 || part.Size() >= whole.Size() {
		t.Fatalf("--partial left %v, %v", part, err)
	}
	b.m.Run("rsync", "-a", "--partial", "--append-verify", source, "big")
	b.m.Run("cmp", source, "big")
	noTemporary(t, b)
	if out, err := exec.Command("cp", "-p", source, b.local+"/big").CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	b.finish(each(restated(2, 2), "", "big"))
}

// awaitBytes waits until a file that the pattern matches has so many bytes.
func awaitBytes(pattern string, size int64) error {
	for ; ; time.Sleep(20 * time.Millisecond) {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if info, err := os.Lstat(name); err == nil && info.Size() >= size {
				return nil
			}
		}
	}
}

// TestRsyncLargerThanTheSpool mirrors files that are larger than the spool, in rsync's ways,
// new ones and over old versions: each is one upload, under its final name alone.
func TestRsyncLargerThanTheSpool(t *testing.T) {
	rig.Need(t, "rsync", "cmp")
	for _, mode := range []string{"CTR", "CBC", "GCM"} {
		t.Run(mode, func(t *testing.T) {
			b := benchOn(t, func() *rig.Rig {
				return rig.NewSmall(t, rig.Settings{"crypt.mode": strconv.Quote(mode)}, 64<<10, 2<<20)
			})
			ways := map[string]string{
				"plain": "", "delayed": "--delay-updates", "partial": "--partial", "aside": "--partial-dir=.rsync-partial",
				"whole": "--no-whole-file", "inplace": "--inplace", "delta": "--inplace --no-whole-file",
			}
			want := make(map[string]rig.Saved)
			for _, dir := range slices.Sorted(maps.Keys(ways)) {
				b.both("mkdir " + dir + "; rsync -a " + ways[dir] + ` "$TREE/sub dir/deeper/parts.bin" ` + dir + "/; cmp " + dir + `/parts.bin "$TREE/sub dir/deeper/parts.bin"`)
				b.committed(dir)
				want[dir+"/parts.bin"] = restated(2, 2)
			}
			noTemporary(t, b)
			b.settled()
			change := exec.Command("sh", "-c", `head -c 5000000 /dev/urandom >"$0"`, b.tree+"/sub dir/deeper/parts.bin")
			if out, err := change.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, dir := range slices.Sorted(maps.Keys(ways)) {
				b.both("rsync -a " + ways[dir] + ` "$TREE/sub dir/deeper/parts.bin" ` + dir + "/; cmp " + dir + `/parts.bin "$TREE/sub dir/deeper/parts.bin"`)
				b.committed(dir)
			}
			noTemporary(t, b)
			b.finish(want)
		})
	}
}

// committed waits until the mount has nothing to finish below a directory.
func (b *bench) committed(dir string) {
	b.t.Helper()
	if out, err := b.m.Mcfs(30*time.Second, "sync", b.m.Path(dir)); err != nil {
		b.t.Fatalf("sync %s: %v\n%s", dir, err, out)
	}
}
