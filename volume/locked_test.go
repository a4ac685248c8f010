package volume

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/volume/file"
)

// lines collects a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

// with counts the lines that have a text in them.
func (l *lines) with(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// otherKeyring is a keeper that has wrapped nothing yet.
func (r *rig) otherKeyring() keys.Keeper {
	r.t.Helper()
	k, err := keys.CreateLocal(filepath.Join(r.home, "another-keyring"))
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

// remount ends the mount, which cannot finish, and begins the next with another keeper.
func (r *rig) remount(k keys.Keeper) {
	r.t.Helper()
	if r.v != nil {
		r.halt()
	}
	r.o.Keeper = k
	r.open("spool-flaky")
}

// unquarantined demands that nothing has been given up.
func (r *rig) unquarantined() {
	r.t.Helper()
	if q := r.v.Status().Quarantine; len(q) > 0 {
		r.t.Errorf("in quarantine: %+v", q)
	}
}

// locked reports whether status says of a draft that it waits for the keeper k.
func locked(s Status, path string, k keys.Keeper) bool {
	for _, d := range s.Drafts {
		if d.Path == path {
			return d.Failure != nil && strings.Contains(d.Failure.Cause, "waits for a mount with") && strings.Contains(d.Failure.Cause, k.KeyID())
		}
	}
	return false
}

// TestOtherKeeper: drafts that another keyring can open wait for it: they are shown, with
// what is missing, what is done to their names holds, and in the mount that has the right
// keyring again they go on by themselves.
func TestOtherKeeper(t *testing.T) { synctest.Test(t, otherKeeper) }

func otherKeeper(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	right, p := r.keeper, random(300_000)
	k := r.create("killed", os.O_TRUNC)
	r.write(k, p, 0)
	k.Node().commit.Interrupt(file.EvKill)
	h := r.create("notes~", os.O_TRUNC)
	r.write(h, p, 0)
	r.finish(h)
	if _, err := r.v.Root().Symlink(t.Context(), "link~", "target", 0, 0); err != nil {
		t.Fatal(err)
	}
	r.await(func(s Status) bool { return r.draft(s, "killed").Safe })
	r.undone(f, map[string][]byte{"a": p, "moved": p, "removed": p, "replaced": p})

	log := new(lines)
	r.o.Log = slog.New(slog.NewTextHandler(log, nil))
	r.remount(r.otherKeyring())
	for _, name := range []string{"a", "moved", "removed", "replaced", "killed", "notes~"} {
		r.await(func(s Status) bool { return locked(s, name, right) })
		if a, err := r.node(name).Attr(t.Context()); err != nil || a.Size != int64(len(p)) {
			t.Errorf("%s: %d bytes, %v", name, a.Size, err)
		}
		for _, flags := range []int{os.O_RDONLY, os.O_WRONLY, os.O_WRONLY | os.O_TRUNC, os.O_RDWR} {
			if _, err := r.node(name).Open(t.Context(), flags, nil); !errors.Is(err, ErrIO) || !strings.Contains(err.Error(), right.KeyID()) {
				t.Errorf("open %s with flags %#x: %v", name, flags, err)
			}
		}
	}
	if _, err := r.node("link~").Readlink(t.Context()); !errors.Is(err, ErrIO) {
		t.Errorf("readlink: %v", err)
	}
	if n := log.with("files in the spool wait for another keeper"); n != 1 {
		t.Errorf("the log says %d times what to do:\n%s", n, strings.Join(log.all, ""))
	}
	r.mustRename("moved", "there", 0)
	if err := r.v.Root().Remove(t.Context(), "removed"); err != nil {
		t.Error(err)
	}
	r.save("new", p)
	r.mustRename("new", "replaced", 0)
	if err := r.v.Sync(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "a, there") && !strings.Contains(err.Error(), "there, a") {
		t.Errorf("sync: %v", err)
	}
	r.expectObjects("replaced", "replaced.settings.json")
	if err := r.v.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "a (queued)") {
		t.Errorf("close: %v", err)
	}
	r.unquarantined()
	if err := r.spool.Close(); err != nil {
		t.Fatal(err)
	}
	r.v = nil

	r.remount(right)
	r.sync()
	r.unquarantined()
	r.expectObjects("a", "a.settings.json", "replaced", "replaced.settings.json", "there", "there.settings.json")
	for _, name := range []string{"a", "there", "killed", "notes~"} {
		if !bytes.Equal(r.load(name), p) {
			t.Errorf("%s differs", name)
		}
	}
	if to, err := r.node("link~").Readlink(t.Context()); to != "target" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

// refusing is a keeper that unwraps nothing as long as a test has it refuse.
type refusing struct {
	keys.Keeper
	mu    sync.Mutex
	cause error
}

func (k *refusing) refuse(cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cause = cause
}

func (k *refusing) Unwrap(ctx context.Context, wrapped []byte, id string) ([]byte, error) {
	k.mu.Lock()
	cause := k.cause
	k.mu.Unlock()
	if cause != nil {
		return nil, cause
	}
	return k.Keeper.Unwrap(ctx, wrapped, id)
}

// TestNoKeyCondemns: whatever a keeper says of the key of a draft, or of a version that is
// to be fetched into the spool, nothing is given up for it; when it has changed its mind,
// all goes on.
func TestNoKeyCondemns(t *testing.T) {
	for _, cause := range []error{keys.ErrMalformed, keys.ErrOtherKeeper, keys.ErrDenied, keys.ErrKeyState, keys.ErrUnavailable} {
		bubble(t, cause.Error(), func(t *testing.T) {
			r, f := newFlakyRig(t, crypt.CTR)
			k := &refusing{Keeper: r.keeper}
			p := random(100_000)
			r.save("old", p)
			r.sync()
			r.remount(k)
			f.set(down)
			k.refuse(keys.ErrUnavailable) // or the rename would end before the mount does
			r.mustRename("old", "old~", 0)
			r.undone(f, map[string][]byte{"a": p})
			k.refuse(cause)
			r.remount(k)
			s := r.await(func(s Status) bool {
				d := r.draft(s, "a")
				return d.Failure != nil && len(s.Changes) == 1 && s.Changes[0].Failure != nil && s.Changes[0].Failure.Tries > 0
			})
			if d := r.draft(s, "a"); d.State != "queued" {
				t.Errorf("%+v", d)
			}
			r.unquarantined()
			r.expectObjects("old", "old.settings.json")
			k.refuse(nil)
			r.await(func(s Status) bool { return len(s.Changes) == 0 && len(s.Drafts) == 1 })
			r.unquarantined()
			r.expectObjects("a", "a.settings.json")
			for _, name := range []string{"a", "old~"} {
				if !bytes.Equal(r.load(name), p) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}

// TestLostJournalAndOtherKeeper: what has to be brought back waits for its keeper, and
// status shows it, though nothing but its key tells what it is called.
func TestLostJournalAndOtherKeeper(t *testing.T) { synctest.Test(t, lostJournalAndOtherKeeper) }

func lostJournalAndOtherKeeper(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	right, p := r.keeper, random(500_000)
	r.undone(f, map[string][]byte{"a": p})
	if err := os.Remove(r.spoolFile("journal/log")); err != nil {
		t.Fatal(err)
	}
	r.remount(r.otherKeyring())
	s := r.await(func(s Status) bool { return len(s.Unopened) == 1 })
	if cause := s.Unopened[0].Cause; !strings.Contains(cause, right.KeyID()) {
		t.Errorf("%q does not name the keyring %s", cause, right.KeyID())
	}
	r.unquarantined()
	r.remount(right)
	r.await(func(s Status) bool { return len(s.Drafts) == 1 && len(s.Unopened) == 0 })
	r.unquarantined()
	if !bytes.Equal(r.load("a"), p) {
		t.Error("content differs")
	}
}
