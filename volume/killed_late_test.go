package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// held keeps the request that puts an object, until it is let go: as a network and a
// server do that still have it when its sender is dead.
type held struct {
	store.Store
	key   string
	begun chan struct{} // it has left
	let   chan struct{} // it may arrive
	put   chan struct{} // it has arrived
}

func hold(s store.Store, key string) *held {
	return &held{Store: s, key: key, begun: make(chan struct{}), let: make(chan struct{}), put: make(chan struct{})}
}

func (h *held) Put(ctx context.Context, key string, b store.Body, a store.Attributes, c store.Condition) (store.Info, error) {
	if key != h.key {
		return h.Store.Put(ctx, key, b, a, c)
	}
	text := make([]byte, b.Size)
	if _, err := io.ReadFull(b, text); err != nil {
		return store.Info{}, err
	}
	b.ReadSeeker = bytes.NewReader(text)
	close(h.begun)
	<-h.let
	_, err := h.Store.Put(context.Background(), key, b, a, c)
	close(h.put)
	return store.Info{}, errors.Join(errDown, err) // of which the dead hear nothing
}

// killHolding opens another volume on what the spool holds now, while a request of the
// first one is held, which is all that is left of it. bury ends the first.
func (r *rig) killHolding(f *flaky, raw store.Store, name string) (bury func()) {
	r.t.Helper()
	to := filepath.Join(r.home, name)
	err := os.CopyFS(to, os.DirFS(r.spoolDir()))
	for range 10 { // a file that nobody needs any more may go in the middle of it
		if err == nil {
			break
		}
		err = errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(r.spoolDir())))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	f.set(down)
	dead, deadSpool := r.v, r.spool
	r.o.Store = raw
	r.restrict(filepath.Join(r.home, name))
	r.open(name)
	return func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = dead.Close(ctx)
		if err := deadSpool.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

// TestKillBeforeALateArrival: the request of a commit that nobody was promised arrives
// when the next mount has looked for its object already. Nobody finds that object with
// another version's sidecar, or without one.
func TestKillBeforeALateArrival(t *testing.T) {
	for _, late := range []time.Duration{500 * time.Millisecond, 2 * time.Second} {
		for _, before := range []string{"", "old"} {
			bubble(t, fmt.Sprintf("after %v, over %q", late, before), func(t *testing.T) {
				r, f := newFlakyRig(t, crypt.CTR)
				if before != "" {
					r.save("a", []byte(before))
				}
				r.sync()
				raw := f.Store
				request := hold(raw, "a")
				f.Store = request
				h := r.create("a", os.O_TRUNC)
				r.write(h, []byte("new"), 0)
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = h.Flush(t.Context(), nil)
					h.Release()
				}()
				<-request.begun
				time.AfterFunc(late, func() { close(request.let) })
				bury := r.killHolding(f, raw, "after")
				for deadline := time.Now().Add(8 * time.Second); ; time.Sleep(50 * time.Millisecond) {
					n, err := r.v.Root().Lookup(t.Context(), "a")
					var h *Handle
					if err == nil {
						h, err = n.Open(t.Context(), os.O_RDONLY, nil)
					}
					text := ""
					if err == nil {
						text = string(r.readAll(h))
						h.Release()
					}
					if text == "new" && slices.Contains(r.objects(), "a.settings.json") {
						break
					}
					if time.Now().After(deadline) {
						t.Fatalf("a is %q, %v, and the store has %q", text, err, r.objects())
					}
				}
				r.sync()
				r.truthful()
				<-done
				bury()
			})
		}
	}
}

// TestKillBeforeWhatWasRenamedArrived: a new file was renamed over another one, and then
// removed, while its commit was under way, which never arrived. The other one goes.
func TestKillBeforeWhatWasRenamedArrived(t *testing.T) {
	synctest.Test(t, killBeforeWhatWasRenamedArrived)
}

func killBeforeWhatWasRenamedArrived(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("b", []byte("old"))
	r.save("c", []byte("other"))
	r.sync()
	f.set(func(op, key string) error {
		if op == "put" && key == "n" {
			return errDown
		}
		return nil
	})
	r.save("n", []byte("new"))
	r.await(func(s Status) bool {
		return slices.ContainsFunc(s.Drafts, func(d DraftStatus) bool { return d.State == Publishing.String() })
	})
	r.mustRename("n", "b", 0)
	r.mustRename("b", "c", Exchange)
	r.remove("c")
	after := map[string]string{"n": "", "b": "other", "c": ""}
	r.holds("at once", after)
	r.crash(f, "after")
	r.holds("after the kill", after)
	r.sync()
	r.holds("in the end", after)
	r.expectObjects("b", "b.settings.json")
	r.truthful()
}

// TestKillAndALateArrivalOfWhatWasRenamed: the request of a commit is still on its way
// when the next mount renames its file, over which another one has been renamed since.
func TestKillAndALateArrivalOfWhatWasRenamed(t *testing.T) {
	synctest.Test(t, killAndALateArrivalOfWhatWasRenamed)
}

func killAndALateArrivalOfWhatWasRenamed(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-flaky")
	r.save("f", []byte("old"))
	r.sync()
	raw := f.Store
	request := hold(raw, "f")
	f.Store = request
	r.save("f", []byte("new"))
	<-request.begun
	f.set(down)
	r.mustRename("f", "a", 0)
	r.save("x~", []byte("last"))
	r.mustRename("x~", "a", 0)
	time.AfterFunc(500*time.Millisecond, func() { close(request.let) })
	bury := r.killHolding(f, raw, "after")
	<-request.put
	r.sync()
	r.holds("in the end", map[string]string{"f": "", "a": "last"})
	r.expectObjects("a", "a.settings.json")
	r.truthful()
	bury()
}
