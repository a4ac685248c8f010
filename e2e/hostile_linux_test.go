package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// TestHostileBucket mounts a bucket in which somebody has put what harms: an
// object of a hundred gigabytes, a settings document of one, names that a
// terminal obeys, as long as they may be, or that no path spells.
func TestHostileBucket(t *testing.T) {
	sink := rig.StartSink(t)
	r := rig.NewAt(t, nil, sink.URL, sink.Bucket)
	const huge = int64(100 << 30)
	hold := func(key string, body []byte, size int64) { sink.Hold(rig.Prefix+key, body, size) }
	hold("huge.mov", nil, huge)
	hold("film", []byte("a film"), 0)
	hold("film"+rig.SidecarSuffix, nil, 1<<30)
	hold("plain", []byte("text"), 0)
	terminal := "clear\x1b[2J\x07"
	hold(terminal, []byte("text"), 0)
	long := strings.Repeat(strings.Repeat("d", 199)+"/", 5)
	long += strings.Repeat("f", 1024-len(rig.Prefix)-len(long))
	hold(long, []byte("deep"), 0)
	for _, key := range []string{"/abs", "../../etc/passwd", "..", ".", "x//y", "x/../y", "nul\x00", "\xff\xfe", strings.Repeat("n", 256)} {
		hold(key, []byte("hidden"), 0)
	}
	m := r.MountWith(rig.Binary(t, false), "a")
	m.Expect(`file cannot be read`)
	begun := time.Now()
	names, err := os.ReadDir(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range names {
		list = append(list, e.Name())
	}
	if want := []string{terminal, strings.Repeat("d", 199), "film", "film" + rig.SidecarSuffix, "huge.mov", "plain", "x"}; !slices.Equal(list, want) {
		t.Errorf("listed: %q", list)
	}
	if out := m.Shell(`ls -l huge.mov plain`); !strings.Contains(out, fmt.Sprint(" ", huge, " ")) {
		t.Error(out)
	}
	f, err := os.Open(m.Path("huge.mov"))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for _, at := range []int64{0, huge/3 + 5, huge / 2, huge - 4096, 77 << 30} {
		if n, err := f.ReadAt(buf, at); n != len(buf) || err != nil || !bytes.Equal(buf, make([]byte, 4096)) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
	f.Close()
	if text, err := os.ReadFile(m.Path("film")); !errors.Is(err, syscall.EIO) {
		t.Errorf("film: %q, %v", text, err)
	}
	for name, want := range map[string]string{terminal: "text", "plain": "text", long: "deep"} {
		if text, err := os.ReadFile(m.Path(name)); string(text) != want {
			t.Errorf("%q: %q, %v", name, text, err)
		}
	}
	if _, err := os.Stat(m.Path("x", "y")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("x/y: %v", err)
	}
	if sent := sink.Counts().Served; sent > 100<<20 {
		t.Errorf("%d MiB were fetched", sent>>20)
	}
	if peak := status(t, m.PID(), "VmHWM"); peak > memoryGoal {
		t.Errorf("%d MiB resident", peak>>20)
	}
	t.Logf("%v, %d KiB fetched, %d MiB resident", time.Since(begun), sink.Counts().Served>>10, status(t, m.PID(), "VmHWM")>>20)
	if strings.ContainsAny(m.Log(), "\x1b\x07") {
		t.Error("the log has what a terminal obeys")
	}
	m.Unmount()
}

// TestDamagedSpool damages what a killed mount has left in its spool. In the next
// one the damaged files give EIO and are told of by mcfs status, and the others
// are as they were.
func TestDamagedSpool(t *testing.T) {
	r := rig.New(t, rig.Settings{"mount.local_only": `["*~"]`})
	m := r.Mount("a")
	sizes := map[string]int64{"whole~": 1 << 20, "struck~": 2 << 20, "unmapped~": 3 << 20}
	for name, size := range sizes { // local-only names: they stay in the spool
		if err := os.WriteFile(m.Path(name), bytes.Repeat([]byte(name), int(size)/len(name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m.Shell(`sync whole~ struck~ unmapped~; echo committed >committed`)
	m.Kill()
	sealed := sealedBySize(t, m.Spool)
	strike(t, sealed[2])
	if err := os.Truncate(sealed[3]+".map", 20); err != nil {
		t.Fatal(err)
	}
	m = r.Mount("a")
	m.Expect(`level=ERROR.*(corrupt|quarantine|cannot be committed)`)
	for name := range sizes {
		text, err := os.ReadFile(m.Path(name))
		if damaged := name != "whole~"; damaged != errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
		if err == nil && !bytes.Equal(text, bytes.Repeat([]byte(name), int(sizes[name])/len(name))) {
			t.Errorf("%s: wrong bytes", name)
		}
	}
	m.Shell(`mv struck~ struck; mv whole~ whole; cat committed`)
	if out, err := m.Mcfs(time.Minute, "sync", m.Path("whole")); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	var s statusDocument
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s = statusOf(t, m, m.Dir)
		if len(s.Mounts[0].Quarantine) == 2 && len(s.Mounts[0].Drafts) == 2 || time.Now().After(deadline) {
			break
		}
	}
	for _, d := range s.Mounts[0].Drafts {
		if d.State != "lost" || d.Failure == nil || !slices.Contains([]string{"struck", "unmapped~"}, d.Path) {
			t.Errorf("draft: %+v", d)
		}
	}
	if len(s.Mounts[0].Drafts) != 2 || len(s.Mounts[0].Quarantine) != 2 {
		t.Errorf("status: %+v", s.Mounts[0])
	}
	if text, err := os.ReadFile(m.Path("struck")); !errors.Is(err, syscall.EIO) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	m.Unmount()
	r.Settle(time.Minute, []string{"committed", "whole"})
	r.Proof()
	m = m.Again()
	m.Expect(`level=ERROR.*(corrupt|quarantine)`)
	if text, err := os.ReadFile(m.Path("struck")); !errors.Is(err, syscall.EIO) {
		t.Errorf("in the next mount: %d bytes, %v", len(text), err)
	}
	m.Shell(`rm struck unmapped~`)
	if s := statusOf(t, m, m.Dir); len(s.Mounts[0].Drafts) != 0 || len(s.Mounts[0].Quarantine) != 2 {
		t.Errorf("%+v", s.Mounts[0])
	}
	m.Unmount()
	r.Settle(time.Minute, []string{"committed", "whole"})
}

// sealedBySize are the data files of a spool, by their size in MiB.
func sealedBySize(t *testing.T, dir string) map[int]string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, strings.Repeat("[0-9a-f]", 32)))
	if err != nil {
		t.Fatal(err)
	}
	sealed := make(map[int]string)
	for _, path := range list {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sealed[int(info.Size()>>20)] = path
	}
	return sealed
}

// strike flips a bit in the middle of a file.
func strike(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, 1<<20); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 8
	if _, err := f.WriteAt(b, 1<<20); err != nil {
		t.Fatal(err)
	}
}
