package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// The keyring file is one line: the words "mcfs-keyring" and "1" (the
// version), the master key's fingerprint in hex, and the key in base64. The
// fingerprint finds a damaged copy before anything is wrapped under it.
const (
	keyringWord    = "mcfs-keyring"
	keyringVersion = "1"
	keyringMax     = 4096 // bytes; far more than the line has
)

// CreateLocal opens the keyring at path, and first makes it if nothing is
// there, with its folders: mode 0600, and durable before it returns. Of two
// programs that make it at once, one wins and both open its file. Whoever must
// not make a new keyring, since data depends on the old one, uses OpenLocal.
func CreateLocal(path string) (*Local, error) {
	if _, err := os.Lstat(path); err == nil {
		return OpenLocal(path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("create keyring: %w", err)
	}
	if err := makeDirs(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("create keyring %s: %w", path, err)
	}
	master := make([]byte, masterSize)
	defer clear(master)
	rand.Read(master) // never fails: it ends the program instead
	line, err := formatKeyring(master)
	if err != nil {
		return nil, fmt.Errorf("create keyring %s: %w", path, err)
	}
	defer clear(line)
	if err := publish(path, line); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create keyring %s: %w", path, err)
	}
	return OpenLocal(path)
}

// OpenLocal reads the keyring at path. It refuses a file that others than the
// user of this process may read or write (ErrDenied), and one that is not whole
// (ErrKeyState).
func OpenLocal(path string) (*Local, error) {
	// O_NONBLOCK: a named pipe in its place must not hang the program.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: open keyring: %w", openKind(err), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: keyring %s is not a regular file", ErrKeyState, path)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("%w: keyring %s is open to others (mode %04o): chmod 600 %s", ErrDenied, path, perm, path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%w: keyring %s belongs to user %d, who could read it or put another in its place: chown %d %s", ErrDenied, path, st.Uid, os.Geteuid(), path)
	}
	line := make([]byte, keyringMax+1)
	defer clear(line)
	n, err := io.ReadFull(f, line)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read keyring %s: %w", path, err)
	}
	master, err := parseKeyring(line[:n])
	if err != nil {
		return nil, fmt.Errorf("%w: keyring %s: %w", ErrKeyState, path, err)
	}
	defer clear(master)
	return newLocal(path, master)
}

func openKind(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return ErrDenied
	}
	return ErrKeyState
}

// formatKeyring is the file's content; the caller wipes it.
func formatKeyring(master []byte) ([]byte, error) {
	fp, err := fingerprintOf(master)
	if err != nil {
		return nil, err
	}
	line := make([]byte, 0, 128)
	line = append(line, keyringWord+" "+keyringVersion+" "+fp.String()+" "...)
	line = base64.StdEncoding.AppendEncode(line, master)
	return append(line, '\n'), nil
}

// parseKeyring returns the master key in a file's content; the caller wipes
// both. Its errors never quote the content.
func parseKeyring(content []byte) ([]byte, error) {
	if len(content) > keyringMax {
		return nil, fmt.Errorf("longer than %d bytes", keyringMax)
	}
	words := bytes.Fields(content)
	if len(words) < 2 || string(words[0]) != keyringWord {
		return nil, errors.New("it is not a keyring of mcfs")
	}
	if string(words[1]) != keyringVersion {
		return nil, errors.New("its version is not " + keyringVersion + ": a newer mcfs wrote it")
	}
	if len(words) != 4 {
		return nil, errors.New("it is damaged: restore it from a backup")
	}
	master, err := base64.StdEncoding.Strict().AppendDecode(nil, words[3])
	if err != nil || len(master) != masterSize {
		clear(master)
		return nil, errors.New("it is damaged: restore it from a backup")
	}
	fp, err := fingerprintOf(master)
	if err != nil || !strings.EqualFold(fp.String(), string(words[2])) {
		clear(master)
		return nil, errors.New("it is damaged, key and fingerprint differ: restore it from a backup")
	}
	return master, nil
}

// publish makes path with content, durable and whole or not at all, and never
// in place of what is there (fs.ErrExist).
func publish(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".keyring-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already, if all went well
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	err = moveNew(f.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(err, syncDir(dir)) // whoever lost the race relies on the file as well
}

// moveNew gives the file a second name, which fails where one exists; rename
// would replace it. Only where a file system has no hard links, look and rename.
func moveNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return os.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// makeDirs makes dir with the folders above it, private and durable.
func makeDirs(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
