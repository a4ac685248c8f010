package offline

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mcfs/config"
	"mcfs/crypt"
	"mcfs/internal/backend"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
)

// rig is a volume in a folder, with a keyring, and what commands say.
type rig struct {
	t        *testing.T
	dir      string
	c        config.Config
	out, err bytes.Buffer
}

func newRig(t *testing.T, mode string) *rig {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("store.kind = \"dir\"\nstore.path = %q\nkeys.kind = \"local\"\nkeys.path = %q\ncrypt.mode = %q\nupload.part_size = \"32KiB\"\nspool.dir = %q\n",
		filepath.Join(dir, "store"), filepath.Join(dir, "keyring"), mode, filepath.Join(dir, "spool"))
	c, err := config.Parse([]byte(text), "test.toml")
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, dir: dir, c: c}
}

// must fails the test.
func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%v\n%s%s", err, r.out.String(), r.err.String())
	}
}

func (r *rig) options() Options {
	r.out.Reset()
	r.err.Reset()
	return Options{Parallel: 4, JSON: true, Out: &r.out, Err: &r.err}
}

// source writes a file of the source tree.
func (r *rig) source(name string, content []byte) string {
	r.t.Helper()
	at := filepath.Join(r.dir, "source", name)
	r.must(os.MkdirAll(filepath.Dir(at), 0o700))
	r.must(os.WriteFile(at, content, 0o640))
	return at
}

// place is a place in the volume.
func (r *rig) place(key string) Place {
	r.t.Helper()
	p, err := ParsePlace(r.c, filepath.Join(r.c.Store.Path)+"/"+key)
	r.must(err)
	return p
}

// encrypt encrypts the source tree, or a file of it.
func (r *rig) encrypt(name, key string, force bool) error {
	r.t.Helper()
	return Encrypt(r.t.Context(), Encryption{Options: r.options(), Config: r.c, Source: filepath.Join(r.dir, "source", name), Target: r.place(key), Force: force})
}

// everything is all of the volume.
func (r *rig) everything(_ context.Context, do func(string, error) bool) error {
	do(r.c.Store.Path, nil)
	return nil
}

// states counts, by the last summary that was printed.
func (r *rig) states() string {
	lines := strings.Split(strings.TrimSpace(r.out.String()), "\n")
	_, text, _ := strings.Cut(lines[len(lines)-1], `"states":`)
	text, _, _ = strings.Cut(text, "}")
	return text + "}"
}

// open opens the store apart, as somebody else does.
func (r *rig) open() (store.Store, keys.Keeper) {
	r.t.Helper()
	b, err := backend.Open(r.t.Context(), r.c, discard)
	r.must(err)
	r.t.Cleanup(func() { _ = b.Store.Close() })
	return b.Store, b.Keeper
}

