package volume

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/store/dir"
)

// rig is a volume over a real dir store, a real keyring and a real spool.
type rig struct {
	t      testing.TB
	home   string
	name   string // of the spool that is open
	store  store.Store
	keeper keys.Keeper
	o      Options
	max    int64
	spool  *spool.Spool
	v      *Volume
}

// lightPart is the size of parts where a file of several is wanted and nothing depends on
// what S3 takes: a sixteenth of its least, since the race detector counts by the byte.
const lightPart = 5 << 20 / 16

func newRig(t testing.TB, mode crypt.Mode) *rig {
	t.Helper()
	return newRigOf(t, mode, 5<<20)
}

// newRigOf is newRig with parts of a size, and a store that takes them.
func newRigOf(t testing.TB, mode crypt.Mode, part int64) *rig {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	st, err := dir.New(dir.Options{Path: filepath.Join(home, "store"), Bucket: "ingest", Prefix: "a/", MinPart: part})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := keys.CreateLocal(filepath.Join(home, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, home: home, store: st, keeper: keeper, max: 1 << 30}
	r.o = Options{
		Store: st, Keeper: keeper, Mode: mode, PartSize: part, CloseTimeout: 5 * time.Second, LocalOnly: []string{"*~"},
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	r.open("spool")
	t.Cleanup(r.close)
	return r
}

// bubble runs a subtest in a bubble, whose time passes while nothing else is to be done:
// no wait takes any. Its files are real.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

func (r *rig) open(name string) {
	r.t.Helper()
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(r.home, name), MaxSize: r.max, Log: r.o.Log})
	if err != nil {
		r.t.Fatal(err)
	}
	r.o.Spool = sp
	v, err := Open(r.t.Context(), r.o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.spool, r.v, r.name = sp, v, name
}

func (r *rig) close() {
	if r.v == nil {
		return
	}
	r.indexed()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.v.Close(ctx); err != nil {
		r.t.Errorf("close: %v", err)
	}
	if err := r.spool.Close(); err != nil {
		r.t.Errorf("close spool: %v", err)
	}
	r.v = nil
}

// cold closes the volume and opens another one that knows nothing but the store.
func (r *rig) cold() {
	r.t.Helper()
	r.close()
	r.open("spool-" + time.Now().Format("150405.000000"))
}

func (r *rig) node(path string) *Node {
	r.t.Helper()
	n := r.v.Root()
	for _, elem := range splitPath(path) {
		c, err := n.Lookup(r.t.Context(), elem)
		if err != nil {
			r.t.Fatalf("lookup %s: %v", path, err)
		}
		n = c
	}
	return n
}

func splitPath(p string) []string {
	var list []string
	for _, e := range bytes.Split([]byte(p), []byte("/")) {
		if len(e) > 0 {
			list = append(list, string(e))
		}
	}
	return list
}

func (r *rig) create(name string, flags int) *Handle {
	r.t.Helper()
	d, base := filepath.Split(name)
	_, h, err := r.node(d).Create(r.t.Context(), base, flags|os.O_CREATE|os.O_RDWR, 0o644, 1, 2, nil)
	if err != nil {
		r.t.Fatalf("create %s: %v", name, err)
	}
	return h
}

func (r *rig) write(h *Handle, p []byte, off int64) {
	r.t.Helper()
	if _, err := h.WriteAt(r.t.Context(), p, off); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

func (r *rig) finish(h *Handle) {
	r.t.Helper()
	if err := h.Flush(r.t.Context(), nil); err != nil {
		r.t.Fatalf("flush: %v", err)
	}
	h.Release()
}

// save writes a whole file in odd steps and closes it.
func (r *rig) save(name string, p []byte) {
	r.t.Helper()
	h := r.create(name, os.O_TRUNC)
	for off := 0; off < len(p); off += 100_003 {
		r.write(h, p[off:min(len(p), off+100_003)], int64(off))
	}
	if len(p) == 0 {
		h.touch()
	}
	r.finish(h)
}

func (r *rig) load(name string) []byte {
	r.t.Helper()
	h, err := r.node(name).Open(r.t.Context(), os.O_RDONLY, nil)
	if errors.Is(err, ErrStale) { // as the kernel does
		h, err = r.node(name).Open(r.t.Context(), os.O_RDONLY, nil)
	}
	if err != nil {
		r.t.Fatalf("open %s: %v", name, err)
	}
	defer h.Release()
	return r.readAll(h)
}

func (r *rig) readAll(h *Handle) []byte {
	r.t.Helper()
	const step = 77_777
	var all []byte
	if h.document == nil { // a slice that grows costs the race detector more than all else
		h.n.content.Lock()
		all = make([]byte, 0, h.n.content.SizeLocked()+step)
		h.n.content.Unlock()
	}
	for {
		all = slices.Grow(all, step)
		k, err := h.ReadAt(r.t.Context(), all[len(all):len(all)+step], int64(len(all)))
		all = all[:len(all)+k]
		if err == io.EOF {
			return all
		}
		if err != nil {
			r.t.Fatalf("read: %v", err)
		}
	}
}

func random(n int) []byte {
	p := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	src.Read(p)
	return p
}

var modes = []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM}

// sizes cross every boundary that matters: the block, the part, several parts.
var sizes = []int{0, 1, 15, 16, 17, 65535, 65536, 65537, lightPart - 1, lightPart, lightPart + 1, 1_375_003}

func TestSaveAndReadBack(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRigOf(t, mode, lightPart)
			for i, size := range sizes {
				r.save(names(i), random(size))
			}
			check := func(when string) {
				for i, size := range sizes {
					if got := r.load(names(i)); !bytes.Equal(got, random(size)) {
						t.Errorf("%s: %d bytes read back differ (%d bytes)", when, size, len(got))
					}
					a, err := r.node(names(i)).Attr(t.Context())
					if err != nil || a.Size != int64(size) {
						t.Errorf("%s: stat says %d, %v, not %d", when, a.Size, err, size)
					}
				}
			}
			check("warm")
			r.cold()
			check("cold")
		})
	}
}

func names(i int) string { return string(rune('a'+i)) + ".bin" }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bodyOf is a small body in memory.
func bodyOf(b []byte) store.Body {
	return store.Body{ReadSeeker: bytes.NewReader(b), Size: int64(len(b)), CRC32C: crc32.Checksum(b, castagnoli)}
}
