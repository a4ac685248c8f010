package compatibility

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
	"mcfs/volume"
)

// deed is what is done to files, each in a directory of its own that has "a" and "b".
type deed struct {
	name string
	do   func(context.Context, *mounted) error
	then map[string]string // what the files hold afterwards
}

var longText = strings.Repeat("a film, more or less; ", 600_000) // three parts

var deeds = []deed{
	{"save and read", func(context.Context, *mounted) error { return nil }, map[string]string{"a": "one", "b": "two"}},
	{"save in parts", func(ctx context.Context, m *mounted) error { return m.save(ctx, "c", longText) },
		map[string]string{"a": "one", "b": "two", "c": longText}},
	{"save again", func(ctx context.Context, m *mounted) error { return m.save(ctx, "a", "anew") }, map[string]string{"a": "anew", "b": "two"}},
	{"rename", func(ctx context.Context, m *mounted) error { return m.rename(ctx, "a", "c", 0) }, map[string]string{"c": "one", "b": "two"}},
	{"rename over a file", func(ctx context.Context, m *mounted) error { return m.rename(ctx, "a", "b", 0) }, map[string]string{"b": "one"}},
	{"exchange", func(ctx context.Context, m *mounted) error { return m.rename(ctx, "a", "b", volume.Exchange) }, map[string]string{"a": "two", "b": "one"}},
	{"rename the directory", func(ctx context.Context, m *mounted) error { return m.renameAll(ctx) }, map[string]string{"a": "one", "b": "two"}},
	{"remove", func(ctx context.Context, m *mounted) error { return m.dir.Remove(ctx, "a") }, map[string]string{"b": "two"}},
}

// mounted is a volume in the server's bucket, as a mount has it, and a directory in it.
type mounted struct {
	v       *volume.Volume
	spool   *spool.Spool
	dir     *volume.Node
	dirName string
}

// mountAt opens a volume that knows nothing but the store.
func mountAt(t *testing.T, st store.Store, keeper keys.Keeper) *mounted {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(home, "spool"), MaxSize: 1 << 30, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	v, err := volume.Open(t.Context(), volume.Options{
		Store: st, Keeper: keeper, Spool: sp, Log: log, Mode: crypt.CTR, PartSize: 5 << 20, CloseTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &mounted{v: v, spool: sp}
}

func (m *mounted) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return errors.Join(m.v.Close(ctx), m.spool.Close())
}

func (m *mounted) save(ctx context.Context, name, text string) error {
	_, h, err := m.dir.Create(ctx, name, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644, 0, 0, nil)
	if err != nil {
		return err
	}
	defer h.Release()
	if _, err := h.WriteAt(ctx, []byte(text), 0); err != nil {
		return err
	}
	return h.Flush(ctx, nil)
}

func (m *mounted) load(ctx context.Context, name string) (string, error) {
	n, err := m.dir.Lookup(ctx, name)
	if err != nil {
		return "", err
	}
	h, err := n.Open(ctx, os.O_RDONLY, nil)
	if err != nil {
		return "", err
	}
	defer h.Release()
	var all bytes.Buffer
	buf := make([]byte, 1<<20)
	for {
		k, err := h.ReadAt(ctx, buf, int64(all.Len()))
		all.Write(buf[:k])
		if err == io.EOF {
			return all.String(), nil
		}
		if err != nil {
			return "", err
		}
	}
}

func (m *mounted) rename(ctx context.Context, from, to string, flags volume.RenameFlags) error {
	return m.dir.Rename(ctx, from, m.dir, to, flags)
}

func (m *mounted) renameAll(ctx context.Context) error {
	root := m.v.Root()
	to := m.dirName + "-moved"
	if err := root.Rename(ctx, m.dirName, root, to, 0); err != nil {
		return err
	}
	m.dirName = to
	return nil
}

// try does one deed, and looks at what is there afterwards in a mount that knows nothing.
func (d deed) try(t *testing.T, s *server, keeper keys.Keeper, dir string) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m := mountAt(t, s.store, keeper)
	err := d.inMount(ctx, m, dir)
	if err = errors.Join(err, m.close()); err != nil {
		return err
	}
	cold := mountAt(t, s.store, keeper)
	if cold.dir, err = cold.v.Root().Lookup(ctx, m.dirName); err == nil {
		err = d.holds(ctx, cold)
	}
	return errors.Join(err, cold.close(), s.holdsOnly(ctx, m.dirName, d.then))
}

func (d deed) inMount(ctx context.Context, m *mounted, dir string) (err error) {
	if m.dir, err = m.v.Root().Mkdir(ctx, dir, 0o755, 0, 0); err != nil {
		return err
	}
	m.dirName = dir
	if err := errors.Join(m.save(ctx, "a", "one"), m.save(ctx, "b", "two"), m.v.Sync(ctx, "")); err != nil {
		return err
	}
	if err := d.do(ctx, m); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := m.v.Sync(ctx, ""); err != nil {
		return fmt.Errorf("%w: %s", err, waiting(m.v.Status()))
	}
	if given := m.v.Status().GivenUp; len(given) > 0 {
		return fmt.Errorf("given up: %+v", given)
	}
	return nil
}

// waiting says why changes wait.
func waiting(s volume.Status) string {
	for _, c := range s.Changes {
		if c.Failure != nil {
			return c.Failure.Cause
		}
	}
	return "nothing failed"
}

func (d deed) holds(ctx context.Context, m *mounted) error {
	for name, want := range d.then {
		if got, err := m.load(ctx, name); err != nil || got != want {
			return fmt.Errorf("%s holds %d bytes, not %d, or others: %w", name, len(got), len(want), errors.Join(err))
		}
	}
	return nil
}

// holdsOnly checks that the bucket has these files with their sidecars, and no others.
func (s *server) holdsOnly(ctx context.Context, dir string, files map[string]string) error {
	page, err := s.store.List(ctx, dir+"/", "", "", 0)
	if err != nil {
		return err
	}
	found := make(map[string]bool)
	for _, o := range page.Objects {
		found[path.Base(o.Key)] = true
		base, _ := sidecar.Base(path.Base(o.Key))
		if _, ours := files[path.Base(o.Key)]; !ours && files[base] == "" && !strings.HasSuffix(o.Key, "/") {
			return fmt.Errorf("%s is there still", o.Key)
		}
	}
	for name := range files {
		if !found[name] || !found[sidecar.Name(name)] {
			return fmt.Errorf("%s or its sidecar is not there", name)
		}
	}
	return nil
}
