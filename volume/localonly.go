package volume

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// localOnly are the names under which editors, rsync, archivers, databases, git,
// muxers and desktops keep what is not meant to last: files created under them
// stay sealed in the spool until they are renamed. "dir//pattern" holds below
// directories of such names only; "excl:" only for files made with O_EXCL;
// "mkstemp:" only for those made as mkstemp(3) does, since cp makes every new
// file with O_EXCL, one that is called ".notes.backup", too.
var localOnly = []string{
	"mkstemp:*.??????", "mkstemp:sed??????", "mkstemp:zi??????", "excl:4913", "*~", ".*.sw?", ".#*", "#*#",
	"*-journal", "*-wal", "*-shm",
	"*.git//*.lock", "excl:*.git//tmp_*_??????", "*.git//.tmp-*", "*.git//packed-refs.new",
	"*.m3u8.tmp", "*.mpd.tmp", "*.ts.tmp", "*.m4s.tmp", "*.mp4.tmp", "*.vtt.tmp", "*.ffcat.tmp",
	".~lock.*#", "lu*.tmp", ".goutputstream-*", "*.kate-swp", "*.sb-????????-??????", ".fuse_hidden*",
	"._*", ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", ".Trash-*",
}

// making is how a name comes to be.
type making uint8

const (
	named     making = iota // by a rename, by mkdir, or by open(2) without O_EXCL
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

// patterns decides which names are local-only.
type patterns []pattern

type pattern struct {
	below string // of a directory that must be above; "" for anywhere
	glob  string
	made  making // at least
}

// makings are the words before a pattern.
var makings = map[string]making{"excl:": exclusive, "mkstemp:": mkstemp}

// cutMaking takes the word from a pattern.
func cutMaking(s string) (making, string) {
	for word, made := range makings {
		if rest, ok := strings.CutPrefix(s, word); ok {
			return made, rest
		}
	}
	return named, s
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

// match says whether a file at name (its path in the volume), made in this way,
// is local-only. So is everything below a local-only directory.
func (ps patterns) match(name string, made making) bool {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		for _, p := range ps {
			if made < p.made || p.made != named && i < len(elems)-1 {
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
