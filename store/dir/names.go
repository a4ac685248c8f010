package dir

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	hiddenDir = ".mcfs"  // in the root, holds all that is not an object
	emptyName = "%empty" // the element ""
	besideDir = "%file"  // ends the name of an object that has a directory beside it
	nameLimit = 255      // bytes of one element: NAME_MAX of the usual file systems
)

// escape makes the file name of one element of a key. root says that the
// element is the key's first.
func escape(element string, root bool) (string, error) {
	var name string
	switch {
	case element == "":
		name = emptyName
	case element == ".", element == "..":
		name = strings.ReplaceAll(element, ".", "%2E")
	case root && strings.EqualFold(element, hiddenDir): // file systems may ignore case
		name = "%2E" + element[1:]
	default:
		name = strings.ReplaceAll(strings.ReplaceAll(element, "%", "%25"), "\x00", "%00")
	}
	if len(name) > nameLimit {
		return "", fmt.Errorf("element %.20q… of the key needs a file name of %d bytes, at most %d are possible", element, len(name), nameLimit)
	}
	return name, nil
}

var errForeignName = errors.New("not the name of an object")

// unescape is the inverse of escape: element is what the file or directory
// name stands for. It is an error for a name that escape never makes.
func unescape(name string, root bool) (string, error) {
	switch {
	case root && strings.EqualFold(name, hiddenDir), name == "", name == ".", name == "..", strings.Contains(name, "\x00"), !utf8.ValidString(name):
		return "", errForeignName
	}
	if !strings.Contains(name, "%") {
		return name, nil
	}
	var element string
	if name != emptyName {
		element = strings.NewReplacer("%25", "%", "%00", "\x00", "%2E", ".").Replace(name)
	}
	if again, err := escape(element, root); err != nil || again != name {
		return "", errForeignName
	}
	return element, nil
}

// path is the place of a key, relative to the root, for a key that is not displaced.
func path(key string) (string, error) {
	elements := strings.Split(key, "/")
	for i, e := range elements {
		name, err := escape(e, i == 0)
		if err != nil {
			return "", err
		}
		elements[i] = name
	}
	return strings.Join(elements, "/"), nil
}
