package fs

import (
	"strings"

	"mcfs/volume"
)

// keptAttr reports whether the volume keeps attributes of this name: those of the user
// namespace, and POSIX ACLs. Labels in the other namespaces of xattr(7) would be enforced
// nowhere.
func keptAttr(name string) bool { return strings.HasPrefix(name, "user.") || volume.IsACL(name) }
