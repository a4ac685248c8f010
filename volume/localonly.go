package volume

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// localOnly are the names under which editors, rsync, databases, git and
// desktops keep what is not meant to last: files created under them stay
// sealed in the spool until they are renamed. "dir//pattern" holds below a
// directory of that name only; "excl:" only for files made with O_EXCL.
var localOnly = []string{
	"excl:.*.??????", "4913", "*~", ".*.sw?", ".#*", "#*#",
	"*-journal", "*-wal", "*-shm", ".git//*.lock",
	".~lock.*#", "lu*.tmp", ".goutputstream-*", "*.kate-swp", "*.sb-????????-??????", ".fuse_hidden*",
	"._*", ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", ".Trash-*",
}

// patterns decides which names are local-only.
type patterns []pattern

type pattern struct {
	below string // directory name that must be above; "" for anywhere
	glob  string
	excl  bool
}

// newPatterns takes the defaults, adds extra, and removes what extra marks with "!".
func newPatterns(extra []string) (patterns, error) {
	list := slices.Clone(localOnly)
	for _, e := range extra {
		if name, ok := strings.CutPrefix(e, "!"); ok {
			list = slices.DeleteFunc(list, func(s string) bool { return strings.TrimPrefix(s, "excl:") == name })
			continue
		}
		list = append(list, e)
	}
	var ps patterns
	for _, s := range list {
		var p pattern
		s, p.excl = strings.CutPrefix(s, "excl:")
		if below, glob, ok := strings.Cut(s, "//"); ok {
			p.below, s = below, glob
		}
		p.glob = s
		if _, err := path.Match(p.glob, ""); err != nil {
			return nil, fmt.Errorf("local_only pattern %q: %w", s, err)
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// match says whether a file at name (its path in the volume), made with or
// without O_EXCL, is local-only. So is everything below a local-only directory.
func (ps patterns) match(name string, excl bool) bool {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		for _, p := range ps {
			if p.excl && (!excl || i < len(elems)-1) {
				continue
			}
			if p.below != "" && !slices.Contains(elems[:i], p.below) {
				continue
			}
			if ok, _ := path.Match(p.glob, elem); ok {
				return true
			}
		}
	}
	return false
}
