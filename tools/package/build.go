package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// program is mcfs, built for a system.
type program struct{ os, arch, path string }

// build builds one without the C library, so that it runs wherever the kernel does, and without the
// paths of this machine. The revision is said, not found: the folder may be no repository.
func (r release) build(p program) error {
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", p.path,
		"-ldflags", fmt.Sprintf("-s -w -X main.version=%s -X main.revision=%s", r.version, r.revision), "./cmd/mcfs")
	c.Dir, c.Stderr = r.source, os.Stderr
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0")
	if err := c.Run(); err != nil {
		return fmt.Errorf("go build for %s/%s: %w", p.os, p.arch, err)
	}
	return nil
}

// told is what the program says of itself.
type told struct {
	pages           []page
	bash, zsh, fish []byte
}

// page is a manual page, compressed.
type page struct {
	name string
	data []byte
}

// tell has the one that runs here write manual pages and completions.
func (r release) tell(work string, programs []program) (t told, err error) {
	i := slices.IndexFunc(programs, func(p program) bool { return p.os == runtime.GOOS && p.arch == runtime.GOARCH })
	if i < 0 {
		return t, fmt.Errorf("%s/%s is not among the targets: the program must run here, to write its manual pages", runtime.GOOS, runtime.GOARCH)
	}
	say := func(args ...string) []byte {
		c := exec.Command(programs[i].path, args...)
		c.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()))
		out, failed := c.Output()
		if failed != nil && err == nil {
			err = fmt.Errorf("mcfs %s: %w", strings.Join(args, " "), failed)
		}
		return out
	}
	man := filepath.Join(work, "man")
	say("man", man)
	t.bash, t.zsh, t.fish = say("completion", "bash"), say("completion", "zsh"), say("completion", "fish")
	if err != nil {
		return t, err
	}
	entries, err := os.ReadDir(man)
	if err != nil {
		return t, err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(man, e.Name()))
		if err != nil {
			return t, err
		}
		t.pages = append(t.pages, page{e.Name() + ".gz", compressed(text)})
	}
	return t, nil
}

// compressed is gzip's, without name and time.
func compressed(text []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // fails for a level that there is not
	_, _ = w.Write(text)                                  // a buffer takes it all
	_ = w.Close()
	return b.Bytes()
}
