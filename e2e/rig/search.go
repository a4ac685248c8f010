package rig

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Needle is something that must not be found.
type Needle struct {
	What string
	Text []byte
}

// Secrets are the data keys that KMS has made, in the spellings in which a
// program might leave them.
func (r *Rig) Secrets() []Needle {
	var all []Needle
	for i, key := range r.KMS.DataKeys() {
		all = append(all, Spellings(fmt.Sprintf("data key %d", i), key)...)
	}
	return all
}

// Spellings are those of one key: as it is, in hexadecimal and base64, as Go
// prints bytes, and as a traceback prints words and arrays.
func Spellings(what string, key []byte) []Needle {
	hexadecimal := hex.EncodeToString(key)
	all := []Needle{
		{what, key},
		{what + " in hexadecimal", []byte(hexadecimal)},
		{what + " in hexadecimal", []byte(strings.ToUpper(hexadecimal))},
		{what + " in base64", []byte(base64.RawStdEncoding.EncodeToString(key))},
		{what + " in base64 for URLs", []byte(base64.RawURLEncoding.EncodeToString(key))},
		{what + " in quotes", []byte(strings.Trim(strconv.Quote(string(key)), `"`))},
		{what + " as a list", []byte(strings.Trim(fmt.Sprint(key[:8]), "[]"))},
		{what + " as an array", fmt.Appendf(nil, "%#x, %#x, %#x, %#x", key[0], key[1], key[2], key[3])},
	}
	for i := 0; i+8 <= len(key); i += 8 {
		word := binary.LittleEndian.Uint64(key[i:])
		all = append(all, Needle{what + " as a word", fmt.Appendf(nil, "%#x", word)}, Needle{what + " as a number", fmt.Appendf(nil, "%d", word)})
	}
	return all
}

// Search looks for many needles at once, in files that changed since a time.
type Search struct {
	since   time.Time
	needles map[uint32][]Needle // by their first three bytes
	first   [1 << 16]bool       // by their first two
	longest int
	seen    map[string]bool

	Hits  []string // what was found, and where
	Files int      // that were searched, with so many bytes
	Bytes int64
}

// NewSearch begins a search.
func NewSearch(needles []Needle, since time.Time) *Search {
	s := &Search{since: since, needles: make(map[uint32][]Needle), seen: make(map[string]bool)}
	for _, n := range needles {
		s.needles[three(n.Text)] = append(s.needles[three(n.Text)], n)
		s.first[three(n.Text)>>8] = true
		s.longest = max(s.longest, len(n.Text))
	}
	return s
}

// mountpoints are this machine's, now. The search enters none that lies in its way:
// the mount under test shows plaintext, and others may hang, or belong to a test
// beside this one that counts what is asked of it.
func mountpoints() map[string]bool {
	all := make(map[string]bool)
	info, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(info)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			all[fields[4]] = true
		}
	}
	return all
}

func three(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

// Walk looks into every file below a folder, but for other mounts.
func (s *Search) Walk(tb testing.TB, root string) {
	tb.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // somebody else's, or gone by now
		case e.IsDir() && (s.seen[path] || path != root && mountpoints()[path]):
			return fs.SkipDir
		case e.IsDir():
			s.seen[path] = true
			return nil
		case !e.Type().IsRegular():
			return nil
		}
		info, err := e.Info()
		if err != nil || info.ModTime().Before(s.since) {
			return nil
		}
		return s.file(path)
	})
	if err != nil {
		tb.Errorf("search %s: %v", root, err)
	}
}

// OpenFiles looks into what the daemon has open, removed files included.
func (s *Search) OpenFiles(tb testing.TB, pid int) {
	tb.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return // it has ended
	}
	if err != nil {
		tb.Error(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			if err := s.file(path); err != nil {
				tb.Error(err)
			}
		}
	}
}

// Text looks into what is in memory already, as the output of a program.
func (s *Search) Text(name, text string) {
	s.Files++
	s.Bytes += int64(len(text))
	s.scan(name, []byte(text))
}

func (s *Search) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // gone by now
	}
	defer f.Close()
	s.Files++
	buf := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := f.Read(buf[kept:])
		s.Bytes += int64(n)
		s.scan(path, buf[:kept+n])
		if err == io.EOF || err != nil {
			return nil
		}
		start := max(0, kept+n-s.longest+1)
		kept = copy(buf, buf[start:kept+n])
	}
}

// scan is spared by the race detector, which would look at every byte itself.
//
//go:norace
func (s *Search) scan(name string, text []byte) {
	for i := 0; i+2 < len(text); i++ {
		if !s.first[uint16(text[i])<<8|uint16(text[i+1])] {
			continue
		}
		for _, n := range s.needles[three(text[i:])] {
			if len(text)-i >= len(n.Text) && string(text[i:i+len(n.Text)]) == string(n.Text) && len(s.Hits) < 20 {
				s.Hits = append(s.Hits, fmt.Sprintf("%s is in %s", n.What, name))
			}
		}
	}
}
