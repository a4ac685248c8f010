package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Who may write a configuration, or a folder above it, chooses where the files of its
// user go, and with a dir store which of that user's files are read and replaced. So, as
// sshd does it with the files that it trusts (StrictModes), mcfs uses none that anybody
// but its user and root could change.

// maxLinks is how many symbolic links a path may lead through, as on Linux.
const maxLinks = 40

// CheckPlaces refuses the places that a configuration names where another user could put
// something else. What is not there yet is made by mcfs.
func (c Config) CheckPlaces() error {
	places := []struct{ key, path string }{{"spool.dir", c.Spool.Dir}}
	if c.Store.Kind == StoreDir {
		places = append(places, struct{ key, path string }{"store.path", c.Store.Path})
	}
	if c.Keys.Kind == KeysLocal {
		places = append(places, struct{ key, path string }{"keys.path", c.Keys.Path})
	}
	if command := c.Store.MFACommand; len(command) > 0 && filepath.IsAbs(command[0]) {
		places = append(places, struct{ key, path string }{"store.mfa_command", command[0]})
	}
	for _, w := range c.Watch { // a template says where plaintext goes
		if w.TemplateIsFile() {
			places = append(places, struct{ key, path string }{"watch.template", w.Template})
		}
	}
	for _, p := range places {
		if err := trusted(p.path, os.Geteuid()); err != nil {
			return fmt.Errorf("%s: %s: %w", c.Source, p.key, err)
		}
	}
	return nil
}

// trusted refuses a path that somebody else than root and a user could make lead
// elsewhere, or change the end of.
func trusted(path string, uid int) error {
	at, rest, links := "/", filepath.Clean(path), 0
	if err := trustedPlace(at, uid, false); err != nil {
		return err
	}
	for {
		var name string
		name, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if name == "" {
			return nil
		}
		next := filepath.Join(at, name) // ".." of a link's target goes up from where that is
		if err := trustedPlace(next, uid, strings.Trim(rest, "/") == ""); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		target, err := os.Readlink(next)
		switch {
		case err != nil: // no link
			at = next
			continue
		case links == maxLinks:
			return fmt.Errorf("%s: %w", path, syscall.ELOOP)
		case filepath.IsAbs(target):
			at = "/"
		}
		links++
		rest = target + "/" + rest
	}
}

// trustedPlace judges one element of a path. In a folder that others may write, but remove
// only what is theirs, what belongs to root or the user stays; at the end of a path such
// a folder could be filled by others.
func trustedPlace(path string, uid int, end bool) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner cannot be told", path)
	}
	sticky := fi.IsDir() && fi.Mode()&fs.ModeSticky != 0 && !end
	switch {
	case int(st.Uid) != 0 && int(st.Uid) != uid:
		return fmt.Errorf("%s belongs to user %d (mode %04o), who could change what mcfs does as user %d: chown %d %[1]s, or run mcfs as user %[2]d",
			path, st.Uid, fi.Mode().Perm(), uid, uid)
	case fi.Mode()&fs.ModeSymlink == 0 && fi.Mode().Perm()&0o022 != 0 && !sticky:
		return fmt.Errorf("%s may be written by others (owner %d, mode %04o), who could change what mcfs does as user %d: chmod go-w %[1]s",
			path, st.Uid, fi.Mode().Perm(), uid)
	}
	return nil
}
