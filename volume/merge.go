package volume

import (
	"maps"
	"time"

	dirs "mcfs/volume/listing"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

// merge takes over a whole listing that was begun at a certain time; v.mu is held.
func (v *Volume) merge(d *Node, names dirs.Names, begun time.Time) {
	v.noteMarker(d, names)
	before := maps.Clone(d.dir.children)
	for name, f := range names {
		v.mergeName(d, name, f, begun)
	}
	for name := range d.dir.children {
		if names[name] == nil {
			v.mergeName(d, name, nil, begun)
		}
	}
	if !d.dir.listedAt.IsZero() && !maps.Equal(before, d.dir.children) {
		d.dir.touch(time.Now()) // another machine has made, replaced or removed something
	}
	for name, t := range d.dir.tombs {
		if !t.done.IsZero() && t.done.Before(begun) {
			delete(d.dir.tombs, name)
		}
	}
	d.dir.listedAt = begun
}

// mergeName takes over what was found under one name (nil: nothing); v.mu is held.
func (v *Volume) mergeName(d *Node, name string, f *dirs.Name, begun time.Time) {
	c := d.dir.children[name]
	if d.dir.leaving[name] > 0 {
		return
	}
	if t := d.dir.tombs[name]; t != nil && (t.done.IsZero() || !t.done.Before(begun)) {
		return
	}
	if c != nil && (c.localLocked() || !c.changed.Before(begun)) {
		return
	}
	switch {
	case f == nil:
		if c != nil && !(c.kind == Dir && v.anyLocal(c)) {
			v.detach(d, c)
			v.forget(d, c)
		}
	case f.Folder:
		if f.Object != nil && !d.dir.beside[name] {
			if d.dir.beside == nil {
				d.dir.beside = make(map[string]bool)
			}
			d.dir.beside[name] = true
			v.log.Warn("both a file and a directory by that name: the file is not shown", "path", naming.Join(v.path(d), name))
		}
		if c != nil && c.kind == Dir {
			return
		}
		if c != nil {
			v.detach(d, c)
		}
		d.dir.children[name] = v.newDir(d, name)
	case f.Object != nil:
		v.mergeFile(d, name, c, f)
	}
}

func (v *Volume) mergeFile(d *Node, name string, c *Node, f *dirs.Name) {
	l := remote.Listing{Key: f.Object.Key, ETag: f.Object.ETag, Size: f.Object.Size, Modified: f.Object.Modified}
	if f.Sidecar != nil {
		l.Sidecar = remote.SidecarOf(*f.Sidecar)
	}
	if c != nil && c.kind == Dir {
		if v.anyLocal(c) {
			return
		}
		v.detach(d, c)
		c = nil
	}
	if c != nil && !v.sameVersion(c, l) {
		if p := dirs.PrefixOf(v.path(d)); !v.moves.AtRest(p) {
			// It is on its way with a directory: a copy has another ETag, and the listing
			// may show it before it moved, or after. What it is is told once it has arrived.
			if !c.content.IsKnown() {
				c.listed = l
			}
			return
		}
		v.detach(d, c)
		c = nil
	}
	if c == nil {
		c = v.newNode(File, d, name)
		d.dir.children[name] = c
	}
	c.listed = l
}

// sameVersion reports whether a listing shows the version that the node has. A
// sidecar that was put again, or, where there is none, an object that was put
// again as it was, makes its description be read anew.
func (v *Volume) sameVersion(c *Node, l remote.Listing) bool {
	c.content.Lock()
	defer c.content.Unlock()
	if !c.content.KnownLocked() || c.content.Base == nil {
		return c.listed.ETag == l.ETag
	}
	_, etag := c.content.Base.Place()
	if etag != l.ETag {
		return false
	}
	side := c.content.Base.Sidecar().ETag
	again := side == "" && c.listed.ETag == l.ETag && !c.listed.Modified.Equal(l.Modified)
	if c.content.State == Clean && (side != l.Sidecar.ETag || again) {
		c.markOutdated()
	}
	return true
}

// expire has the next look at the directory ask the store, and what is known be
// the last-known answer meanwhile; Volume.mu is held.
func (d *dirState) expire(name string) {
	if !d.listedAt.IsZero() {
		d.listedAt = time.Unix(0, 0)
	}
	delete(d.fresh, name)
}

// expireAbove is expire for the name of a node in its directory.
func (v *Volume) expireAbove(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.parent != nil && n.parent.dir.children[n.name] == n {
		n.parent.dir.expire(n.name)
	}
}

// detach takes a name away because another machine did; open handles go on.
func (v *Volume) detach(d, c *Node) {
	name := c.name
	delete(d.dir.children, name)
	c.gone, c.stale = true, true
	v.writes.Forget(naming.Join(v.path(d), name))
	if c.kind == File {
		v.background(c.forgetCache)
	}
}

// forget drops what is remembered of a name that is not there any more; v.mu may be held.
func (v *Volume) forget(d, c *Node) {
	path := naming.Join(v.path(d), c.name)
	if c.kind == Dir {
		v.cache.DeleteBelow(path)
	} else {
		v.cache.Delete(path)
	}
}

// anyLocal reports whether something at or below n is only known here; v.mu is held.
func (v *Volume) anyLocal(n *Node) bool {
	local := false
	v.walk(n, func(c *Node) { local = local || c.localLocked() || v.queue.BusyLocked(v.path(c)) })
	return local
}

// walk visits n and all that is known below it; v.mu is held.
func (v *Volume) walk(n *Node, f func(*Node)) {
	f(n)
	if n.dir == nil {
		return
	}
	for _, c := range n.dir.children {
		v.walk(c, f)
	}
}
