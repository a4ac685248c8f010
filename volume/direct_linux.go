package volume

import "syscall"

// directFlag is the flag of open(2) with which writes pass by the kernel's page cache.
const directFlag = syscall.O_DIRECT
