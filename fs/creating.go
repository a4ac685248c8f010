package fs

// making is what a thread that looks a name up is about to make under it.
type making uint8

const (
	unknowable  making = iota // that cannot be known
	nothing                   // nothing
	anything                  // a file, unless there is one; or another kind of entry
	exclusively               // a file with O_EXCL
)
