package naming

import (
	"crypto/rand"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"mcfs/sidecar"
)

// Beside is a path beside p that nothing has, for the version that has to give way there:
// NAME (conflict WHOSE TIME).EXT, cut until fits takes it and its sidecar.
func Beside(p, whose string, now time.Time, fits func(file string) bool) string {
	dir, name := path.Split(p)
	for room := Max - len(sidecar.Suffix); room > 0; room-- {
		if to := dir + conflictName(name, whose, now, room); fits(to) {
			return to
		}
	}
	return dir + conflictName(name, whose, now, len(name)) // as long as one that has fitted
}

// conflictName is NAME (conflict WHOSE TIME).EXT of at most room bytes. What does not fit is left
// out in this order: the end of the name, the extension, the note but for its time, and at last
// all but a few random letters.
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

// Host makes the name of a machine one that may be part of a file's name.
func Host(host string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == 0 || r == utf8.RuneError {
			return '-'
		}
		return r
	}, host)
}

// noted puts a note before the extension of a name, and cuts off the name what does not fit.
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

// Aside is a name beside a path that nothing has.
func Aside(p string) string {
	folder, slash := strings.CutSuffix(p, "/")
	dir, _ := path.Split(folder)
	aside := dir + ".exchange-" + rand.Text()[:12]
	if slash {
		aside += "/"
	}
	return aside
}
