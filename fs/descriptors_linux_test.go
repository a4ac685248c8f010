package fs

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestHolds(t *testing.T) {
	me := identify(os.Getpid())
	path := filepath.Join(t.TempDir(), "a (deleted) file")
	f, err := os.Create(path)
	must(t, err)
	var st syscall.Stat_t
	must(t, syscall.Stat(path, &st))
	holds := func(what string, want bool) {
		t.Helper()
		if got := me.Holds(st.Ino, filepath.Base(path)); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	holds("open for writing", true)
	if me.Holds(st.Ino, "another") || me.Holds(st.Ino+1, filepath.Base(path)) {
		t.Error("takes another file for it")
	}
	dup, err := syscall.Dup(int(f.Fd()))
	must(t, err)
	must(t, f.Close())
	holds("a duplicate is left", true)
	must(t, os.Remove(path))
	holds("removed", true)
	must(t, syscall.Close(dup))
	holds("closed", false)
	must(t, os.WriteFile(path, nil, 0o600))
	must(t, syscall.Stat(path, &st))
	reader, err := os.Open(path)
	must(t, err)
	defer reader.Close()
	holds("open for reading", false)
	gone := linuxProcess{tgid: 1 << 30}
	if gone.Holds(st.Ino, filepath.Base(path)) {
		t.Error("a process that does not exist holds it")
	}
}

func TestWritesTo(t *testing.T) {
	for info, want := range map[string]bool{
		"pos:\t0\nflags:\t0100001\nmnt_id:\t29\nino:\t42\n":   true,
		"pos:\t0\nflags:\t0100002\nmnt_id:\t29\nino:\t42\n":   true,
		"pos:\t0\nflags:\t0100000\nmnt_id:\t29\nino:\t42\n":   false,
		"pos:\t0\nflags:\t012000001\nmnt_id:\t29\nino:\t42\n": false, // O_PATH
		"pos:\t0\nflags:\t0100001\nmnt_id:\t29\nino:\t421\n":  false,
		"pos:\t0\nflags:\t0100001\nmnt_id:\t29\n":             false, // before Linux 5.14
		"": false,
	} {
		if got := writesTo([]byte(info), 42); got != want {
			t.Errorf("%q: %v", strings.ReplaceAll(info, "\n", " "), got)
		}
	}
}

func BenchmarkHolds(b *testing.B) {
	me := identify(os.Getpid())
	for b.Loop() {
		me.Holds(1, "nothing")
	}
}
