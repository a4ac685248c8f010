package fs

import "syscall"

// noAttr is the errno of an extended attribute that does not exist.
const noAttr = syscall.ENOATTR
