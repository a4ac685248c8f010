package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"mcfs/crypt"
	"mcfs/store/storetest"
	"mcfs/volume"
)

// scenario is something that a person does, and what S3 has to have at last.
type scenario struct {
	name   string
	mode   crypt.Mode
	before func(w *world) error // while all is well
	cold   bool                 // the volume is opened anew then, and knows nothing
	act    func(w *world) error // what the fault strikes
	after  map[string]file
	looks  bool            // it changes nothing
	prior  map[string]file // what S3 has if it could not begin
}

var (
	small = storetest.Random(70_001, 3)
	other = storetest.Random(90_002, 4)
	large = storetest.Random(part+300_003, 5) // two parts
	// Whatever S3 has under a name, also on the way, is one of these.
	saved = map[string][][]byte{"a": {small, other, large, patched()}, "b": {small}, "d/a": {small}}
)

func saves(name string, p []byte) func(w *world) error {
	return func(w *world) error { return w.save(name, p) }
}

func one(name string, p []byte) map[string]file { return map[string]file{name: {content: p}} }

var scenarios = []scenario{
	{name: "save small", mode: crypt.CTR, act: saves("a", small), after: one("a", small)},
	{name: "save large", mode: crypt.GCM, act: saves("a", large), after: one("a", large)},
	{name: "overwrite", mode: crypt.CBC, before: saves("a", other), act: saves("a", small), after: one("a", small), prior: one("a", other)},
	{name: "patch", mode: crypt.CTR, before: saves("a", small), cold: true, act: patch, after: one("a", patched()), prior: one("a", small)},
	{name: "read", mode: crypt.GCM, before: saves("a", small), cold: true, act: reads("a", small), looks: true, after: one("a", small), prior: one("a", small)},
	{name: "list", mode: crypt.CTR, before: saves("a", small), cold: true, act: list, looks: true, after: one("a", small), prior: one("a", small)},
	{name: "rename", mode: crypt.CTR, before: saves("a", small), act: rename, after: one("b", small), prior: one("a", small)},
	{name: "remove", mode: crypt.CTR, before: saves("a", small), act: remove, after: map[string]file{}, prior: one("a", small)},
	{name: "chmod", mode: crypt.CTR, before: saves("a", small), act: chmod, after: one("a", small), prior: one("a", small)},
	{name: "mkdir", mode: crypt.CTR, act: mkdir, after: map[string]file{"d/": {bare: true}}},
	{name: "symlink", mode: crypt.CTR, act: symlink, after: map[string]file{"l": {bare: true}}},
	{name: "trash", mode: crypt.GCM, before: folder, act: trash, after: trashed, prior: filed},
	{name: "from the trash", mode: crypt.CBC, before: folderInTrash, act: untrash, after: filed, prior: trashed},
}

// filed is what S3 has of a folder, and trashed what it has of one in a trash: no sidecars.
var (
	filed   = map[string]file{"d/": {bare: true}, "d/a": {content: small}}
	trashed = map[string]file{".Trash-0/": {bare: true}, ".Trash-0/a": {content: small, bare: true}}
)

// errClose is what came of the call that makes a file's content be committed. Any
// other error means that it did not come so far.
var errClose = errors.New("close")

// patch writes into the middle of a file.
func patch(w *world) error {
	n, err := w.node("a")
	if err != nil {
		return err
	}
	h, err := n.Open(w.ctx, os.O_RDWR, nil)
	if err != nil {
		return err
	}
	defer h.Release()
	if _, err := h.WriteAt(w.ctx, []byte("patched"), 1000); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return closed(h.Flush(w.ctx, nil))
}

func closed(err error) error {
	if err != nil {
		err = fmt.Errorf("%w: %w", errClose, err)
	}
	return err
}

func patched() []byte {
	p := bytes.Clone(small)
	copy(p[1000:], "patched")
	return p
}

func reads(name string, want []byte) func(w *world) error {
	return func(w *world) error {
		p, err := w.load(name)
		if err == nil && !bytes.Equal(p, want) {
			w.Errorf("wrong bytes were read: %d of %d", len(p), len(want))
		}
		return err
	}
}

func list(w *world) error {
	all, err := w.v.Root().ReadDir(w.ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != "a.settings.json a" {
		w.Errorf("the listing has %q", got)
	}
	n, err := w.node("a")
	if err != nil {
		return err
	}
	a, err := n.Attr(w.ctx)
	if err == nil && a.Size != int64(len(small)) {
		w.Errorf("stat says %d bytes", a.Size)
	}
	return err
}

func rename(w *world) error { return w.v.Root().Rename(w.ctx, "a", w.v.Root(), "b", 0) }
func trash(w *world) error  { return w.v.Root().Rename(w.ctx, "d", w.v.Root(), ".Trash-0", 0) }
func untrash(w *world) error {
	return w.v.Root().Rename(w.ctx, ".Trash-0", w.v.Root(), "d", 0)
}

func folder(w *world) error {
	d, err := w.v.Root().Mkdir(w.ctx, "d", 0o755, 1, 2)
	if err == nil {
		err = w.save("a", small)
	}
	if err == nil {
		err = w.v.Root().Rename(w.ctx, "a", d, "a", 0)
	}
	if err == nil {
		err = w.v.Sync(w.ctx, "")
	}
	return err
}

func folderInTrash(w *world) error {
	if err := folder(w); err != nil {
		return err
	}
	if err := trash(w); err != nil {
		return err
	}
	return w.v.Sync(w.ctx, "")
}

func remove(w *world) error { return w.v.Root().Remove(w.ctx, "a") }

func chmod(w *world) error {
	n, err := w.node("a")
	if err != nil {
		return err
	}
	mode := uint32(0o600)
	_, err = n.SetAttr(w.ctx, nil, volume.SetAttr{Mode: &mode})
	return err
}

func mkdir(w *world) error {
	_, err := w.v.Root().Mkdir(w.ctx, "d", 0o755, 1, 2)
	return err
}

func symlink(w *world) error {
	_, err := w.v.Root().Symlink(w.ctx, "l", "target", 1, 2)
	return err
}

// personWord is what a person is told.
func personWord(err error) string {
	switch {
	case err == nil:
		return "0"
	case errors.Is(err, volume.ErrStale):
		return "ESTALE"
	case errors.Is(err, volume.ErrNotExist):
		return "ENOENT"
	}
	return "EIO"
}
