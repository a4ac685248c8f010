package fs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store/dir"
	"mcfs/volume"
)

func init() { roles["volume"] = serveVolume }

const testSource = "mcfs#bucket/a prefix, with a comma"

// serveVolume mounts a real volume over a directory store and a local keyring,
// and takes commands, a line each.
func serveVolume(args []string) {
	mountpoint, state := args[0], args[1]
	check := func(err error) {
		if err != nil {
			say(event{What: "failed", Text: err.Error()})
			os.Exit(1)
		}
	}
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := dir.New(dir.Options{Path: filepath.Join(state, "store")})
	check(err)
	keeper, err := keys.CreateLocal(filepath.Join(state, "keyring"))
	check(err)
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(state, "spool"), MaxSize: 256 << 20, Log: log})
	check(err)
	vo := volume.Options{Store: st, Keeper: keeper, Spool: sp, Log: log, Mode: crypt.CTR}
	mo := Options{AllowOther: os.Geteuid() == 0, FsName: testSource, Log: log}
	seen := &lines{}
	if slices.Contains(args, "tell requests") {
		mo.Debug, mo.Log = true, slog.New(slog.NewTextHandler(seen, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if slices.Contains(args, "private") {
		mo.AllowOther = false
	}
	if slices.Contains(args, "owned") {
		mo.UID, mo.GID = new(uint32(1001)), new(uint32(1003))
	}
	v, err := volume.Open(ctx, vo)
	check(err)
	s, err := Mount(ctx, mountpoint, v, mo)
	check(err)
	say(event{What: "requests", Text: seen.String()})
	_, err = Mount(ctx, mountpoint, v, Options{Log: log})
	say(event{What: "second mount", Text: fmt.Sprint(err)})
	say(event{What: "mounted"})
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		switch commands.Text() {
		case "die":
			os.Exit(0)
		case "unmount":
			err := s.Unmount()
			say(event{What: "unmounted", Text: fmt.Sprint(err), Code: detachedCode(err)})
			s.Wait()
			say(event{What: "ended"})
		}
	}
	check(s.Unmount())
	s.Wait()
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	check(v.Close(limited))
	check(sp.Close())
	check(st.Close())
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestMountingAsksNothingOfItself: who opens something in a mount of its own, and is
// killed before it has answered itself, leaves a mount that hangs for ever.
func TestMountingAsksNothingOfItself(t *testing.T) {
	d, _ := startVolume(t, "tell requests")
	told := d.await(t, "the requests of mounting", func(e event) bool { return e.What == "requests" }).Text
	if !strings.Contains(told, "INIT") {
		t.Fatalf("no request is told of: %s", told)
	}
	for _, line := range strings.Split(told, "\n") {
		if strings.Contains(line, "rx ") && !strings.Contains(line, ": INIT ") {
			t.Errorf("mounting made a request: %s", line)
		}
	}
}

func detachedCode(err error) int {
	if errors.Is(err, ErrDetached) {
		return 1
	}
	return 0
}

func startVolume(t *testing.T, options ...string) (d *daemon, state string) {
	state = t.TempDir()
	return startDaemon(t, "volume", append([]string{state}, options...)...), state
}

func TestMount(t *testing.T) {
	d, state := startVolume(t)
	// scratch is a directory of its own for each part.
	scratch := func(t *testing.T) string {
		t.Helper()
		path := filepath.Join(d.mountpoint, strings.ReplaceAll(filepath.Base(t.Name()), " ", "_"))
		must(t, os.Mkdir(path, 0o777))
		must(t, os.Chmod(path, 0o777))
		return path
	}

	t.Run("type and source", func(t *testing.T) {
		m, ok := MountAt(d.mountpoint)
		if !ok || m.Kind != "fuse.mcfs" || m.Source != testSource || m.UID != os.Geteuid() {
			t.Errorf("mounted as %+v, %v", m, ok)
		}
		if ahead, err := os.ReadFile("/sys/class/bdi/" + m.Device + "/read_ahead_kb"); os.Geteuid() == 0 && (err != nil || strings.TrimSpace(string(ahead)) != "1024") {
			t.Errorf("read-ahead is %q KiB, %v", ahead, err)
		}
		e := d.await(t, "the second mount", func(e event) bool { return e.What == "second mount" })
		if want := fmt.Sprintf("mountpoint %s is mounted already (fuse.mcfs, %s): end that mount with mcfs unmount %q", d.mountpoint, testSource, d.mountpoint); !strings.Contains(e.Text, want) {
			t.Errorf("the second mount: %s", e.Text)
		}
	})
	t.Run("write and read", func(t *testing.T) { testWriteAndRead(t, scratch(t), state) })
	t.Run("append and truncate", func(t *testing.T) { testAppendAndTruncate(t, scratch(t)) })
	t.Run("holes", func(t *testing.T) { testHoles(t, scratch(t)) })
	t.Run("names", func(t *testing.T) { testNames(t, scratch(t)) })
	t.Run("what there is not", func(t *testing.T) { testRefused(t, scratch(t)) })
	t.Run("too long", func(t *testing.T) { testTooLong(t, scratch(t)) })
	t.Run("attributes", func(t *testing.T) { testAttributes(t, scratch(t)) })
	t.Run("extended attributes", func(t *testing.T) { testXattrs(t, scratch(t)) })
	t.Run("facts", func(t *testing.T) { testFacts(t, scratch(t)) })
	t.Run("setuid", func(t *testing.T) { testSetid(t, scratch(t)) })
	t.Run("listing", func(t *testing.T) { testListing(t, scratch(t)) })
	t.Run("tombstones", func(t *testing.T) { testTombstones(t, scratch(t)) })
	t.Run("sync", func(t *testing.T) { testSync(t, scratch(t)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErrno(t *testing.T, what string, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// noise is content that cannot be taken for anything else.
func noise(n int) []byte {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data)
	return data
}

func wantContent(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, want %d others", path, len(got), len(want))
	}
}

// A mount whose program has ended is found and named, by whatever way.
func TestDeadMount(t *testing.T) {
	d, _ := startVolume(t)
	links := t.TempDir()
	link, way, below := filepath.Join(links, "link"), filepath.Join(links, "way"), filepath.Join(d.mountpoint, "below")
	must(t, os.Symlink(filepath.Join("way", filepath.Base(d.mountpoint)), link))
	must(t, os.Symlink(filepath.Dir(d.mountpoint), way))
	fmt.Fprintln(d.stdin, "die")
	<-d.gone
	t.Cleanup(func() { must(t, detach(d.mountpoint)) })
	for range 1000 { // the process's files are closed after its pipe
		if _, err := os.Lstat(d.mountpoint); errors.Is(err, syscall.ENOTCONN) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, path := range []string{d.mountpoint, link, filepath.Join(way, filepath.Base(d.mountpoint))} {
		if real, err := Resolve(path); err != nil || real != d.mountpoint {
			t.Errorf("%s leads to %q, %v; want %s", path, real, err, d.mountpoint)
		}
		_, err := Preflight(path, false)
		oneLine(t, err, path, "is mounted already (fuse.mcfs, "+testSource+")", fmt.Sprintf("mcfs unmount %q", path))
	}
	_, err := Preflight(below, false)
	oneLine(t, err, below, "below a mount whose program has ended", "unmount that first")
}

func TestUnmountWhileBusy(t *testing.T) {
	d, _ := startVolume(t)
	f, err := os.Create(filepath.Join(d.mountpoint, "open"))
	must(t, err)
	fmt.Fprintln(d.stdin, "unmount")
	e := d.await(t, "the unmount", func(e event) bool { return e.What == "unmounted" })
	if e.Code != 1 {
		t.Errorf("unmount of a busy mount: %s", e.Text)
	}
	if _, ok := MountAt(d.mountpoint); ok {
		t.Error("it is still in the tree")
	}
	if _, err := f.WriteString("on it goes"); err != nil {
		t.Errorf("write after the unmount: %v", err)
	}
	must(t, f.Close())
	d.await(t, "the end", func(e event) bool { return e.What == "ended" })
}
