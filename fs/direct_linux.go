package fs

import "syscall"

// openDirect is the flag of open(2) with which writes pass by the kernel's page cache.
const openDirect = syscall.O_DIRECT
