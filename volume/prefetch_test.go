package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/store"
)

// far is a store in which a sidecar takes a while to come.
type far struct {
	store.Store
	mu        sync.Mutex
	now, peak int
	asked     map[string]int
	lists     int
}

func (f *far) List(ctx context.Context, prefix, delimiter, token string, limit int) (store.Page, error) {
	f.mu.Lock()
	f.lists++
	f.mu.Unlock()
	return f.Store.List(ctx, prefix, delimiter, token, limit)
}

func (f *far) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	if _, is := sidecar.Base(key); is {
		f.mu.Lock()
		f.asked[key]++
		f.now++
		f.peak = max(f.peak, f.now)
		f.mu.Unlock()
		time.Sleep(3 * time.Millisecond)
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}
	return f.Store.Get(ctx, key, r, ifMatch)
}

func (f *far) listings() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lists
}

// TestWalkWithoutListing looks at one file after the other by name, as rsync does at
// its destination: descriptions come ahead, each once. Who looks here and there gets
// what it asks for and no more.
func TestWalkWithoutListing(t *testing.T) { synctest.Test(t, walkWithoutListing) }

func walkWithoutListing(t *testing.T) {
	const files = 200
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	var names []string
	for i := range files {
		name := fmt.Sprintf("f%03d", i)
		names = append(names, name)
		r.save("d/"+name, []byte(name))
	}
	backwards := make([]string, files)
	for i, name := range names {
		backwards[files-1-i] = name
	}
	sparse := []string{names[10], names[5], names[100], names[3], names[50], names[49]}
	r.close()
	for what, c := range map[string]struct {
		order []string
		ahead bool
	}{"in order": {names, true}, "backwards": {backwards, false}, "here and there": {sparse, false}} {
		f := &far{Store: r.store, asked: make(map[string]int)}
		r.o.Store = f
		r.open("spool of " + what)
		for _, name := range c.order {
			if a, err := r.node("d/" + name).Attr(t.Context()); err != nil || a.Size != int64(len(name)) {
				t.Errorf("%s: %s has %d bytes, %v", what, name, a.Size, err)
			}
		}
		f.mu.Lock()
		if got := f.peak > 4; got != c.ahead {
			t.Errorf("%s: %d were asked for at once", what, f.peak)
		}
		if !c.ahead && len(f.asked) > len(c.order) {
			t.Errorf("%s: %d descriptions were asked for, for %d files", what, len(f.asked), len(c.order))
		}
		for key, n := range f.asked {
			if n > 1 {
				t.Errorf("%s: %s was asked for %d times", what, key, n)
			}
		}
		f.mu.Unlock()
		r.close()
	}
}

// TestWalkThroughALargeDirectory does the same where one page of a listing is not
// enough: a few names are looked up by themselves, then all are listed at once. Names
// that are not there, as of files to be made, have nothing listed but themselves.
func TestWalkThroughALargeDirectory(t *testing.T) {
	const files, few = 600, 8
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	for i := range files {
		r.save(fmt.Sprintf("d/f%03d", i), []byte("text"))
	}
	r.close()
	f := &far{Store: r.store, asked: make(map[string]int)}
	r.o.Store, r.o.Fresh = f, time.Hour
	r.open("cold")
	d := r.node("d")
	for i := range 3 * few {
		if _, err := d.Lookup(t.Context(), fmt.Sprintf("g%03d", i)); !errors.Is(err, ErrNotExist) {
			t.Errorf("a name that is not there: %v", err)
		}
	}
	listed := func() bool {
		r.v.mu.Lock()
		defer r.v.mu.Unlock()
		return d.dir.IsListed()
	}
	before := f.listings()
	if before > 3+3*few {
		t.Errorf("%d names that are not there took %d listings", 3*few, before)
	}
	for i := range files {
		name := fmt.Sprintf("f%03d", i)
		c, err := d.Lookup(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := c.Attr(t.Context()); err != nil || a.Size != 4 {
			t.Errorf("%s has %d bytes, %v", name, a.Size, err)
		}
		if i == few+1 {
			until(t, "all names are listed", listed)
		}
	}
	if took := f.listings() - before; took > few+6 {
		t.Errorf("%d files took %d listings", files, took)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.peak <= 4 {
		t.Errorf("%d descriptions were asked for at once", f.peak)
	}
}

// TestLongWalk goes through a large directory for longer than a listing is fresh: what the
// store has just described needs no other look. The listing is made old by hand, so that
// it does not matter how long the walk takes.
func TestLongWalk(t *testing.T) {
	const files = 600
	r := newRig(t, crypt.CTR)
	r.mkdir("d")
	for i := range files {
		r.save(fmt.Sprintf("d/f%03d", i), []byte("text"))
	}
	r.close()
	f := &far{Store: r.store, asked: make(map[string]int)}
	r.o.Store, r.o.Fresh = f, time.Hour
	r.open("cold")
	d := r.node("d")
	if _, err := d.ReadDir(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := func(i int) {
		t.Helper()
		c, err := d.Lookup(t.Context(), fmt.Sprintf("f%03d", i))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := c.Attr(t.Context()); err != nil || a.Size != 4 {
			t.Errorf("file %d has %d bytes, %v", i, a.Size, err)
		}
	}
	for i := range files {
		look(i)
	}
	before := f.listings()
	for i := range files {
		r.v.mu.Lock()
		d.dir.Expire(fmt.Sprintf("f%03d", i))
		r.v.mu.Unlock()
		look(i)
	}
	if took := f.listings() - before; took != 0 {
		t.Errorf("%d files took %d listings more", files, took)
	}
}
