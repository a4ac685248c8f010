package entry

import (
	"path"

	"mcfs/spool"
	"mcfs/volume/file"
	"mcfs/volume/naming"
)

// IsLoose reports whether the content may be gone, since the machine went down before the disk had
// what no fsync had asked for: then what is there of it is all that there is.
func (r Record) IsLoose(boot string) bool { return r.Boot != "" && r.Boot != boot }

// IsPartial reports whether the draft has bytes that only the upload of an earlier mount had.
func (r Record) IsPartial() bool { return r.Partial && !r.Promised && r.Making == nil }

// IsLost reports whether a draft is lost with the mount that wrote it. Where it was to replace a
// version, that stays, and there is no draft.
func (r Record) IsLost() bool { return r.IsPartial() && r.Replaces == nil }

// IsWanted reports whether a mount takes the draft up: it was promised, its object may have been
// made, or its loss is to be shown.
func (r Record) IsWanted(e spool.Entry) bool {
	return r.Making != nil || r.Promised || e.State == file.Lost.String()
}

// StateOf is the state of a draft whose name is of a class; ok is false for an ordinary one, which
// says nothing of it.
func StateOf(c naming.Class) (s file.State, ok bool) {
	switch c {
	case naming.Temporary, naming.Staged:
		return file.Temporary, true
	case naming.LocalOnly:
		return file.Local, true
	}
	return file.Clean, false
}

// StateUnder is the state of a draft after a restart, in which its name may be of another class
// than in the mount before.
func (r Record) StateUnder(e spool.Entry, boot string, class naming.Class) file.State {
	was := r.ComesBackAs(e, boot)
	if was != file.Local && was != file.Temporary {
		return was
	}
	switch s, ok := StateOf(class); {
	case ok && was == file.Local && naming.Controlled(path.Base(e.Path)) != "":
		return file.Local // its content has told
	case ok && (s == file.Local || !r.IsLoose(boot)):
		return s
	case r.IsLoose(boot):
		return file.Interrupted
	}
	return file.Queued
}

// ComesBackAs is the state of a draft after a restart in which its name is of the same class.
func (r Record) ComesBackAs(e spool.Entry, boot string) file.State {
	switch {
	case e.State == file.Lost.String(), r.IsPartial():
		return file.Lost
	case e.State == file.Local.String():
		return file.Local
	case r.IsLoose(boot) && r.Making == nil:
		return file.Interrupted // it may be cut short, and is not to replace anything by itself
	case e.State == file.Temporary.String():
		return file.Temporary
	case r.Asked, r.Making != nil:
		return file.Queued
	}
	return file.Interrupted
}

// MayBeNothing reports whether an entry waits, after a restart, for content that no power cut was
// promised to leave: the spool tells whether there is any.
func (r Record) MayBeNothing(e spool.Entry, boot string) bool {
	return r.Boot != "" && r.ComesBackAs(e, boot).Waits()
}
