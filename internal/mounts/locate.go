package mounts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mcfs/fs"
)

// maxLinks is how many symbolic links a path may lead through.
const maxLinks = 40

// Locate returns the mount of those given in which a path lies, and the path in it,
// without looking into the mount. Where it lies in none, at is the whole path.
func Locate(path string, mounts map[string]fs.Mounted) (at, inside string, mounted bool, err error) {
	rest, err := filepath.Abs(path)
	if err != nil {
		return "", "", false, fmt.Errorf("%s: %w", path, err)
	}
	at, links := "/", 0
	for rest = strings.Trim(rest, "/"); ; {
		if _, mounted := mounts[at]; mounted || rest == "" {
			return at, rest, mounted, nil
		}
		elem, after, _ := strings.Cut(rest, "/")
		next := filepath.Join(at, elem)
		target := ""
		if _, mounted := mounts[next]; !mounted {
			target, _ = os.Readlink(next) // fails for what is no link
		}
		if target == "" {
			at, rest = next, after
			continue
		}
		if links++; links > maxLinks {
			return "", "", false, fmt.Errorf("%s: too many symbolic links", path)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		at, rest = "/", strings.Trim(filepath.Join(target, after), "/")
	}
}

// Real resolves the symbolic links in the part of a path that exists.
func Real(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(Real(parent), filepath.Base(path))
}

// Within reports whether a path is dir or lies below it, by their names alone.
func Within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
