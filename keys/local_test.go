package keys

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestKeyringFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "er", "keyring")
	made := createLocal(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	key := fresh(t, made, 256)
	opened, err := OpenLocal(path)
	if err != nil {
		t.Fatal(err)
	}
	again := createLocal(t, path) // opens what is there
	for _, l := range []*Local{opened, again} {
		if l.KeyID() != made.KeyID() || l.Region() != "" {
			t.Errorf("%s is not %s", l.KeyID(), made.KeyID())
		}
		unwraps(t, l, key.Wrapped, key.KeyID, key.Plain)
	}
	if len(key.Wrapped) != localOverhead+32 {
		t.Errorf("a wrapped key of %d bytes", len(key.Wrapped))
	}
}

// Many programs start at once over an empty folder: one keyring, for all.
func TestKeyringCreatedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "keyring")
	ids := make([]string, 12)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			l, err := CreateLocal(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = l.KeyID()
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two keyrings: %v", ids)
		}
	}
}

func TestKeyringOpenToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring")
	createLocal(t, path)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o601, 0o644, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, open := range []func(string) (*Local, error){OpenLocal, CreateLocal} {
			_, err := open(path)
			if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLocal(path); err != nil {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

// A keyring of another user's is refused, though nobody else may read it.
func TestKeyringOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring")
	createLocal(t, path)
	owner := os.Geteuid()
	if owner == 0 {
		owner = 65534
		if err := os.Chown(path, owner, -1); err != nil {
			t.Fatal(err)
		}
	} else {
		path, owner = "/etc/hostname", 0 // root's; its mode is judged first
	}
	_, err := OpenLocal(path)
	if !errors.Is(err, ErrDenied) || owner != 0 && !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("a keyring of user %d: %v", owner, err)
	}
}

func TestKeyringDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keyring")
	createLocal(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(good))
	other, err := formatKeyring(bytes.Repeat([]byte{1}, masterSize))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty":             "",
		"another file":      "-----BEGIN PRIVATE KEY-----\n",
		"cut":               string(good[:len(good)/2]),
		"version 2":         strings.Replace(string(good), " 1 ", " 2 ", 1),
		"other fingerprint": strings.Replace(string(good), words[2], strings.Fields(string(other))[2], 1),
		"not base64":        strings.Replace(string(good), words[3], "!"+words[3][1:], 1),
		"short key":         strings.Replace(string(good), words[3], base64.StdEncoding.EncodeToString(make([]byte, 31)), 1),
		"twice":             string(good) + string(good),
		"huge":              string(good) + strings.Repeat(" ", keyringMax),
	} {
		bad := filepath.Join(dir, "bad")
		if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenLocal(bad)
		if !errors.Is(err, ErrKeyState) || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), words[3][4:20]) {
			t.Errorf("%s: the message quotes the key", name)
		}
		// Creating must not replace what may be all that is left of a key.
		if _, err := CreateLocal(bad); err == nil {
			t.Errorf("%s: created over it", name)
		}
		if left, err := os.ReadFile(bad); err != nil || string(left) != content {
			t.Errorf("%s: the file was altered", name)
		}
	}
}

func TestKeyringNotAFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenLocal(filepath.Join(dir, "none")); !errors.Is(err, ErrKeyState) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := OpenLocal(dir); !errors.Is(err, ErrKeyState) {
		t.Errorf("a folder: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLocal(pipe); !errors.Is(err, ErrKeyState) {
		t.Errorf("a named pipe: %v", err)
	}
	file := filepath.Join(dir, "file")
	createLocal(t, file)
	if _, err := CreateLocal(filepath.Join(file, "below")); err == nil {
		t.Error("made a keyring below a file")
	}
}

