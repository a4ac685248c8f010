package naming

import "strings"

// controls are how programs that fetch a file in pieces call the one beside it in which they
// note what is there of it: aria2, lftp's pget. It goes when all is.
var controls = []string{".aria2", ".lftp-pget-status"}

// Controlled returns the name of the file whose control file one of this name would be; "" if
// it would be none's.
func Controlled(name string) string {
	for _, suffix := range controls {
		if base, ok := strings.CutSuffix(name, suffix); ok {
			return base
		}
	}
	return ""
}

// Controls returns the names that control files of a file have.
func Controls(name string) []string {
	list := make([]string, len(controls))
	for i, suffix := range controls {
		list[i] = name + suffix
	}
	return list
}
