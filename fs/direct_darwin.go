package fs

// openDirect is 0: macOS has no such flag of open(2).
const openDirect = 0