func TestLocalForeignNamesTheKeyring(t *testing.T) {
	r := localRig(t)
	key := fresh(t, r.keeper, 256)
	_, err := r.foreign.Unwrap(t.Context(), key.Wrapped, key.KeyID)
	if !errors.Is(err, ErrOtherKeeper) || !strings.Contains(err.Error(), r.keeper.KeyID()) {
		t.Errorf("%v does not say that %s is wanted", err, r.keeper.KeyID())
	}
}

// The form on disk must not change silently: this blob and its keyring were
// made once and must open for ever.
func TestLocalForm(t *testing.T) {
	const (
		formFingerprint = "fa067c187fb40532"
		formBlob        = "AfoGfBh/tAUyA7PGbdt9m1VbB/ZBygTMg7YNn7u+4nrbNzhdroh7YpdXklimxyT3Qgd3Eak="
	)
	const line = "mcfs-keyring 1 " + formFingerprint + " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
	path := filepath.Join(t.TempDir(), "keyring")
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLocal(path)
	if err != nil {
		t.Fatal(err)
	}
	blob, err := base64.StdEncoding.DecodeString(formBlob)
	if err != nil {
		t.Fatal(err)
	}
	unwraps(t, l, blob, "local:"+formFingerprint, []byte("0123456789abcdef"))
}

func TestAppendContext(t *testing.T) {
	got := appendContext(nil, map[string]string{"b": "", "a": "xy"})
	if want := "\x00\x00\x00\x01a\x00\x00\x00\x02xy\x00\x00\x00\x01b\x00\x00\x00\x00"; string(got) != want {
		t.Errorf("%q", got)
	}
}

// addSeeds also checks that the parser takes some of them and refuses others:
// without both, fuzzing starts far from what it is to explore.
func addSeeds(f *testing.F, parse func([]byte) error, seeds ...[]byte) {
	f.Helper()
	taken := 0
	for _, s := range seeds {
		if parse(s) == nil {
			taken++
		}
		f.Add(s)
	}
	if taken == 0 || taken == len(seeds) {
		f.Fatalf("the parser takes %d of %d seeds", taken, len(seeds))
	}
}

func FuzzLocalUnwrap(f *testing.F) {
	l, err := newLocal("fuzz", bytes.Repeat([]byte{3}, masterSize))
	if err != nil {
		f.Fatal(err)
	}
	addSeeds(f, func(b []byte) error { _, err := l.Unwrap(context.Background(), b, ""); return err },
		l.seal(make([]byte, 16)),
		l.seal(make([]byte, 24)),
		l.seal(bytes.Repeat([]byte{8}, 32)),
		nil,
		[]byte{localVersion},
		append([]byte{2}, l.fp[:]...),
	)
	f.Fuzz(func(t *testing.T, blob []byte) {
		plain, err := l.Unwrap(context.Background(), blob, "")
		if err == nil {
			// Only seeds are authentic; each holds one byte repeated.
			if checkPlain(plain) != nil || !bytes.Equal(plain, bytes.Repeat(plain[:1], len(plain))) {
				t.Errorf("forged: %x", blob)
			}
			return
		}
		if !errors.Is(err, ErrMalformed) || plain != nil {
			t.Errorf("%x: %v", blob, err)
		}
	})
}

func FuzzKeyringFile(f *testing.F) {
	line, err := formatKeyring(bytes.Repeat([]byte{5}, masterSize))
	if err != nil {
		f.Fatal(err)
	}
	addSeeds(f, func(b []byte) error { _, err := parseKeyring(b); return err },
		line, bytes.TrimSpace(line), line[:40], []byte("mcfs-keyring 2 00"), nil)
	f.Fuzz(func(t *testing.T, content []byte) {
		master, err := parseKeyring(content)
		if err != nil {
			if master != nil {
				t.Error("an error and a key")
			}
			return
		}
		again, err := formatKeyring(master)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.EqualFold(strings.Join(strings.Fields(string(content)), " "), strings.TrimSpace(string(again))) {
			t.Errorf("%q and %q are one key", content, again)
		}
	})
}
