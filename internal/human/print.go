package human

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine returns an error's text as one line. Joined errors follow each other after "; ".
func OneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })
	return Printable(strings.Join(lines, "; "))
}

// Printable spells out what a terminal could take for more than text, as Go does in a
// literal. Names come from the bucket, and whoever may write there chooses them.
func Printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if unicode.IsPrint(r) && r != utf8.RuneError {
			b.WriteString(s[:n])
		} else {
			b.WriteString(strings.Trim(strconv.Quote(s[:n]), `"`))
		}
		s = s[n:]
	}
	return b.String()
}

// Quoted returns a name as it is, or in quotes where a terminal could take it for more
// than text.
func Quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
