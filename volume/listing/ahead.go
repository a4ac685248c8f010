package listing

// Walk tells whether a program asks for one name of a directory after the other, in their order,
// without listing it: rsync does so at its destination. The zero Walk has seen nothing.
type Walk struct {
	last  string // the name that was asked for last
	run   int    // names in a row, each behind the one before
	until string // up to where descriptions are being read ahead
}

// walkAfter is how many names in a row make a walk.
const walkAfter = 3

// Step notes a name whose description was missing, and reports whether it is a walk's, and what
// follows the name is to be read ahead.
func (w *Walk) Step(name string) bool {
	if w.run++; name <= w.last {
		w.run, w.until = 1, ""
	}
	w.last = name
	return w.run >= walkAfter && name > w.until
}

// Ahead notes up to which name descriptions are being read ahead.
func (w *Walk) Ahead(until string) { w.until = until }
