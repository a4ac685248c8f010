package volume

import (
	"crypto/rand"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"mcfs/sidecar"
)

// besidePath is a name beside a path that nothing has, for what must give way there:
// NAME (conflict WHOSE TIME).EXT, cut so that the store takes it and its sidecar.
func (v *Volume) besidePath(p, whose string) string {
	dir, name := path.Split(p)
	now := time.Now()
	for room := maxName - len(sidecar.Suffix); room > 0; room-- {
		if to := dir + conflictName(name, whose, now, room); v.fits(to) == nil {
			return to
		}
	}
	return dir + conflictName(name, whose, now, len(name)) // as long as one that has fitted
}

// conflictName is NAME (conflict WHOSE TIME).EXT of at most room bytes. What does not fit
// goes: the end of the name, the extension, the note but for its time, and at last all but
// a few letters by chance.
func conflictName(name, whose string, t time.Time, room int) string {
	stamp := t.UTC().Format("2006-01-02 150405.000")
	for _, note := range []string{
		fmt.Sprintf(" (conflict %s %s)", whose, stamp), fmt.Sprintf(" (conflict %s)", stamp), "~" + rand.Text()[:8],
	} {
		if len(note) < room {
			return noted(name, note, room)
		}
	}
	return rand.Text()[:min(room, 8)]
}

// noted puts a note before the extension of a name, of which it cuts what does not fit.
func noted(name, note string, room int) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if stem == "" {
		stem, ext = name, ""
	}
	room -= len(note)
	if len(ext) > room/2 {
		stem, ext = name, ""
	}
	for len(stem)+len(ext) > room {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	return stem + note + ext
}
