package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

// putBack restores the sidecar of a version that was not replaced after all.
func (v *Volume) putBack(a *attempt) {
	if !a.withdrew {
		return
	}
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	defer cancel()
	a.withdrew = false
	info, err := v.store.Head(ctx, a.path)
	if _, etag := a.replaces.place(); err != nil || info.ETag != etag {
		return // another version stands there, with a sidecar of its own
	}
	if err := v.putSidecar(ctx, a.replaces, a.path, store.Condition{IfNone: true}); err != nil {
		v.log.Error("sidecar not put back", "path", a.path, "cause", err)
	}
}

// withdrawIfLate takes back a sidecar that was put so long after its object that
// another machine may have replaced that meanwhile.
func (v *Volume) withdrawIfLate(ctx context.Context, a *attempt) error {
	ours, err := v.isOurs(ctx, a.ver, a.path)
	if err != nil || ours {
		return err
	}
	side := a.ver.sidecar()
	err = v.store.Delete(ctx, sidecar.Name(a.path), store.Condition{IfMatch: side.etag})
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotExist) {
		err = nil
	}
	a.ver.setSidecar(sideInfo{})
	return err
}

// stillBase looks whether what stands under the name is the version that this
// machine knows, under another ETag: then there is no conflict.
func (v *Volume) stillBase(a *attempt) bool {
	if a.replaces == nil || a.replaces.foreign() {
		return false
	}
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	defer cancel()
	same, err := v.refind(ctx, a.replaces, a.path)
	return err == nil && same
}

// conflict gives way: another machine saved the name meanwhile. Ours survives
// beside it, under a name that says so, and is committed there.
func (v *Volume) conflict(n *Node, a *attempt) {
	v.names.Lock()
	defer v.names.Unlock()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	v.mu.Lock()
	name := conflictName(n.name, host, time.Now())
	v.log.Error("another machine saved the file meanwhile; ours is kept beside it", "path", a.path, "kept as", name)
	dir := n.parent
	v.endAttempt(n, a)
	if !n.gone && dir != nil && dir.dir.children[name] == nil {
		delete(dir.dir.children, n.name)
		dir.dir.listedAt = time.Time{}
		old := n.name
		n.name = name
		dir.dir.children[name] = n
		v.tell(dir, old)
	}
	n.mu.Lock()
	n.displaced, n.replaces = n.gen, nil
	if n.state == Uploading || n.state == Publishing {
		n.step(evFail)
	}
	n.turn()
	n.mu.Unlock()
	v.mu.Unlock()
	if err := v.keep(n, false); err != nil {
		v.log.Error("a conflicting draft is not safe in the spool", "path", a.path, "cause", err)
	}
	v.ask(n, false)
}

// conflictName is NAME (conflict HOST TIME).EXT.
func conflictName(name, host string, t time.Time) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if stem == "" {
		stem, ext = name, ""
	}
	return fmt.Sprintf("%s (conflict %s %s)%s", stem, host, t.UTC().Format("2006-01-02 150405.000"), ext)
}

// isOurs looks whether the object at key is the version x.
func (v *Volume) isOurs(ctx context.Context, x *version, key string) (bool, error) {
	info, err := v.store.Head(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	obj, ok, err := sidecar.ParseObject(info.Metadata)
	return err == nil && ok && string(obj.IV) == string(x.iv), nil
}
