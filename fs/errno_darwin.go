package fs

import "syscall"

// noAttr answers for an extended attribute that is not there; macOS spells it ENOATTR.
const noAttr = syscall.ENOATTR
