package mhl

import (
	"path"
	"strings"
)

// Ignored are patterns of names that are in no list, as .gitignore spells them. One that is not
// understood, as "!NAME", leaves nothing out.
type Ignored []string

// Has reports whether a file is left out: by its name, or by a folder above it.
func (g Ignored) Has(file string) bool {
	elems := strings.Split(file, "/")
	for _, pattern := range g {
		for n := range elems {
			if matches(pattern, elems[:n+1], n == len(elems)-1) {
				return true
			}
		}
	}
	return false
}

// matches reports whether a pattern is about a path, which is a file's or a folder's.
func matches(pattern string, elems []string, isFile bool) bool {
	pattern, folder := strings.CutSuffix(pattern, "/")
	if folder && isFile || strings.Trim(pattern, "/*") == "" {
		return false // what leaves out all is no list
	}
	pattern, rooted := strings.CutPrefix(pattern, "/")
	if !rooted && !strings.Contains(pattern, "/") {
		ok, err := path.Match(pattern, elems[len(elems)-1])
		return ok && err == nil
	}
	return matchElems(strings.Split(pattern, "/"), elems)
}

// matchElems matches element by element; of the pattern ** is any number of them. It takes no longer
// than one's number times the other's.
func matchElems(pattern, elems []string) bool {
	reach := make([]bool, len(elems)+1) // the beginnings that what came of the pattern so far is about
	reach[0] = true
	for _, p := range pattern {
		next := make([]bool, len(elems)+1)
		for i := range reach {
			switch {
			case p == "**":
				next[i] = reach[i] || i > 0 && next[i-1]
			case i > 0 && reach[i-1]:
				ok, err := path.Match(p, elems[i-1])
				next[i] = ok && err == nil
			}
		}
		reach = next
	}
	return reach[len(elems)]
}
