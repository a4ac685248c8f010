package volume

import (
	"context"

	"mcfs/sidecar"
	"mcfs/volume/remote"
)

// rewriteSidecar puts the sidecar again with the attributes of now.
func (v *Volume) rewriteSidecar(ctx context.Context, c *change) error {
	v.mu.Lock()
	if c.node != nil {
		c.node.noMore(c)
	}
	displaced := c.node != nil && (c.node.parent == nil || c.node.parent.dir.Get(c.node.name) != c.node)
	overtaken := c.Again && c.node == nil
	drawn := c.node != nil && v.localises(c.node, c.Ver)
	v.mu.Unlock()
	if overtaken {
		return nil // before a kill, by a newer version, or by its removal
	}
	if drawn {
		return nil // the version goes, and its file has them in the spool
	}
	if displaced {
		return nil // removed meanwhile, or, after a crash, a draft that has these attributes stands in its place
	}
	ver := c.Ver
	v.followMove(c)
	if n := c.node; n != nil {
		n.content.Lock()
		current, attr := n.content.Base == ver, n.content.Attr
		since := n.content.State == Clean && n.content.Base != nil && remote.Differ(attr, n.content.Base.Attr())
		n.content.Unlock()
		switch {
		case !current && since:
			return v.queueAttr(n) // they were set after the commit of a newer version
		case !current:
			return nil // a newer version was committed with its attributes, or will be
		}
		c.Attr = attr
	}
	if ver.IsSymlink() {
		return v.restateLink(ctx, c)
	}
	return v.remote.PutAttr(ctx, remote.AttrChange{
		Version: ver, Attr: c.Attr, Tries: c.Tries,
		Merged: func(now sidecar.Attr) { v.adoptAttr(c.node, ver, c.Attr, now) },
	})
}

// followMove has a change from the journal know where its object stands by now. A
// directory's move, for which it has waited, may have taken the object along before
// the kill: then only a look at that place tells.
func (v *Volume) followMove(c *change) {
	if !c.Again {
		return
	}
	v.mu.Lock()
	arrived := v.moves.AtRest(c.Path)
	v.mu.Unlock()
	if key, etag := c.Ver.Place(); arrived && key != c.Path {
		c.Ver.Moved(c.Path, etag, remote.Sidecar{})
	}
}

// adoptAttr shows attributes that came from elsewhere, unless others were set
// here since before.
func (v *Volume) adoptAttr(n *Node, ver *remote.Version, before, now sidecar.Attr) {
	if n == nil {
		return
	}
	n.content.Lock()
	defer n.content.Unlock()
	if n.content.Base == ver && n.content.State == Clean {
		n.content.Attr = sidecar.Merge(before, n.content.Attr, now)
	}
}
