package volume

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// watched notes what each object held when its sidecar was put: what somebody who
// waits for the sidecar finds.
type watched struct {
	*rig
	f      *flaky
	before string // was there already

	mu   sync.Mutex
	seen map[string][]string // by name, in order
}

// watch makes a rig that is durable in the spool, whose store is away at first.
func watch(t *testing.T, mode crypt.Mode) *watched {
	r, f := newFlakyRigOf(t, mode, lightPart)
	r.close()
	r.o.SpoolDurable = true
	r.open("spool-durable")
	return &watched{rig: r, f: f, seen: make(map[string][]string)}
}

// arrive lets the store take what comes, and waits for n sidecars of a name.
func (w *watched) arrive(name string, n int) []string {
	w.t.Helper()
	w.f.set(func(op, key string) error {
		if base, ok := strings.CutSuffix(key, ".settings.json"); ok && op == "put" {
			text := w.stored(base)
			if text == w.before { // a rename takes it along
				return nil
			}
			w.mu.Lock()
			w.seen[base] = append(w.seen[base], text)
			w.mu.Unlock()
		}
		return nil
	})
	deadline := time.Now().Add(20 * time.Second)
	for {
		w.mu.Lock()
		seen := w.seen[name]
		w.mu.Unlock()
		if len(seen) >= n {
			return seen
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d sidecars of %s, not %d", len(seen), name, n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// stored is the plaintext of the object at a name, by its own metadata.
func (w *watched) stored(name string) string {
	rc, info, err := w.store.Get(w.t.Context(), name, store.Range{}, "")
	if err != nil {
		return err.Error()
	}
	defer rc.Close()
	obj, _, err := sidecar.ParseObject(info.Metadata)
	if err != nil {
		return err.Error()
	}
	mode, err := crypt.ParseMode(obj.Mode)
	if err != nil {
		return err.Error()
	}
	key, err := w.keeper.Unwrap(w.t.Context(), obj.Key, obj.KeyID)
	if err != nil {
		return err.Error()
	}
	var plain bytes.Buffer
	if _, _, err := crypt.DecryptStream(&plain, rc, mode, key, obj.IV, info.Size); err != nil {
		return err.Error()
	}
	return plain.String()
}

// killed is a process that a signal has ended.
type killed struct{}

func (killed) Same(Process) bool         { return true }
func (killed) Fate() Fate                { return Killed }
func (killed) Holds(uint64, string) bool { return false }

// what is written over a file that waits for its commit
var rewrites = map[string]func(w *watched) *Handle{
	"emptied and begun anew": func(w *watched) *Handle {
		h := w.create("a", os.O_TRUNC)
		w.write(h, []byte("half of the sec"), 0)
		return h
	},
	"written in place": func(w *watched) *Handle {
		h := w.create("a", 0)
		w.write(h, []byte("HALF"), 70_000)
		return h
	},
	"appended to": func(w *watched) *Handle {
		h := w.create("a", 0)
		w.write(h, []byte("half"), 200_000)
		return h
	},
	"cut": func(w *watched) *Handle {
		h := w.create("a", 0)
		size := int64(10)
		if _, err := h.n.SetAttr(w.t.Context(), h, SetAttr{Size: &size}); err != nil {
			w.t.Fatal(err)
		}
		return h
	},
	"punched": func(w *watched) *Handle {
		h := w.create("a", 0)
		if err := h.Allocate(w.t.Context(), 5, 100_000, keepSize|punchHole); err != nil {
			w.t.Fatal(err)
		}
		return h
	},
}

// TestNoHalfFileIsPublished: a file is saved while the store is away, and is being
// written once more when the store comes back. What was saved arrives, as it was.
func TestNoHalfFileIsPublished(t *testing.T) {
	first := random(150_000)
	for how, rewrite := range rewrites {
		for _, before := range []string{"nothing", "a version"} {
			for _, moved := range []bool{false, true} {
				name := "a"
				title := how + " over " + before
				if moved {
					name, title = "b", title+", renamed"
				}
				bubble(t, title, func(t *testing.T) {
					w := watch(t, crypt.CTR)
					if before == "a version" {
						w.before = string(random(180_000))
						w.save("a", []byte(w.before))
						w.sync()
					}
					w.f.set(down)
					w.save("a", first)
					h := rewrite(w)
					if moved {
						if err := w.v.Root().Rename(t.Context(), "a", w.v.Root(), "b", 0); err != nil {
							t.Fatal(err)
						}
					}
					if got := w.arrive(name, 1); got[0] != string(first) {
						t.Errorf("%d bytes arrived that nobody has finished", len(got[0]))
					}
					second := string(w.readAll(h))
					if second == string(first) {
						t.Fatal("nothing was written over it")
					}
					w.finish(h)
					w.sync()
					if got := w.arrive(name, 2); got[1] != second || len(got) != 2 {
						t.Errorf("%d arrived; the second has %d bytes, not %d", len(got), len(got[1]), len(second))
					}
					w.cold()
					if got := string(w.load(name)); got != second {
						t.Errorf("%d bytes are there in the end, not %d", len(got), len(second))
					}
				})
			}
		}
	}
}

// TestPartOfTheBaseIsDue changes little of a long version, saves it while the store
// is away, and empties the file before it comes back: most of what is due is then
// nowhere but in the version.
func TestPartOfTheBaseIsDue(t *testing.T) {
	for _, mode := range modes {
		w := watch(t, mode)
		want := random(750_000)
		w.save("a", want)
		w.sync()
		w.close()
		w.open("spool-elsewhere")
		h := w.create("a", 0)
		w.write(h, []byte("changed"), 375_000)
		copy(want[375_000:], "changed")
		w.f.set(down)
		w.finish(h)
		h = w.create("a", os.O_TRUNC)
		w.write(h, []byte("half"), 0)
		if got := w.arrive("a", 1); got[0] != string(want) {
			t.Errorf("%s: %d bytes arrived, not %d", mode, len(got[0]), len(want))
		}
		w.finish(h)
		w.sync()
		if got := w.load("a"); string(got) != "half" {
			t.Errorf("%s: %d bytes in the end", mode, len(got))
		}
		w.close()
	}
}

// TestUnchangedBytesAreDue changes a little of a version, saves it while the store is
// away, and writes over whole blocks that nobody had changed, which the commit is to have
// as they were.
func TestUnchangedBytesAreDue(t *testing.T) {
	for _, mode := range modes {
		w := watch(t, mode)
		want := random(8 * crypt.BlockSize)
		w.save("a", want)
		w.sync()
		w.close()
		w.open("spool-elsewhere")
		h := w.create("a", 0)
		w.write(h, []byte("changed"), 10)
		copy(want[10:], "changed")
		w.f.set(down)
		if err := h.Flush(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		w.write(h, make([]byte, 3*crypt.BlockSize), 2*crypt.BlockSize)
		if got := w.arrive("a", 1); got[0] != string(want) {
			t.Errorf("%s: what arrived has bytes that were written after the close", mode)
		}
		w.finish(h)
		w.sync()
		copy(want[2*crypt.BlockSize:], make([]byte, 3*crypt.BlockSize))
		if got := w.load("a"); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes in the end differ", mode, len(got))
		}
		w.close()
	}
}

// TestLastSaveIsDue saves three times while the store is away. An attempt may have
// taken any of them already, but the last comes before what is half written.
func TestLastSaveIsDue(t *testing.T) {
	w := watch(t, crypt.CTR)
	w.f.set(down)
	saves := []string{"one", "two", "three"}
	for _, text := range saves {
		w.save("a", []byte(text))
	}
	h := w.create("a", os.O_TRUNC)
	w.write(h, []byte("half"), 0)
	for n := 1; ; n++ {
		got := w.arrive("a", n)[n-1]
		if got == "three" {
			break
		}
		if !slices.Contains(saves, got) {
			t.Fatalf("%q arrived", got)
		}
	}
	w.finish(h)
	w.sync()
	if got := w.stored("a"); got != "half" {
		t.Errorf("%q in the end", got)
	}
}

// TestKilledRewriteIsNotPublished: the writer of the second content is killed. The
// first is published; the second stays as interrupted.
func TestKilledRewriteIsNotPublished(t *testing.T) {
	w := watch(t, crypt.CTR)
	w.f.set(down)
	w.save("a", []byte("first"))
	a, err := w.node("a").Open(t.Context(), os.O_RDWR|os.O_TRUNC, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.write(a, []byte("half"), 0)
	if err := a.Flush(t.Context(), killed{}); err != nil {
		t.Fatal(err)
	}
	a.Release()
	if got := w.arrive("a", 1); got[0] != "first" {
		t.Errorf("%q arrived", got[0])
	}
	time.Sleep(2 * releaseDelay)
	if got := w.node("a").content.PeekState(); got != Interrupted {
		t.Errorf("the killed writer's draft is %s", got)
	}
	if got := w.stored("a"); got != "first" {
		t.Errorf("the store has %q", got)
	}
	w.save("a", []byte("again"))
	w.sync()
	if got := w.stored("a"); got != "again" {
		t.Errorf("the store has %q", got)
	}
}

// TestKillAmidARewrite: what a close promised to the spool comes back after a kill
// of the daemon, and not the half of what was written next; so also when the daemon
// ends by itself while the file is open.
func TestKillAmidARewrite(t *testing.T) {
	first := random(150_000)
	for how, rewrite := range rewrites {
		for _, clean := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%s, ended %v", how, clean), func(t *testing.T) {
				w := watch(t, crypt.CTR)
				w.f.set(down)
				w.save("a", first)
				rewrite(w)
				if clean {
					w.throwAway(w.f)
					w.f.set(nil)
					w.open(w.name)
				} else {
					w.crash(w.f, "after")
				}
				w.sync()
				if got := w.stored("a"); got != string(first) {
					t.Errorf("%d bytes came back, not %d", len(got), len(first))
				}
				if got := w.load("a"); !bytes.Equal(got, first) {
					t.Errorf("%d bytes came back, not %d", len(got), len(first))
				}
			})
		}
	}
}
