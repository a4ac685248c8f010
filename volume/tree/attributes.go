package tree

import (
	"time"

	"mcfs/sidecar"
	"mcfs/volume/remote"
)

// The type bits of st_mode that a directory's marker states.
const (
	modeType = 0o170000
	modeDir  = 0o040000
)

// Attributes are what is known of a directory's attributes: what its marker states, what was set
// here since, and its times. An entry that comes or goes moves the times in memory alone: no marker
// is put for it.
type Attributes struct {
	attr      sidecar.Attr
	described bool // attr is what marker states, or was set here
	was       bool // it was described before a listing showed another marker

	marker remote.Marker // that was read, or put, last
	shown  remote.Marker // that the last listing has shown
	retry  time.Time     // until then a marker that could not be read is not asked for again

	stated  time.Time // mtime by the marker's last word, as far as this mount has heard it; zero: none
	touched bool      // mtime is from here, and from before there was any such word
	ctime   time.Time // zero: mtime tells it
	atime   time.Time // as it was set, or has stayed; zero: mtime tells it
}

// NewAttributes are those of a directory of which nothing is known but what is shown of such ones.
func NewAttributes(attr sidecar.Attr) Attributes { return Attributes{attr: attr} }

// Attr is what the marker states, or is to state. The caller does not change its map.
func (a *Attributes) Attr() sidecar.Attr { return a.attr }

// Shown is what stat tells. As long as nothing is known it is the owner's alone, for the directory
// may be private.
func (a *Attributes) Shown() (attr sidecar.Attr, atime, ctime time.Time) {
	attr, atime, ctime = a.attr, a.atime, a.ctime
	if !a.IsKnown() {
		attr.Mode &^= 0o077
	}
	if atime.IsZero() {
		atime = attr.Mtime
	}
	if ctime.IsZero() {
		ctime = attr.Mtime
	}
	return attr, atime, ctime
}

// IsDescribed reports whether Attr is what the directory has now.
func (a *Attributes) IsDescribed() bool { return a.described }

// IsKnown reports whether Attr is what it has, or had before another marker was shown.
func (a *Attributes) IsKnown() bool { return a.described || a.was }

// CanShow reports whether Shown needs no look at the marker: it is described, or the store has
// just failed to answer.
func (a *Attributes) CanShow() bool { return a.described || time.Now().Before(a.retry) }

// RetryAt has the marker not be looked at before a time; zero: at once.
func (a *Attributes) RetryAt(at time.Time) { a.retry = at }

// Listed is the marker in the last listing; zero: it had none.
func (a *Attributes) Listed() remote.Marker { return a.shown }

// HasMarker reports whether there is a marker, as far as that is known.
func (a *Attributes) HasMarker() bool { return a.marker.ETag != "" || a.shown.ETag != "" }

// State has attributes be those that a marker is to state.
func (a *Attributes) State(attr sidecar.Attr) { a.attr, a.described = attr, true }

// StateMoved is State of what a directory had before it moved, unless more is known: its marker at
// the old place knows an older time.
func (a *Attributes) StateMoved(attr sidecar.Attr) {
	if !a.described {
		a.attr, a.described, a.touched = attr, true, true
	}
}

// Change is State of what a program has set.
func (a *Attributes) Change(next sidecar.Attr, now time.Time) {
	if !next.Mtime.Equal(a.attr.Mtime) {
		a.keepAtime()
	}
	a.State(next)
	a.ctime = now
}

// Take takes over what a marker states; the zero marker is none.
func (a *Attributes) Take(m remote.Marker, attr sidecar.Attr, now time.Time) {
	was, known := a.attr, a.IsKnown()
	a.described, a.marker = true, m
	mtime := attr.Mtime
	if attr.Mode&modeType == modeDir {
		a.attr = attr
		a.attr.Mtime = was.Mtime
	} else { // made by another tool, or there is none
		mtime = time.Time{}
	}
	if mtime.IsZero() {
		mtime = m.Modified.Truncate(time.Second) // a listing may tell it more exactly than a look
	}
	if !mtime.IsZero() {
		a.takeMtime(mtime)
	}
	if known && remote.Differ(was, a.attr) {
		a.ctime = now
	}
}

// takeMtime shows what the marker states, if that is news: else what has happened here since it was
// put would be undone.
func (a *Attributes) takeMtime(mtime time.Time) {
	news := !mtime.Equal(a.stated) && !a.touched
	a.stated, a.touched = mtime, false
	if news {
		a.attr.Mtime = mtime
	}
}

// NotePut notes that a marker was put which states a time of modification.
func (a *Attributes) NotePut(m remote.Marker, mtime time.Time) {
	a.marker, a.stated, a.touched = m, mtime, false
}

// NoteListed notes the marker that a listing has shown; zero: none. Another one than is known is
// read before attributes are shown again.
func (a *Attributes) NoteListed(shown remote.Marker) {
	a.shown = shown
	switch {
	case shown == remote.Marker{}:
		a.described, a.marker = true, remote.Marker{}
	case !a.marker.IsShownAs(shown):
		a.was = a.was || a.described
		a.described = false
	}
}

// Touch notes that an entry has come or gone.
func (a *Attributes) Touch(now time.Time) {
	a.keepAtime()
	a.attr.Mtime, a.ctime = now, now
	a.touched = a.touched || a.stated.IsZero()
}

// keepAtime has the atime stay while mtime is about to move.
func (a *Attributes) keepAtime() {
	if a.atime.IsZero() {
		a.atime = a.attr.Mtime
	}
}

// SetAtime sets the atime, which lasts as long as the mount, as a file's does.
func (a *Attributes) SetAtime(atime, now time.Time) { a.atime, a.ctime = atime, now }

// SetCtime moves the ctime alone, as a new name does, or a change of owner that leaves it what it is.
func (a *Attributes) SetCtime(now time.Time) { a.ctime = now }