// readWhole gives an object's bytes and description.
func readWhole(ctx context.Context, s store.Store, key string) ([]byte, store.Info, error) {
	body, info, err := s.Get(ctx, key, store.Range{}, "")
	if err != nil {
		return nil, info, err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return text, info, err
}

// listAll gives all keys.
func listAll(ctx context.Context, s store.Store) (list []string, err error) {
	page, err := s.List(ctx, "", "", "", 0)
	for _, o := range page.Objects {
		list = append(list, o.Key)
	}
	return list, err
}

// byOwnWord decrypts an object by its own metadata.
func byOwnWord(ctx context.Context, s store.Store, k keys.Keeper, key string) (plain []byte, iv string, err error) {
	text, info, err := readWhole(ctx, s, key)
	if err != nil {
		return nil, "", err
	}
	obj, ours, err := sidecar.ParseObject(info.Metadata)
	if err != nil || !ours {
		return nil, "", fmt.Errorf("%s: ours %v, %w", key, ours, err)
	}
	plain, err = decipher(ctx, k, text, obj.Mode, obj.Key, obj.KeyID, obj.IV)
	return plain, string(obj.IV), err
}

func decipher(ctx context.Context, k keys.Keeper, text []byte, mode string, wrapped []byte, keyID string, iv []byte) ([]byte, error) {
	m, err := crypt.ParseMode(mode)
	if err != nil {
		return nil, err
	}
	key, err := k.Unwrap(ctx, wrapped, keyID)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	_, _, err = crypt.DecryptStream(&plain, bytes.NewReader(text), m, key, iv, int64(len(text)))
	return plain.Bytes(), err
}

// truthful checks that every sidecar that can be read decrypts the object beside it (P3), to one of
// the contents that were meant for it.
func truthful(ctx context.Context, s store.Store, k keys.Keeper, meant func(key string, plain []byte) bool) error {
	list, err := listAll(ctx, s)
	if err != nil {
		return err
	}
	for _, key := range list {
		base, ok := sidecar.Base(key)
		if !ok {
			if plain, _, err := byOwnWord(ctx, s, k, key); err != nil || !meant(key, plain) {
				return fmt.Errorf("%s does not decrypt by its own word to what was meant: %w", key, err)
			}
			continue
		}
		text, info, err := readWhole(ctx, s, key)
		if err != nil {
			return err
		}
		doc, err := sidecar.Parse(text)
		if err != nil {
			return err
		}
		body, _, err := readWhole(ctx, s, base)
		if err != nil {
			return fmt.Errorf("%s without its object: %w", key, err)
		}
		plain, err := decipher(ctx, k, body, doc.Mode, doc.Key, info.Metadata[sidecar.KeyKeyID], doc.IV)
		if err != nil || !meant(base, plain) {
			return fmt.Errorf("%s does not decrypt its object to what was meant: %w", key, err)
		}
	}
	return nil
}

// dying is a store whose machine dies at one of its changes, before that has any effect or after it.
// From then on nothing is answered.
type dying struct {
	store.Store
	look func() error // after each change

	mu    sync.Mutex
	count int
	at    int // the number of the change; 0: never
	after bool
	dead  bool
	wrong error // that look has found
}

var errDead = fmt.Errorf("the machine is dead: %w", store.ErrUnavailable)

// change does a change of the store.
func (d *dying) change(do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	d.count++
	if d.count == d.at && !d.after {
		d.dead = true
		return errDead
	}
	err := do()
	if lerr := d.look(); lerr != nil && d.wrong == nil {
		d.wrong = fmt.Errorf("after change %d: %w", d.count, lerr)
	}
	if d.count == d.at {
		d.dead = true
		return errDead
	}
	return err
}

func (d *dying) Put(ctx context.Context, key string, body store.Body, attr store.Attributes, cond store.Condition) (info store.Info, err error) {
	err = d.change(func() (err error) { info, err = d.Store.Put(ctx, key, body, attr, cond); return err })
	return info, err
}

func (d *dying) Begin(ctx context.Context, key string, attr store.Attributes) (up store.Upload, err error) {
	err = d.change(func() (err error) { up, err = d.Store.Begin(ctx, key, attr); return err })
	return up, err
}

func (d *dying) PutPart(ctx context.Context, up store.Upload, number int, body store.Body) (part store.Part, err error) {
	err = d.change(func() (err error) { part, err = d.Store.PutPart(ctx, up, number, body); return err })
	return part, err
}

func (d *dying) Complete(ctx context.Context, up store.Upload, parts []store.Part, cond store.Condition) (info store.Info, err error) {
	err = d.change(func() (err error) { info, err = d.Store.Complete(ctx, up, parts, cond); return err })
	return info, err
}

func (d *dying) Abort(ctx context.Context, up store.Upload) error {
	return d.change(func() error { return d.Store.Abort(ctx, up) })
}

func (d *dying) Delete(ctx context.Context, key string, cond store.Condition) error {
	return d.change(func() error { return d.Store.Delete(ctx, key, cond) })
}

// isDead reports whether the machine has died.
func (d *dying) isDead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

func (d *dying) Head(ctx context.Context, key string) (store.Info, error) {
	if d.isDead() {
		return store.Info{}, errDead
	}
	return d.Store.Head(ctx, key)
}

func (d *dying) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	if d.isDead() {
		return nil, store.Info{}, errDead
	}
	return d.Store.Get(ctx, key, r, ifMatch)
}

func crcOf(text string) uint32 {
	return crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
}
