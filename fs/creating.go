package fs

// making is what the thread that looks a name up is about to make there.
type making uint8

const (
	unknowable  making = iota // it cannot be known
	nothing                   // nothing
	anything                  // a file, if there is none, or another entry
	exclusively               // a file, with O_EXCL
)
