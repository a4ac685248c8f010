package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

const (
	openFiles = 1000    // at once
	writers   = 200     // at once
	ownFiles  = 150     // what a daemon may have open besides drafts and their connections
	idle      = 100     // connections that may be kept for the next request
	recent    = 2 * 256 // files of versions that were used last, each with its map
	goroutine = 400     // beside those that serve requests, of which each writer has one or two
)

// use is what a daemon takes of the machine. Connections are among the files;
// idle ones stay for a while.
type use struct {
	files, connections, goroutines int
	resident, peak                 int64
}

// watched is a mount with numbers to ask for.
type watched struct {
	*rig.Mount
	t       *testing.T
	metrics string
}

func (w *watched) use() use {
	w.t.Helper()
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", w.PID()))
	if err != nil {
		w.t.Fatal(err)
	}
	connections := 0
	for _, fd := range list {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:") {
			connections++
		}
	}
	return use{
		files: len(list), connections: connections, goroutines: int(w.metric("mcfs_goroutines")),
		resident: status(w.t, w.PID(), "VmRSS"), peak: status(w.t, w.PID(), "VmHWM"),
	}
}

// metric is one number of those that Prometheus would take.
func (w *watched) metric(name string) float64 {
	w.t.Helper()
	answer, err := (&http.Client{Timeout: 20 * time.Second}).Get("http://" + w.metrics + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return n
		}
	}
	w.t.Fatalf("no %s in\n%s", name, text)
	return 0
}

// watch mounts with a binary that the race detector does not swell, over a sink.
func watch(t *testing.T, s rig.Settings) (*watched, *rig.Sink) {
	t.Helper()
	sink := rig.StartSink(t)
	return watchRig(t, s, func() *rig.Rig { return rig.NewAt(t, s, sink.URL, sink.Bucket) }), sink
}

func watchRig(t *testing.T, s rig.Settings, start func() *rig.Rig) *watched {
	t.Helper()
	address, err := s3test.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s["metrics.listen"] = strconv.Quote(address)
	return &watched{Mount: start().MountWith(rig.Binary(t, false), "a"), t: t, metrics: address}
}

// TestBounded holds a thousand files open, and lets two hundred programs write
// at once: descriptors, goroutines and memory stay within bounds that do not
// depend on how much is written, and are given back.
func TestBounded(t *testing.T) {
	w, sink := watch(t, rig.Settings{"spool.max_size": `"1GiB"`})
	w.Within(rig.Limit, "warm up", func() error { return os.WriteFile(w.Path("warm"), []byte("x"), 0o600) })
	before := w.use()
	open := make([]*os.File, openFiles)
	w.Within(5*time.Minute, "open", func() (err error) {
		for i := range open {
			if open[i], err = os.Create(w.Path(fmt.Sprint("open", i))); err != nil {
				return err
			}
			if _, err = open[i].Write(bytes.Repeat([]byte{byte(i)}, 100_000)); err != nil {
				return err
			}
		}
		return nil
	})
	w.within("a thousand files open", 2*openFiles+ownFiles, goroutine)
	w.parallel("close", openFiles, func(i int) error { return open[i].Close() })
	w.parallel("write", writers, func(i int) error { return writeLong(w.Path(fmt.Sprint("long", i)), 2<<20) })
	if n := sink.Counts().Objects; n != 2*(openFiles+writers+1) {
		t.Errorf("the store has %d objects, not %d", n, 2*(openFiles+writers+1))
	}
	w.settles(before)
	w.Unmount()
}

// parallel runs n programs' work at once and looks at the daemon meanwhile.
func (w *watched) parallel(what string, n int, f func(i int) error) {
	w.t.Helper()
	done := make(chan error, 1)
	go func() { // ends with those that it started
		var wg sync.WaitGroup
		errs := make([]error, n)
		for i := range n {
			wg.Go(func() { errs[i] = f(i) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		w.within(what, 3*n+recent+ownFiles, 4*n+goroutine) // a draft, its map, and a connection
		select {
		case err := <-done:
			if err != nil {
				w.t.Errorf("%s: %v", what, err)
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s takes more than five minutes", what)
		}
	}
}

func (w *watched) within(what string, files, goroutines int) {
	w.t.Helper()
	u := w.use()
	if u.files > files || u.goroutines > goroutines || u.peak > memoryGoal {
		w.t.Fatalf("%s: %d files open (at most %d), %d goroutines (at most %d), at most %d MiB resident (%d)",
			what, u.files, files, u.goroutines, goroutines, u.peak>>20, memoryGoal>>20)
	}
}

// settles waits until the daemon has given back what it took.
func (w *watched) settles(before use) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		now := w.use()
		if now.files-now.connections <= before.files-before.connections+recent+32 && now.connections <= idle && now.goroutines <= before.goroutines+32+2*now.connections {
			w.t.Logf("%+v at the start, %+v at the end", before, now)
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("%+v at the start, %+v at the end", before, now)
			return
		}
	}
}

func writeLong(path string, size int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	chunk := bytes.Repeat([]byte("a long file "), 10_000)
	for done := 0; done < size; done += len(chunk) {
		if _, err := f.Write(chunk); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// TestLongFile writes a file in one go through a spool that is far smaller: the
// writer notices nothing, the spool keeps to its quota, and memory to its goal.
// MCFS_TEST_LONG=1 makes it 64 GiB through 2 GiB.
func TestLongFile(t *testing.T) {
	size, quota := int64(384<<20), int64(64<<20)
	if os.Getenv("MCFS_TEST_LONG") == "1" {
		size, quota = 64<<30, 2<<30
	}
	w, sink := watch(t, rig.Settings{"spool.max_size": strconv.Quote(fmt.Sprint(quota)), "upload.part_size": `"8MiB"`})
	written := make(chan error, 1)
	begun := time.Now()
	go func() { written <- writeZeros(w.Path("long"), size) }() // ends with the mount at the latest
	most := int64(0)
	for running := true; running; {
		select {
		case err := <-written:
			if err != nil {
				t.Errorf("write: %v", err)
			}
			running = false
		case <-time.After(20 * time.Millisecond):
			most = max(most, used(t, w.Spool))
		}
	}
	took := time.Since(begun)
	if got := sink.Size(rig.Prefix + "long"); got != size {
		t.Errorf("the store has %d bytes, not %d", got, size)
	}
	const journal = 8 << 20 // and metadata, which the quota does not count
	if most > quota+journal {
		t.Errorf("the spool took %d MiB, its quota is %d", most>>20, quota>>20)
	}
	report(t, w.Mount, fmt.Sprintf("%d MiB through a spool of %d, which took at most %d", size>>20, quota>>20, most>>20), size, took)
	w.Unmount()
	if sink.Counts().Uploads != 0 {
		t.Error("an upload was left behind")
	}
}

func writeZeros(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	chunk := make([]byte, 1<<20)
	for done := int64(0); done < size; done += int64(len(chunk)) {
		if _, err := f.Write(chunk); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

// used is what a folder occupies on the disk, in bytes.
func used(t *testing.T, dir string) (sum int64) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		sum += diskBytes(filepath.Join(dir, e.Name()))
	}
	return sum
}
