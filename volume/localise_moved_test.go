package volume

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/store"
)

// TestDrawOfWhatHasMoved: a file is renamed to a local-only name while its directory is
// being moved. The move ends, there is no room in the spool for the file's bytes, and the
// daemon is killed: the next one fetches them from where the move has brought them.
func TestDrawOfWhatHasMoved(t *testing.T) { synctest.Test(t, drawOfWhatHasMoved) }

func drawOfWhatHasMoved(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	r.mkdir("d")
	p := random(200_000)
	r.save("d/x", p)
	r.sync()
	r.close()
	r.max = 1 << 20
	r.open("spool-small")
	h := r.openFile("d/x", os.O_RDONLY)
	f.set(func(op, _ string) error {
		if op == "copy" {
			return errDown
		}
		return nil
	})
	r.mustRename("d", "e~", 0)
	r.mustRename("e~/x", "e~/y", 0)
	big := r.create("big", os.O_TRUNC)
	for off := int64(0); ; off += 32 << 10 {
		if _, err := big.WriteAt(t.Context(), random(32<<10), off); err != nil {
			break
		}
	}
	if err := big.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.set(nil)
	f.await(t, "d/x", func(_ store.Info, err error) bool { return err != nil })
	f.await(t, "d/", func(_ store.Info, err error) bool { return err != nil })
	r.crash(f, "spool-after")
	h.Release()
	big.Release()
	r.remove("big")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.v.Sync(ctx, ""); err != nil {
		t.Fatalf("%v; pending: %+v", err, r.v.Pending())
	}
	r.holds("in the end", map[string]string{"e~/y": string(p)})
}

// TestRemovedAfterAKill: a draft that is removed after a restart, and that nobody has
// opened since, makes room in the spool at once.
func TestRemovedAfterAKill(t *testing.T) {
	r, f := newFlakyRig(t, crypt.CTR)
	h := r.create("a", os.O_EXCL)
	r.write(h, random(300_000), 0)
	if err := h.Fsync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.crash(f, "spool-after")
	h.Release()
	if used, _ := r.spool.Usage(); used == 0 {
		t.Fatal("the draft is not there")
	}
	r.remove("a")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		used, _ := r.spool.Usage()
		if used == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes stay in the spool", used)
		}
	}
}

// endsReader is a store that, asked for content of a file, has the version's reader closed
// and taken away, as by a localisation or a commit that had the bytes sooner.
type endsReader struct {
	store.Store
	n *Node
}

func (s *endsReader) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	if n := s.n; n != nil && key == "a" {
		s.n = nil
		n.content.Lock()
		n.content.CloseReaderLocked() // which ends with the caller's read
		n.content.Unlock()
		<-ctx.Done()
		return nil, store.Info{}, context.Cause(ctx)
	}
	return s.Store.Get(ctx, key, r, ifMatch)
}

// TestWriteWhileItsReaderEnds: a write that waits for bytes of a version goes on where
// that version's reader is replaced meanwhile.
func TestWriteWhileItsReaderEnds(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		p := random(200_000)
		r.save("a", p)
		r.sync()
		s := &endsReader{Store: r.store}
		r.o.Store = s
		r.cold()
		h := r.openFile("a", os.O_RDWR)
		s.n = h.Node()
		r.write(h, []byte("patch"), 70_000)
		r.finish(h)
		copy(p[70_000:], "patch")
		if !bytes.Equal(r.load("a"), p) {
			t.Errorf("%v: other bytes than were there and written", mode)
		}
	}
}
