package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/store/dir"
	"mcfs/volume"
)

// away is a store that can be read and takes nothing: all that is promised is in the spool.
type away struct{ store.Store }

var errAway = fmt.Errorf("nothing is taken: %w", store.ErrUnavailable)

func (away) Put(context.Context, string, store.Body, store.Attributes, store.Condition) (store.Info, error) {
	return store.Info{}, errAway
}
func (away) Begin(context.Context, string, store.Attributes) (store.Upload, error) {
	return store.Upload{}, errAway
}
func (away) Copy(context.Context, store.Copy) (store.Info, error)  { return store.Info{}, errAway }
func (away) Delete(context.Context, string, store.Condition) error { return errAway }
func (away) Abort(context.Context, store.Upload) error             { return errAway }

// saved is a file as one worker has made it: the content that was promised last,
// and what was written since.
type saved struct {
	states [][]byte
	sure   bool
}

// hand is one worker with files of its own; its call under way may have happened or not.
type hand struct {
	files  map[string]*saved
	rename []string // under way: from, to
}

func (h *hand) clone() *hand {
	c := &hand{files: map[string]*saved{}, rename: h.rename}
	for name, s := range h.files {
		c.files[name] = &saved{slices.Clone(s.states), s.sure}
	}
	return c
}

// lab is a volume over a platter, with hands that work in it.
type lab struct {
	t      *testing.T
	o      volume.Options
	folder string // of the spool
	disk   *spool.Platter

	mu    sync.Mutex
	rng   *rand.Rand
	hands []*hand
	cuts  []*powerCut
}

// powerCut is what a power failure has left, and what must be found in it.
type powerCut struct {
	before, dir string
	hands       []*hand
}

// TestPowerCutUnderAVolume cuts the power before many a call by which a volume
// changes its spool. What an fsync, or with durability = "spool" a close, or a
// rename or unlink had promised is what the next mount shows.
func TestPowerCutUnderAVolume(t *testing.T) {
	for seed := range uint64(2) {
		l := newLab(t, seed)
		l.work()
		for _, c := range l.cuts {
			l.judge(seed, c)
		}
		if len(l.cuts) < 10 {
			t.Errorf("seed %d: only %d cuts", seed, len(l.cuts))
		}
	}
}

