package volume

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/store"
)

// describeDir reads a directory's attributes from its marker, once, and again
// after a listing has shown another marker. A directory without one, or whose
// marker cannot be read now, shows defaults.
func (n *Node) describeDir(ctx context.Context) error {
	v := n.v
	v.mu.Lock()
	known := n.dir.described
	v.mu.Unlock()
	if known {
		return nil
	}
	if err := n.lockOpening(ctx); err != nil {
		return err
	}
	defer n.unlockOpening()
	v.mu.Lock()
	known = n.dir.described
	places := v.sources(v.path(n) + "/")
	v.mu.Unlock()
	if known {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, waitKnown)
	defer cancel()
	info, err := v.findMarker(ctx, places)
	if err != nil {
		return err
	}
	attr, err := sidecar.ParseAttr(info.Metadata)
	if err != nil {
		v.log.Error("a directory's marker cannot be read", "path", places[len(places)-1], "cause", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.dir.described {
		return nil
	}
	n.dir.described, n.dir.marker = true, info.ETag
	switch {
	case attr.Mode&modeType == modeDir:
		n.dir.attr = attr
		if attr.Mtime.IsZero() {
			n.dir.attr.Mtime = info.Modified
		}
	case !info.Modified.IsZero(): // made by another tool
		n.dir.attr.Mtime = info.Modified
	}
	return nil
}

// findMarker looks where the directory may be; a zero Info means that it has no marker.
func (v *Volume) findMarker(ctx context.Context, places []string) (store.Info, error) {
	for _, key := range places {
		info, err := v.store.Head(ctx, key)
		if err == nil || !errors.Is(err, store.ErrNotExist) {
			return info, err
		}
	}
	return store.Info{}, nil
}

// setDirAttr changes a directory's attributes; its marker is put again, soon.
func (n *Node) setDirAttr(ctx context.Context, s SetAttr) (Attr, error) {
	if s.Size != nil {
		return Attr{}, ErrIsDir
	}
	if err := n.describeDir(ctx); err != nil {
		return Attr{}, errorsIO(err)
	}
	v := n.v
	v.mu.Lock()
	s.apply(&n.dir.attr)
	attr, path := n.dir.attr, v.path(n)
	c := v.attrs[n]
	kept := n.gone || n.parent == nil || v.local.match(path, named)
	v.mu.Unlock()
	if kept {
		return n.dirAttr(ctx), nil // the root has no marker: what is set lasts as long as the mount
	}
	if c != nil {
		return n.dirAttr(ctx), v.restateChange(c, attr)
	}
	c = &change{Change: spool.Change{Op: opMkdir, Path: path + "/"}, node: n, attr: attr}
	if err := v.journalChanges([]*change{c}, nil); err != nil {
		return Attr{}, err
	}
	v.mu.Lock()
	v.changes[c.Seq] = c
	v.attrs[n] = c
	n.queued++
	c.timer = time.AfterFunc(attrDelay, func() { v.beginAttr(c) })
	v.mu.Unlock()
	return n.dirAttr(ctx), nil
}

// restateChange renews what the journal knows of attributes that are to be written soon.
func (v *Volume) restateChange(c *change, attr sidecar.Attr) error {
	v.mu.Lock()
	c.attr = attr
	kept := c.Change
	v.mu.Unlock()
	data, err := json.Marshal(changeRecord{Ver: c.ver.record(), Attr: attr})
	if err != nil {
		return err
	}
	kept.Data = data
	v.spool.Journal().Later(func(tx *spool.Tx) error { return tx.PutChange(kept) })
	return nil
}

// putMarker puts the object that keeps an empty directory, and any directory's attributes.
func (v *Volume) putMarker(ctx context.Context, c *change) error {
	attr := c.attr
	if n := c.node; n != nil {
		v.mu.Lock()
		if v.attrs[n] == c {
			delete(v.attrs, n) // what changes from now on is another change
		}
		gone := n.gone
		attr = n.dir.attr
		v.mu.Unlock()
		if gone {
			return nil
		}
	}
	meta, err := sidecar.EncodeAttr(attr)
	if err != nil {
		return err
	}
	info, err := v.store.Put(ctx, c.Path, bodyOf(nil), store.Attributes{ContentType: "application/x-directory", Metadata: meta}, store.Condition{})
	if err != nil || c.node == nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c.node.dir.marker = info.ETag
	return nil
}

// seeMarker notes a listing's word of the directory's own marker: another one
// than is known is read before attributes are shown again; v.mu is held.
func (v *Volume) seeMarker(d *Node, names map[string]*found) {
	f := names[""]
	delete(names, "")
	if f == nil || f.object == nil || d.localLocked() || d.parent == nil {
		return
	}
	if d.dir.marker != f.object.ETag {
		d.dir.described = false
	}
}

// isMarker says whether a listed key is the marker of the directory that is being listed.
func isMarker(key, prefix string) bool { return key == prefix && strings.HasSuffix(key, "/") }
