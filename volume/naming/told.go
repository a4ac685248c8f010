package naming

import (
	"path"
	"regexp"
	"strings"
)

// tellings are how programs spell it; the groups are the name that is told.
var tellings = []*regexp.Regexp{
	regexp.MustCompile(`^\.syncthing\.(.+)\.tmp$`),
	rsyncTelling,
	regexp.MustCompile(`^(.+)\.tmp(?:\.[A-Za-z0-9]+|-?[0-9]+)$`), // npm; Go
	regexp.MustCompile(`^(.+)\.o?[A-Za-z0-9_]{6}$`),              // GLib, Qt, KDE; patch
	regexp.MustCompile(`^(.+)_exiftool_tmp$`),
	regexp.MustCompile(`^(.+)-temp-[0-9]+(\.[^.]+)$`), // AtomicParsley
	regexp.MustCompile(`^(.+)\.(?:tmp|temp|part|partial|filepart|download|crdownload|opdownload|aria2__temp|!qB)$`),
}

var rsyncTelling = regexp.MustCompile(`^\.(.+)\.[A-Za-z0-9_]{6}$`)

// antechambers are directories in which a file bears the name that it is to get beside them.
var antechambers = map[string]bool{".~tmp~": true, ".rsync-partial": true}

// Told returns the path that a temporary or local-only one says its file is to get in the
// end, as rsync's ".NAME.XXXXXX" does; "" if it says none. beside reports whether a file of
// that name stands in the same directory.
func Told(file string, beside func(name string) bool) string {
	dir, name := path.Split(file)
	if dir = strings.TrimSuffix(dir, "/"); antechambers[path.Base(dir)] {
		return path.Join(path.Dir(dir), name)
	}
	if strings.HasPrefix(name, ".com.google.Chrome.") {
		return "" // it has no other name yet
	}
	for _, t := range tellings {
		m := t.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		told := strings.Join(m[1:], "")
		if t == rsyncTelling && beside("."+told) && !beside(told) {
			told = "." + told // rsync spells the two alike
		}
		if !Showable(told) {
			return ""
		}
		return path.Join(dir, told)
	}
	return ""
}
