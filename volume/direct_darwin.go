package volume

// directFlag is 0: macOS has no such flag of open(2).
const directFlag = 0
