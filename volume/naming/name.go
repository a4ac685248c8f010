package naming

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"mcfs/sidecar"
)

// Max is NAME_MAX, in bytes.
const Max = 255

var (
	// ErrName is of a name that is not UTF-8, or has a zero byte or a slash.
	ErrName = errors.New("name not representable")
	// ErrTooLong is of a name or path that has too many bytes.
	ErrTooLong = errors.New("name too long")
)

// Showable reports whether an element of a key can be a name.
func Showable(name string) bool {
	return name != "" && name != "." && name != ".." && Check(name) == nil
}

// Check refuses what no entry of a directory can be called.
func Check(name string) error {
	switch {
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\x00/"):
		return fmt.Errorf("%q is not UTF-8: %w", name, ErrName)
	case len(name) > Max:
		return ErrTooLong
	}
	return nil
}

// CheckSidecar refuses the path of a file whose sidecar's name would be too long.
func CheckSidecar(file string) error {
	if n := len(path.Base(sidecar.Name(file))); n > Max {
		return fmt.Errorf("with its sidecar's suffix the name has %d bytes: %w", n, ErrTooLong)
	}
	return nil
}

// HidesSidecars reports whether a directory is, or lies below, one whose name begins with a dot,
// or a bare repository of git's: a name more would be a broken branch there, or an object that
// fsck complains of.
func HidesSidecars(dir string) bool {
	return strings.HasPrefix(dir, ".") || strings.Contains(dir, "/.") || strings.Contains(dir+"/", ".git/")
}

// Elements are the names that a path leads through.
func Elements(p string) []string {
	p = strings.Trim(p, "/")
	if p == "" || p == "." {
		return nil
	}
	return strings.Split(p, "/")
}

// Join is the path of a name in a directory, "" for the root.
func Join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// Within reports whether path is at or below dir; "" is the root.
func Within(path, dir string) bool {
	if dir == "" || path == dir {
		return true
	}
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
