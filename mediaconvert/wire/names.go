package wire

import (
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Case is how the names of fields are spelled.
type Case uint8

// The cases. Either is for reading alone.
const (
	Pascal Case = iota // FileInput, as `aws mediaconvert --cli-input-json` takes it
	Camel              // fileInput, as the service itself does
	Either
)

// spell is the name of a field in this case.
func (c Case) spell(field string) string {
	if c != Camel {
		return field
	}
	first, size := utf8.DecodeRuneInString(field)
	return string(unicode.ToLower(first)) + field[size:]
}

// Field is the field's name in Go for the one in a document, "" if it is not spelled so.
func (c Case) Field(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	if size == 0 || c == Pascal && !unicode.IsUpper(first) || c == Camel && !unicode.IsLower(first) {
		return ""
	}
	return string(unicode.ToUpper(first)) + name[size:]
}

// Fields are the names that a struct of the SDK has in a document, in their order.
func Fields(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if f := t.Field(i); isField(f) {
			names = append(names, f.Name)
		}
	}
	return names
}

// isField reports whether a field of a struct is part of the document.
func isField(f reflect.StructField) bool {
	return f.IsExported() && !f.Anonymous && f.Name != "ResultMetadata"
}

// nearest is the one of names that is most like name, "" if none is.
func nearest(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return n
		}
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
