package naming

import (
	"os"
	"path"
	"slices"
	"syscall"
)

// Class is what a name means for the file that bears it.
type Class uint8

const (
	// Ordinary names are committed as soon as a close asks for it.
	Ordinary Class = iota
	// Temporary names look like those that programs use in passing. A file that keeps one is
	// committed under it once a grace period is over.
	Temporary
	// LocalOnly names are never committed: the file stays in the spool until it has another.
	LocalOnly
	// Staged names are ordinary ones in a folder whose program gives that its name once all is
	// there. A file that keeps one waits as one with a temporary name does.
	Staged
)

func (c Class) String() string {
	return [...]string{"ordinary", "temporary", "local-only", "staged"}[c]
}

// IsGuess reports whether a file of this class waits for another name, and not for ever.
func (c Class) IsGuess() bool { return c == Temporary || c == Staged }

// Creation is how a name was made, as far as that is evidence.
type Creation uint8

const (
	AsDirectory Creation = iota // as a directory's, or a symlink's
	AsFile                      // a file's, by a rename or by open(2) without O_EXCL
	Exclusive                   // with O_EXCL
	Updating                    // with O_EXCL and O_RDWR
	Public                      // with O_EXCL and O_RDWR, for all whom the umask lets
	Mkstemp                     // with O_EXCL and O_RDWR, for its owner alone
)

// CreationOf reads the flags and the mode of open(2), before the umask.
func CreationOf(flags int, mode uint32) Creation {
	switch {
	case flags&os.O_EXCL == 0:
		return AsFile
	case flags&syscall.O_ACCMODE != syscall.O_RDWR:
		return Exclusive
	case mode&0o077 == 0:
		return Mkstemp
	case mode == 0o666:
		return Public
	}
	return Updating
}

// Evidence is what a decision about a file's name goes by, beside the name.
type Evidence struct {
	Creation Creation
	Beside   func(name string) bool // reports whether a file of that name stands in the same directory
	Database bool                   // the file to which a journal of SQLite's would belong is a database
	Written  bool                   // the file to which a control file would belong is open for writing
}

// Rules are what a configuration knows of names.
type Rules struct {
	local   []pattern
	guesses []guess
	staging bool // folders of which IsStaging is true
}

// NewRules makes the default rules, with the patterns of extra added, and those removed that
// extra marks with "!".
func NewRules(extra []string) (*Rules, error) {
	local, err := newPatterns(extra)
	if err != nil {
		return nil, err
	}
	return &Rules{local: local, guesses: newGuesses(extra), staging: !slices.Contains(extra, "!"+stagingGlob)}, nil
}

// ClassOf is the class of a file's path in the volume.
func (r *Rules) ClassOf(file string, e Evidence) Class {
	switch {
	case r.LocalOnly(file, e.Creation):
		return LocalOnly
	case r.LooksTemporary(path.Base(file), e):
		return Temporary
	case slices.ContainsFunc(Elements(path.Dir(file)), r.IsStaging):
		return Staged
	}
	return Ordinary
}

// ClassByPath is the class of a file whose evidence was looked at before, by its path alone.
func (r *Rules) ClassByPath(file string) Class {
	return r.ClassOf(file, Evidence{Creation: Mkstemp, Database: true, Written: true, Beside: func(string) bool { return true }})
}
