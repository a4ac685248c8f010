package fs

import "syscall"

// openDirect is the flag of open(2) with which reads and writes bypass the page cache.
const openDirect = syscall.O_DIRECT
