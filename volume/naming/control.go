package naming

import (
	"encoding/binary"
	"strings"
)

// controls are how programs that fetch a file in pieces call the one beside it in which they
// note what is there of it: aria2, lftp's pget, axel. It goes when all is.
var controls = []string{".aria2", ".lftp-pget-status", axels}

// axels is a suffix that people use, too: what is in the file has to tell.
const axels = ".st"

// ControlHead is how many bytes of a control file IsControl looks at.
const ControlHead = 2

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

// IsControl reports whether a file of such a name, of a size and with such a beginning, is one.
// Axel's has the number of its connections, what has come, and two numbers of each.
func IsControl(name string, size int64, head []byte) bool {
	if !strings.HasSuffix(name, axels) {
		return true
	}
	if len(head) < ControlHead {
		return false
	}
	n := int64(binary.LittleEndian.Uint16(head))
	return n > 0 && size == 2+8+16*n
}
