package volume

import "time"

// dirTimes is what a directory's times rest on besides the attributes that its marker
// states. An entry that comes or goes moves them in memory alone: no marker is put for it.
type dirTimes struct {
	stated  time.Time // mtime by the marker's last word, as far as this mount has heard it; zero: none
	touched bool      // mtime is from here, and from before there was any: an entry has come or gone
	ctime   time.Time // zero: mtime tells it
	atime   time.Time // as it was set, or has stayed; zero: mtime tells it
}

// touch notes that an entry has come or gone; v.mu is held.
func (d *dirState) touch(now time.Time) {
	d.keepAtime()
	d.attr.Mtime, d.ctime = now, now
	d.touched = d.touched || d.stated.IsZero()
}

// keepAtime has the atime stay while mtime is about to move; v.mu is held.
func (d *dirState) keepAtime() {
	if d.atime.IsZero() {
		d.atime = d.attr.Mtime
	}
}

// takeMtime shows what the marker states, if that is news: else what has happened here
// since it was put would be undone; v.mu is held.
func (d *dirState) takeMtime(mtime time.Time) {
	news := !mtime.Equal(d.stated) && !d.touched
	d.stated, d.touched = mtime, false
	if news {
		d.attr.Mtime = mtime
	}
}

// setAtime sets a directory's atime, which lasts as long as the mount, as a file's does.
func (n *Node) setAtime(atime time.Time) {
	n.v.mu.Lock()
	defer n.v.mu.Unlock()
	n.dir.atime, n.dir.ctime = atime, time.Now()
}
