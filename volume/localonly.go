package volume

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// localOnly are the names of files that nobody means: a desktop's litter, locks, swap
// files, and what a program uses in passing under a name that is its own. What is
// created under them stays sealed in the spool until it is renamed. "dir//pattern"
// holds below directories of such names only; "file:" for no directory; "excl:" only
// for files made with O_EXCL; "mkstemp:" only for those made as mkstemp(3) does.
var localOnly = []string{
	"._*", ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", ".Trash-*",
	".~lock.*#", ".#*", "#*#", "file:~$*", ".*.sw?", "file:*.kate-swp", ".fuse_hidden*", "file:.nfs0000*",
	"*.git//*.lock", "excl:*.git//tmp_*_??????", "*.git//.tmp-*", "*.git//packed-refs.new",
	".~tmp~", ".rsync-partial", "file:.goutputstream-*", "file:.unison.*.tmp", "file:.syncthing.*.tmp", "file:.~qpdf-temp*",
	"file:*.crdownload", "file:*.opdownload", "file:*.aria2", "file:*.aria2__temp", "file:*.!qB",
	"file:*_exiftool_tmp", "file:*.metadata_edit", "file:*.vctemp", "file:*.blend@",
}

// making is how a name comes to be.
type making uint8

const (
	directory making = iota // as a directory's, or a symlink's
	named                   // a file's, by a rename or by open(2) without O_EXCL
	exclusive               // with O_EXCL
	mkstemp                 // with O_EXCL and O_RDWR, for its owner alone
)

// makingOf reads the flags and the mode of open(2).
func makingOf(flags int, mode uint32) making {
	switch {
	case flags&os.O_EXCL == 0:
		return named
	case flags&syscall.O_ACCMODE == syscall.O_RDWR && mode&0o077 == 0:
		return mkstemp
	}
	return exclusive
}

// makings are the words before a pattern.
var makings = map[string]making{"file:": named, "excl:": exclusive, "mkstemp:": mkstemp}

// patterns decides which names are local-only: their files stay.
type patterns []pattern

type pattern struct {
	below string // of a directory that must be above; "" for anywhere
	glob  string
	made  making // at least
}

// cutMaking takes the word from a pattern.
func cutMaking(s string) (making, string) {
	for word, made := range makings {
		if rest, ok := strings.CutPrefix(s, word); ok {
			return made, rest
		}
	}
	return directory, s
}

// newPatterns takes the defaults, adds extra, and removes what extra marks with "!".
func newPatterns(extra []string) (patterns, error) {
	list := slices.Clone(localOnly)
	for _, e := range extra {
		if name, ok := strings.CutPrefix(e, "!"); ok {
			list = slices.DeleteFunc(list, func(s string) bool {
				_, glob := cutMaking(s)
				return glob == name
			})
			continue
		}
		list = append(list, e)
	}
	var ps patterns
	for _, s := range list {
		var p pattern
		p.made, s = cutMaking(s)
		if below, glob, ok := strings.Cut(s, "//"); ok {
			p.below, s = below, glob
		}
		p.glob = s
		for _, glob := range []string{p.glob, p.below} {
			if _, err := path.Match(glob, ""); err != nil {
				return nil, fmt.Errorf("local_only pattern %q: %w", s, err)
			}
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// match reports whether a file at name (its path in the volume), made in this way,
// is local-only. So is everything below a local-only directory.
func (ps patterns) match(name string, made making) bool {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		for _, p := range ps {
			if made < p.made || p.made != directory && i < len(elems)-1 {
				continue
			}
			if p.below != "" && !slices.ContainsFunc(elems[:i], func(above string) bool { return matches(p.below, above) }) {
				continue
			}
			if matches(p.glob, elem) {
				return true
			}
		}
	}
	return false
}

// matches is path.Match of a pattern that has been tried before.
func matches(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return ok && err == nil
}