func newLab(t *testing.T, seed uint64) *lab {
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	st, err := dir.New(dir.Options{Path: filepath.Join(home, "store"), Bucket: "ingest", Prefix: "a/"})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := keys.CreateLocal(filepath.Join(home, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(home, "spool")
	return &lab{
		t: t, disk: spool.NewPlatter(folder), folder: folder, rng: rand.New(rand.NewPCG(seed, 3)),
		o: volume.Options{
			Store: away{st}, Keeper: keeper, Mode: crypt.CTR, PartSize: 5 << 20, SpoolDurable: true,
			CloseTimeout: time.Minute, Log: slog.New(slog.DiscardHandler),
		},
	}
}

// halt stops a volume that cannot finish anything.
func halt(t *testing.T, v *volume.Volume, s *spool.Spool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = v.Close(ctx)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func (l *lab) work() {
	s, err := spool.OpenOn(spool.Options{Dir: l.folder, MaxSize: 64 << 20}, l.disk)
	if err != nil {
		l.t.Fatal(err)
	}
	o := l.o
	o.Spool = s
	v, err := volume.Open(l.t.Context(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	defer halt(l.t, v, s)
	over := false // what goes on behind then is not cut; l.mu guards it
	l.disk.Before(func(tag string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !over && l.rng.IntN(8) == 0 && len(l.cuts) < 24 {
			l.cut(tag)
		}
	})
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		over = true
	}()
	var all sync.WaitGroup
	for i := range 3 {
		h := &hand{files: map[string]*saved{}}
		l.mu.Lock()
		l.hands = append(l.hands, h)
		w := &worker{l: l, h: h, v: v, id: i, rng: rand.New(rand.NewPCG(l.rng.Uint64(), 0))}
		l.mu.Unlock()
		all.Go(func() {
			for range 30 {
				if err := w.step(); err != nil {
					l.t.Errorf("hand %d: %v", w.id, err)
				}
			}
		})
	}
	all.Wait()
}

// cut cuts the power; mu is held, so that no call begins or is noted meanwhile.
func (l *lab) cut(before string) {
	c := &powerCut{before: before, dir: l.disk.Cut(l.t, l.rng)}
	for _, h := range l.hands {
		c.hands = append(c.hands, h.clone())
	}
	l.cuts = append(l.cuts, c)
}

// worker is the hand at work.
type worker struct {
	l   *lab
	h   *hand
	v   *volume.Volume
	id  int
	rng *rand.Rand
}

func (w *worker) note(f func()) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	f()
}

// mine lists the hand's files; only it changes them.
func (w *worker) mine() []string { return slices.Sorted(maps.Keys(w.h.files)) }

func (w *worker) step() error {
	mine := w.mine()
	if len(mine) == 0 || w.rng.IntN(3) == 0 && len(mine) < 8 {
		return w.save(w.newName())
	}
	name := mine[w.rng.IntN(len(mine))]
	switch w.rng.IntN(6) {
	case 0:
		return w.remove(name)
	case 1, 2:
		return w.move(name, w.newName())
	case 3:
		return w.move(name, mine[w.rng.IntN(len(mine))])
	}
	return w.save(name)
}

// newName is a local-only or temporary one now and then: what is closed under such a name is
// promised over a power cut by an fsync or a rename only, and comes back as far as it is there.
func (w *worker) newName() string {
	return fmt.Sprintf("%d-%x%s", w.id, w.rng.Uint32(), []string{"", "", "", localOnly, temporary}[w.rng.IntN(5)])
}

const localOnly, temporary = ".kate-swp", ".part"

// save writes at random places, syncs now and then, and closes.
func (w *worker) save(name string) error {
	ctx := w.l.t.Context()
	s := w.h.files[name]
	if s == nil {
		s = &saved{states: [][]byte{{}}}
		w.note(func() { w.h.files[name] = s })
	}
	_, h, err := w.v.Root().Create(ctx, name, os.O_RDWR|os.O_CREATE, 0o644, 0, 0, nil)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer h.Release()
	for range 1 + w.rng.IntN(4) {
		if err := w.write(h, s); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if w.rng.IntN(3) > 0 {
			continue
		}
		if err := h.Fsync(ctx); err != nil {
			return fmt.Errorf("fsync %s: %w", name, err)
		}
		w.promised(s)
	}
	if err := h.Flush(ctx, nil); err != nil {
		return fmt.Errorf("close %s: %w", name, err)
	}
	if path.Ext(name) == "" {
		w.promised(s)
	}
	return nil
}

func (w *worker) write(h *volume.Handle, s *saved) error {
	old := s.states[len(s.states)-1]
	at, p := w.rng.IntN(len(old)+5000), bytes.Repeat([]byte{byte(w.rng.Uint32()), byte(w.rng.Uint32())}, 1+w.rng.IntN(50_000))
	after := make([]byte, max(len(old), at+len(p)))
	copy(after, old)
	copy(after[at:], p)
	w.note(func() { s.states = append(s.states, after) })
	_, err := h.WriteAt(w.l.t.Context(), p, int64(at))
	return err
}

func (w *worker) promised(s *saved) {
	w.note(func() { s.states, s.sure = s.states[len(s.states)-1:], true })
}

func (w *worker) remove(name string) error {
	s := w.h.files[name]
	w.note(func() { s.sure = false })
	if err := w.v.Root().Remove(w.l.t.Context(), name); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	w.note(func() { delete(w.h.files, name) })
	return nil
}

func (w *worker) move(from, to string) error {
	if from == to {
		return nil
	}
	w.note(func() { w.h.rename = []string{from, to} })
	if err := w.v.Root().Rename(w.l.t.Context(), from, w.v.Root(), to, 0); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	w.note(func() {
		w.h.move()
		s := w.h.files[to]
		s.states, s.sure = s.states[len(s.states)-1:], true
		w.h.rename = nil
	})
	return nil
}

// move makes the rename that is under way true.
func (h *hand) move() {
	h.files[h.rename[1]] = h.files[h.rename[0]]
	delete(h.files, h.rename[0])
}

// judge mounts what a power failure has left.
func (l *lab) judge(seed uint64, c *powerCut) {
	var log bytes.Buffer
	o := l.o
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	s, err := spool.OpenAfterReboot(spool.Options{Dir: c.dir, MaxSize: 64 << 20, Log: o.Log})
	if err != nil {
		l.t.Fatalf("seed %d, before %s: %v", seed, c.before, err)
	}
	o.Spool = s
	v, err := volume.Open(l.t.Context(), o)
	if err != nil {
		l.t.Fatalf("seed %d, before %s: %v", seed, c.before, err)
	}
	defer halt(l.t, v, s)
	shown := l.show(v)
	if q, err := s.Quarantined(); err != nil || len(q) > 0 {
		l.t.Errorf("seed %d, before %s: a power cut is taken for damage: %v, %v", seed, c.before, q, err)
	}
	for i, h := range c.hands {
		was := h.compare(i, shown)
		if was != nil && h.rename != nil {
			h.move()
			was = h.compare(i, shown)
		}
		if was != nil {
			l.t.Errorf("seed %d, before %s, hand %d: %v\n%s", seed, c.before, i, was, log.String())
		}
	}
}

// show reads all that the volume has.
func (l *lab) show(v *volume.Volume) map[string][]byte {
	entries, err := v.Root().ReadDir(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		text, err := read(l.t.Context(), v, e.Name)
		if errors.Is(err, volume.ErrStale) { // as the kernel does
			text, err = read(l.t.Context(), v, e.Name)
		}
		switch {
		case errors.Is(err, volume.ErrStale), errors.Is(err, volume.ErrNotExist): // it had not arrived, and nobody was promised it
		case err != nil:
			l.t.Errorf("read %s: %v", e.Name, err)
		default:
			all[e.Name] = text
		}
	}
	return all
}

func read(ctx context.Context, v *volume.Volume, name string) ([]byte, error) {
	n, err := v.Root().Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	h, err := n.Open(ctx, os.O_RDONLY, nil)
	if err != nil {
		return nil, err
	}
	defer h.Release()
	text := make([]byte, 1<<20)
	k, err := h.ReadAt(ctx, text, 0)
	if err == io.EOF {
		err = nil
	}
	return text[:k], err
}

// compare demands the hand's files, and no others of its.
func (h *hand) compare(id int, shown map[string][]byte) error {
	for name, s := range h.files {
		text, there := shown[name]
		switch {
		case !there && s.sure:
			return fmt.Errorf("%s is not there", name)
		case there && !slices.ContainsFunc(s.states, func(a []byte) bool { return bytes.Equal(a, text) }):
			return fmt.Errorf("%s has %d bytes, and none of the %d contents that may be there", name, len(text), len(s.states))
		}
	}
	for name := range shown {
		if h.files[name] == nil && name[0] == byte('0'+id) {
			return fmt.Errorf("%s is there, and has no business to", name)
		}
	}
	return nil
}
