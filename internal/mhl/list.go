package mhl

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a list.
const (
	MaxBytes = 512 << 20 // of its text
	MaxFiles = 1_000_000
	maxPath  = 4096 // bytes
	maxDepth = 32   // of its elements
	maxText  = 64 << 10
)

// ErrMalformed: a text is no hash list that can be gone by.
var ErrMalformed = errors.New("it is no media hash list that can be gone by")

// List is what a hash list says.
type List struct {
	Files  []File
	Ignore Ignored  // what is in no list
	Others []string // lists that it refers to: each is of the folder above the one that it lies in

	at map[string]int // of Files, by their paths
}

// Find returns where in Files a path is.
func (l *List) Find(path string) (int, bool) {
	i, ok := l.at[path]
	return i, ok
}

// File is a file of a list.
type File struct {
	Path     string // from the folder that the list is of, with slashes
	Size     int64  // -1: the list does not say
	Modified time.Time
	Hashes   []Hash
	Unknown  []string // the elements of hashes that are not known here
	Failed   bool     // the list says itself that the file was not what it should be
}

// Hash is what a content is to give.
type Hash struct {
	Kind Kind
	Sum  string // as Sums gives it
}

// Covers returns the list that a path is left to, if it lies in the folder of another one.
func (l *List) Covers(path string) (other string, ok bool) {
	for _, other := range l.Others {
		if dir := folderOf(other); strings.HasPrefix(path, dir) {
			return other, true
		}
	}
	return "", false
}

// folderOf is the folder that a list is of, with a slash at the end.
func folderOf(list string) string {
	dir := list[:strings.LastIndex(list, "/")+1]
	return strings.TrimSuffix(dir, Folder+"/")
}

// LeavesOut reports whether a file is in no list: by a pattern, or since it is a list itself.
func (l *List) LeavesOut(path string) bool {
	inFolder := strings.HasPrefix(path, Folder+"/") || strings.Contains(path, "/"+Folder+"/")
	onTop := !strings.Contains(path, "/") && strings.HasSuffix(strings.ToLower(path), ".mhl")
	return inFolder || onTop || l.Ignore.Has(path)
}

// Folder is where the lists of a folder lie.
const Folder = "ascmhl"

// cleanPath refuses a path that leaves its folder, or that no file can have.
func cleanPath(path string) (string, error) {
	path = strings.TrimPrefix(path, "./")
	switch {
	case len(path) > maxPath:
		return "", fmt.Errorf("a path has %d bytes: %w", len(path), ErrMalformed)
	case !utf8.ValidString(path) || strings.ContainsRune(path, 0):
		return "", fmt.Errorf("path %q: %w", path, ErrMalformed)
	case strings.HasPrefix(path, "/"):
		return "", fmt.Errorf("path %q does not begin in the folder of the list: %w", path, ErrMalformed)
	}
	for elem := range strings.SplitSeq(path, "/") {
		if elem == "" || elem == "." || elem == ".." {
			return "", fmt.Errorf("path %q: %w", path, ErrMalformed)
		}
	}
	return path, nil
}
