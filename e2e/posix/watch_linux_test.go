package posix

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// watch is a directory that inotify tells of.
type watch struct {
	t    *testing.T
	fd   int
	seen []string // "close_write NAME", in order
}

func watchDirectory(t *testing.T, dir string) *watch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_ALL_EVENTS); err != nil {
		t.Fatal(err)
	}
	return &watch{t: t, fd: fd}
}

// read takes what has been told since.
func (w *watch) read() {
	w.t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Read(w.fd, buf)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for buf = buf[:n]; len(buf) >= unix.SizeofInotifyEvent; {
		mask, length := binary.NativeEndian.Uint32(buf[4:]), int(binary.NativeEndian.Uint32(buf[12:]))
		name := string(bytes.TrimRight(buf[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length], "\x00"))
		what := fmt.Sprintf("%#x", mask)
		switch {
		case mask&unix.IN_CLOSE_WRITE != 0:
			what = "close_write"
		case mask&unix.IN_MOVED_TO != 0:
			what = "moved_to"
		}
		w.seen = append(w.seen, what+" "+name)
		buf = buf[unix.SizeofInotifyEvent+length:]
	}
}

// await waits until the event has been told.
func (w *watch) await(event string) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !slices.Contains(w.seen, event); {
		if time.Now().After(deadline) {
			w.t.Fatalf("not told: %s; told: %q", event, w.seen)
		}
		ready := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, 1000); err != nil && !errors.Is(err, unix.EINTR) {
			w.t.Fatal(err)
		}
		w.read()
	}
}

// TestWatchedDirectory: the kernel tells of what programs do in the mount, and of nothing that
// appears by itself, as a sidecar does. That a file was closed by its writer it tells after
// close has waited for the store: then the sidecar is there to be read.
func TestWatchedDirectory(t *testing.T) {
	b := start(t, nil)
	w := watchDirectory(t, b.Dir)
	publish, asked := make(chan struct{}), make(chan struct{}, 1)
	b.r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		if q.Method == http.MethodPut && strings.HasSuffix(q.Path, "/film"+rig.SidecarSuffix) {
			asked <- struct{}{}
			return s3test.Fault{Gate: publish}
		}
		return s3test.Fault{}
	})
	saved := make(chan error, 1)
	go func() {
		_, err := b.TryShell(rig.Limit, "head -c 300000 /dev/zero >film")
		saved <- err
	}()
	<-asked
	if w.read(); slices.Contains(w.seen, "close_write film") {
		t.Error("inotify tells that the file is closed before its sidecar is in the store")
	}
	close(publish)
	w.await("close_write film")
	if text := b.Run("cat", "film"+rig.SidecarSuffix); !strings.Contains(text, "EncryptedDecryptionKey") {
		t.Errorf("when the file is closed its sidecar reads %q", text)
	}
	if err := <-saved; err != nil {
		t.Error(err)
	}
	b.Shell("cp film .film.tmp; mv .film.tmp moved")
	w.await("moved_to moved")
	if out, err := b.Mcfs(time.Minute, "sync", b.Path("moved")); err != nil {
		t.Fatalf("sync: %v: %s", err, out)
	}
	if text := b.Run("cat", "moved"+rig.SidecarSuffix); !strings.Contains(text, "EncryptedDecryptionKey") {
		t.Errorf("after mcfs sync the sidecar reads %q", text)
	}
	w.read()
	for _, event := range w.seen {
		if name := event[strings.IndexByte(event, ' ')+1:]; strings.HasPrefix(event, "0x100 ") && strings.HasSuffix(name, rig.SidecarSuffix) {
			t.Errorf("the kernel tells of a sidecar that appears (%s): docs/semantics.md says that it does not", event)
		}
	}
	b.finish()
}
