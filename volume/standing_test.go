package volume

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"mcfs/crypt"
	"mcfs/store"
)

// afterwards calls a function after the first answer to a request of a kind.
type afterwards struct {
	store.Store
	op   string
	once sync.Once
	do   func()
}

func (a *afterwards) done(op string) {
	if op == a.op {
		a.once.Do(a.do)
	}
}

func (a *afterwards) List(ctx context.Context, prefix, delimiter, token string, most int) (store.Page, error) {
	page, err := a.Store.List(ctx, prefix, delimiter, token, most)
	a.done("list")
	return page, err
}

func (a *afterwards) Head(ctx context.Context, key string) (store.Info, error) {
	info, err := a.Store.Head(ctx, key)
	a.done("head")
	return info, err
}

// TestNameThatAlwaysExists: a call on a file that another machine replaces meanwhile does not
// say that there is none: it succeeds, or has the kernel look the name up again.
func TestNameThatAlwaysExists(t *testing.T) {
	for name, call := range map[string]func(r *rig) error{
		"lookup": func(r *rig) error { _, err := r.v.Root().Lookup(r.t.Context(), "f"); return err },
		"open": func(r *rig) error {
			n, err := r.v.Root().Lookup(r.t.Context(), "f")
			if err != nil {
				return err
			}
			h, err := n.Open(r.t.Context(), os.O_RDONLY, nil)
			if err == nil {
				h.Release()
			}
			return err
		},
		"rename":       func(r *rig) error { return r.rename("f", "new", 0) },
		"rename to it": func(r *rig) error { return r.rename("g", "f", 0) },
		"exchange":     func(r *rig) error { return r.rename("f", "g", Exchange) },
		"the other":    func(r *rig) error { return r.rename("g", "f", Exchange) },
		"remove":       func(r *rig) error { return r.v.Root().Remove(r.t.Context(), "f") },
	} {
		t.Run(name, func(t *testing.T) {
			a, b, between := newPair(t)
			b.save("f", []byte("one"))
			b.save("g", []byte("other"))
			between.Store = &afterwards{Store: between.Store, op: "list", do: func() { b.save("f", []byte("two")) }}
			err := call(a)
			if errors.Is(err, ErrStale) {
				err = call(a) // as the kernel does
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLinkThatGoesWhileItIsFound: a symlink that is removed while its metadata is read is
// not there.
func TestLinkThatGoesWhileItIsFound(t *testing.T) {
	a, b, between := newPair(t)
	b.symlink("link", "target")
	b.sync()
	between.Store = &afterwards{Store: between.Store, op: "head", do: func() {
		b.remove("link")
		b.sync()
		a.holds("it is removed", map[string]string{"link": ""})
	}}
	if n, err := a.v.Root().Lookup(t.Context(), "link"); n != nil || !errors.Is(err, ErrNotExist) {
		t.Errorf("found %v, %v", n, err)
	}
}

// TestOldListing: a listing that was answered before a commit ended, and is heard after it,
// takes the file from nobody.
func TestOldListing(t *testing.T) {
	r := newRig(t, crypt.CTR)
	r.close()
	listings := &afterwards{Store: r.store}
	r.o.Store, r.o.Fresh = listings, -1
	r.open("spool-listed")
	r.holds("before", map[string]string{"absent": ""})
	h := r.create("f", os.O_EXCL)
	r.write(h, []byte("content"), 0)
	was := r.node("f")
	listings.op, listings.do = "list", func() { r.finish(h) }
	r.holds("the listing", map[string]string{"absent": ""})
	if now := r.node("f"); now != was {
		t.Errorf("the file is another one, inode %d and not %d", now.Ino(), was.Ino())
	}
}
