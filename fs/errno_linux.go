package fs

import "syscall"

// noAttr answers for an extended attribute that is not there; Linux spells it ENODATA.
const noAttr = syscall.ENODATA
