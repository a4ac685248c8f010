package fs

import "strings"

// keptAttr says whether the volume keeps attributes of this name. The other
// namespaces of xattr(7) are the kernel's: labels and lists that would be
// obeyed nowhere.
func keptAttr(name string) bool { return strings.HasPrefix(name, "user.") }
