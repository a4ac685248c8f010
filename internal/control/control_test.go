package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rig is a served mountpoint and a client of it.
type rig struct {
	server *Server
	client Client
	asked  chan Unmount // the requests to end
}

// listenFor serves what the test does not give itself.
func listenFor(t *testing.T, h Handler) *rig {
	t.Helper()
	r := &rig{asked: make(chan Unmount, 8), client: Client{Mountpoint: filepath.Join(t.TempDir(), "mnt"), Users: []int{os.Geteuid()}}}
	h.Stop = func(now bool) { r.asked <- Unmount{Now: now} }
	h.Log = func(err error) { t.Error(err) }
	if h.Unused == nil {
		h.Unused = func(context.Context, bool, func(string)) error { return nil }
	}
	var err error
	if r.server, err = Listen(r.client.Mountpoint, h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.server.Close() })
	return r
}

// end ends the daemon as its process would.
func (r *rig) end(t *testing.T, err error) {
	t.Helper()
	r.server.Ended(err)
	if err := r.server.Close(); err != nil {
		t.Error(err)
	}
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	for conn := range r.server.waiting {
		conn.Close()
	}
}

func nothing(string) {}

// TestControl: one daemon alone serves a mountpoint, on a socket for its user alone.
func TestControl(t *testing.T) {
	r := listenFor(t, Handler{})
	if info, err := os.Lstat(r.server.listener.Addr().String()); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if _, err := Listen(r.client.Mountpoint, Handler{}); err == nil || !strings.Contains(err.Error(), "another mcfs serves") {
		t.Errorf("a second daemon: %v", err)
	}
	r.end(t, nil)
	if err := r.client.Unmount(t.Context(), Unmount{}, nil); err != ErrNoDaemon {
		t.Errorf("after the end: %v", err)
	}
	if _, err := os.Lstat(r.server.listener.Addr().String()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestUnmount: several wait for the end, and hear of it; one that is interrupted says
// that the daemon goes on.
func TestUnmount(t *testing.T) {
	r := listenFor(t, Handler{})
	ctx, cancel := context.WithCancel(t.Context())
	interrupted, patient := make(chan error, 1), make(chan error, 1)
	go func() { interrupted <- r.client.Unmount(ctx, Unmount{}, nothing) }()
	<-r.asked
	said := make(chan string, 8)
	go func() {
		patient <- r.client.Unmount(t.Context(), Unmount{Now: true}, func(text string) { said <- text })
	}()
	if how := <-r.asked; !how.Now {
		t.Error("the haste got lost")
	}
	r.server.Tell("one file is left")
	if text := <-said; text != "one file is left" {
		t.Errorf("told %q", text)
	}
	cancel()
	if err := <-interrupted; err == nil || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("the interrupted one: %v", err)
	}
	r.end(t, errors.New("two files\nare left"))
	if err := <-patient; err == nil || err.Error() != "two files; are left" {
		t.Errorf("the patient one: %v", err)
	}
}

// TestUnmountRefused: while something is open for writing nobody is asked to end, unless at once.
func TestUnmountRefused(t *testing.T) {
	r := listenFor(t, Handler{Unused: func(_ context.Context, wait bool, tell func(string)) error {
		tell("waiting")
		return fmt.Errorf("in use, wait %v", wait)
	}})
	for _, how := range []Unmount{{}, {Wait: true}} {
		told := ""
		err := r.client.Unmount(t.Context(), how, func(text string) { told = text })
		if want := fmt.Sprintf("in use, wait %v", how.Wait); err == nil || err.Error() != want || told != "waiting" {
			t.Errorf("%+v: %v, told %q", how, err, told)
		}
	}
	select {
	case <-r.asked:
		t.Error("asked to end all the same")
	default:
	}
	ended := make(chan error, 1)
	go func() { ended <- r.client.Unmount(t.Context(), Unmount{Now: true}, nothing) }()
	<-r.asked
	r.end(t, nil)
	if err := <-ended; err != nil {
		t.Errorf("at once: %v", err)
	}
}

// TestSync: the client hears of progress and failure; when it hangs up, the daemon lets go.
func TestSync(t *testing.T) {
	let := make(chan struct{})
	r := listenFor(t, Handler{
		Repair: func(_ context.Context, paths []string, tell func(string)) error {
			return errors.New("not repaired: " + paths[0])
		},
		Sync: func(ctx context.Context, paths []string, tell func(string)) error {
			tell(paths[0])
			if paths[0] == "forever" {
				<-ctx.Done()
				close(let)
			}
			return ctx.Err()
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := ""
	tell := func(text string) {
		if told = text; text == "forever" {
			cancel()
		}
	}
	if err := r.client.Sync(ctx, "d", false, tell); err != nil || told != "d" {
		t.Errorf("%v, told %q", err, told)
	}
	if err := r.client.Sync(ctx, "d", true, tell); err == nil || err.Error() != "not repaired: d" {
		t.Errorf("with repair: %v", err)
	}
	if err := r.client.Sync(ctx, "forever", false, tell); err == nil || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("the interrupted one: %v", err)
	}
	<-let
}

// TestRestore: the client's process learns with which status it is to end.
func TestRestore(t *testing.T) {
	r := listenFor(t, Handler{Restore: func(_ context.Context, id string) (string, error) {
		if id == "damaged" {
			return "", fmt.Errorf("restore %s: %w", id, Failure{"it is damaged", 4})
		}
		return "d/" + id, nil
	}})
	told := ""
	if path, err := r.client.Restore(t.Context(), "1-a", func(text string) { told = text }); err != nil || path != "d/1-a" || !strings.HasPrefix(told, "restored as d/1-a,") {
		t.Errorf("%v, told %q", err, told)
	}
	_, err := r.client.Restore(t.Context(), "damaged", nothing)
	if f, ok := errors.AsType[Failure](err); !ok || f != (Failure{"restore damaged: it is damaged", 4}) {
		t.Errorf("%#v", err)
	}
}

// TestWrongSidecars: each path is told, with what went wrong; a daemon that does not know the request
// is told from one that has ended in the middle.
func TestWrongSidecars(t *testing.T) {
	r := listenFor(t, Handler{Wrong: func(_ context.Context, path string, tell func(string)) error {
		tell(path + "/a")
		tell(path + "/b")
		if path == "bad" {
			return errors.New("look at bad: denied")
		}
		return nil
	}})
	var told []string
	tell := func(path string) { told = append(told, path) }
	if err := r.client.WrongSidecars(t.Context(), "d", tell); err != nil || !slices.Equal(told, []string{"d/a", "d/b"}) {
		t.Errorf("%v, told %q", err, told)
	}
	if err := r.client.WrongSidecars(t.Context(), "bad", tell); err == nil || err.Error() != "look at bad: denied" || len(told) != 4 {
		t.Errorf("%v, told %q", err, told)
	}
	r.server.Close()
	if err := r.client.WrongSidecars(t.Context(), "d", tell); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("nobody there: %v", err)
	}
	l, err := net.Listen("unix", r.server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for says, want := range map[string]error{"": ErrOldDaemon, `{"path":"d/a"}` + "\n": ErrCutOff} {
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadBytes('\n')
			_, _ = io.WriteString(conn, says)
			conn.Close()
		}()
		if err := r.client.WrongSidecars(t.Context(), "d", tell); !errors.Is(err, want) {
			t.Errorf("one that says %q: %v, not %v", says, err, want)
		}
	}
}

// TestStatus: the report arrives as it was, and a daemon that hangs up is said to.
func TestStatus(t *testing.T) {
	r := listenFor(t, Handler{Status: func(path string) any {
		if path == "none" {
			return nil
		}
		return map[string]string{"at": path}
	}})
	var report struct{ At string }
	if err := r.client.Status(t.Context(), "d/e", &report); err != nil || report.At != "d/e" {
		t.Errorf("%+v, %v", report, err)
	}
	if err := r.client.Status(t.Context(), "none", &report); err == nil || !strings.Contains(err.Error(), "it is ending") {
		t.Errorf("without a report: %v", err)
	}
}
