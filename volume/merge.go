package volume

import (
	"time"

	dirs "mcfs/volume/listing"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
	"mcfs/volume/tree"
)

// merge takes over a whole listing that was begun at a certain time; v.mu is held.
func (v *Volume) merge(d *Node, names dirs.Names, begun time.Time) {
	v.noteMarker(d, names)
	changed := d.dir.Merge(names, begun, func(name string, found *dirs.Name) { v.mergeName(d, name, found, begun) })
	if changed {
		d.dir.Touch(time.Now()) // another machine has made, replaced or removed something
	}
}

// mergeName takes over what was found under one name (nil: nothing); v.mu is held.
func (v *Volume) mergeName(d *Node, name string, f *dirs.Name, begun time.Time) {
	verdict, hides := d.dir.Judge(name, f, begun, v.knownOf)
	if hides {
		v.log.Warn("both a file and a directory by that name: the file is not shown", "path", naming.Join(v.path(d), name))
	}
	c := d.dir.Get(name)
	switch verdict {
	case tree.Forget:
		v.detach(d, c)
		v.forget(d, c)
	case tree.MakeDir:
		if c != nil {
			v.detach(d, c)
		}
		d.dir.Put(name, v.newDir(d, name))
	case tree.MakeFile:
		if c != nil {
			v.detach(d, c)
		}
		v.makeListed(d, name, listed(f))
	case tree.Compare:
		v.mergeVersion(d, c, listed(f))
	}
}

// knownOf is what a listing is judged by; v.mu is held.
func (v *Volume) knownOf(c *Node) tree.Known {
	return tree.Known{Folder: c.kind == Dir, Local: c.localLocked(), Changed: c.changed, Below: func() bool { return v.anyLocal(c) }}
}

// listed is a file as a listing shows it.
func listed(f *dirs.Name) remote.Listing {
	l := remote.Listing{Key: f.Object.Key, ETag: f.Object.ETag, Size: f.Object.Size, Modified: f.Object.Modified}
	if f.Sidecar != nil {
		l.Sidecar = remote.SidecarOf(*f.Sidecar)
	}
	return l
}

// makeListed makes the node of a file of which only a listing is known; v.mu is held.
func (v *Volume) makeListed(d *Node, name string, l remote.Listing) {
	c := v.newNode(File, d, name)
	c.listed = l
	d.dir.Put(name, c)
}

// mergeVersion takes over what was found under the name of a file that is known; v.mu is held.
func (v *Volume) mergeVersion(d, c *Node, l remote.Listing) {
	switch {
	case v.sameVersion(c, l):
		c.listed = l
	case v.moves.AtRest(dirs.PrefixOf(v.path(d))):
		v.detach(d, c)
		v.makeListed(d, c.name, l)
	case !c.content.IsKnown():
		// It is on its way with a directory: a copy has another ETag, and the listing
		// may show it before it moved, or after. What it is is told once it has arrived.
		c.listed = l
	}
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

// expireAbove is Expire for the name of a node in its directory.
func (v *Volume) expireAbove(n *Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.parent != nil && n.parent.dir.Get(n.name) == n {
		n.parent.dir.Expire(n.name)
	}
}

// detach takes a name away because another machine did; open handles go on.
func (v *Volume) detach(d, c *Node) {
	name := c.name
	d.dir.Drop(name)
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
	for _, c := range n.dir.All() {
		v.walk(c, f)
	}
}
