package fs

import (
	"strings"

	"mcfs/volume"
)

// keptAttr says whether the volume keeps attributes of this name: a user's, and the
// lists of POSIX ACLs. The other namespaces of xattr(7) are the kernel's: labels that
// would be obeyed nowhere.
func keptAttr(name string) bool { return strings.HasPrefix(name, "user.") || volume.IsACL(name) }
