package naming

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// localOnly are the patterns of names that no user chooses: a desktop's litter, locks, swap
// files, and temporary files under a name that only one program uses. "dir//pattern" holds below
// directories of such names only; "file:" for no directory; "excl:" only for files made with
// O_EXCL; "mkstemp:" only for those made as mkstemp(3) does.
var localOnly = []string{
	"._*", ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems", ".Trash-*",
	".~lock.*#", ".#*", "#*#", "file:~$*", ".*.sw?", "file:*.kate-swp", ".fuse_hidden*", "file:.nfs0000*",
	"*.git//*.lock", "excl:*.git//tmp_*_??????", "*.git//.tmp-*", "*.git//packed-refs.new",
	".~tmp~", ".rsync-partial", "file:.goutputstream-*", "file:.unison.*.tmp", "file:.syncthing.*.tmp", "file:*.~qpdf-temp#", "file:*.~qpdf-orig#",
	"file:*.crdownload", "file:*.opdownload", "file:*.aria2", "file:*.aria2__temp", "file:*.lftp-pget-status", "file:*.!qB",
	"file:*_exiftool_tmp", "file:*.metadata_edit", "file:*.vctemp", "file:*.blend@",
}

// creations are the words before a pattern.
var creations = map[string]Creation{"file:": AsFile, "excl:": Exclusive, "mkstemp:": Mkstemp}

type pattern struct {
	below   string // of a directory that must be above; "" for anywhere
	glob    string
	created Creation // at least
}

// cutCreation takes the word from a pattern.
func cutCreation(s string) (Creation, string) {
	for word, created := range creations {
		if rest, ok := strings.CutPrefix(s, word); ok {
			return created, rest
		}
	}
	return AsDirectory, s
}

// newPatterns takes the defaults, adds extra, and removes what extra marks with "!".
func newPatterns(extra []string) ([]pattern, error) {
	list := slices.Clone(localOnly)
	for _, e := range extra {
		if name, ok := strings.CutPrefix(e, "!"); ok {
			list = slices.DeleteFunc(list, func(s string) bool {
				_, glob := cutCreation(s)
				return glob == name
			})
			continue
		}
		list = append(list, e)
	}
	var ps []pattern
	for _, s := range list {
		var p pattern
		p.created, s = cutCreation(s)
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

// LocalOnly reports whether a name, given as its path in the volume and made in this way, is
// local-only. Everything below a local-only directory is.
func (r *Rules) LocalOnly(name string, created Creation) bool {
	elems := strings.Split(name, "/")
	for i, elem := range elems {
		for _, p := range r.local {
			if created < p.created || p.created != AsDirectory && i < len(elems)-1 {
				continue
			}
			if p.below != "" && !slices.ContainsFunc(elems[:i], func(above string) bool { return Matches(p.below, above) }) {
				continue
			}
			if Matches(p.glob, elem) {
				return true
			}
		}
	}
	return false
}

// Matches is path.Match of a pattern that has been tried before.
func Matches(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return ok && err == nil
}
