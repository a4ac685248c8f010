package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"mcfs/volume/naming"
)

// Sidecars of a bucket that was copied from another name that one still, and may have lost
// their metadata. Whatever puts a sidecar again puts it right; Repair does so to all.

// repairers is how many sidecars are looked at at once.
const repairers = 16

// Repair looks at every sidecar at and under path ("" for all), and has each put again
// that names another place than its file's, has lost metadata, or is missing, of which it
// gives the number. Sync waits for them. What is not committed gets a sidecar by its commit.
func (v *Volume) Repair(ctx context.Context, path string) (int, error) {
	wrong, err := v.repair(ctx, path, true)
	return len(wrong), errors.Join(err, v.changes.Flush())
}

// WrongSidecars returns the paths of the files whose sidecars Repair would have put again.
func (v *Volume) WrongSidecars(ctx context.Context, path string) ([]string, error) {
	return v.repair(ctx, path, false)
}

// repair returns the paths of the files at and under path whose sidecars are wrong, and with put has
// these put again.
func (v *Volume) repair(ctx context.Context, path string, put bool) (wrong []string, err error) {
	n := v.root
	for _, elem := range naming.Elements(strings.Trim(path, "/")) {
		if n, err = n.Lookup(ctx, elem); err != nil {
			return nil, fmt.Errorf("repair %s: %w", shownPath(path), err)
		}
	}
	var mu sync.Mutex // over wrong alone
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(repairers)
	err = v.repairBelow(gctx, n, func(n *Node) {
		group.Go(func() error {
			is, err := v.repairFile(gctx, n, put)
			if is {
				mu.Lock()
				defer mu.Unlock()
				wrong = append(wrong, n.Path())
			}
			return err
		})
	})
	if failed := group.Wait(); failed != nil { // which is why the walk ended, too
		err = failed
	}
	if err != nil {
		err = fmt.Errorf("repair %s: %w", shownPath(path), err)
	}
	return wrong, err
}

// repairBelow calls do for each file at and below n.
func (v *Volume) repairBelow(ctx context.Context, n *Node, do func(*Node)) error {
	if n.kind == File {
		do(n)
	}
	if n.kind != Dir {
		return ctx.Err()
	}
	entries, err := n.ReadDir(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		c, err := n.Lookup(ctx, e.Name)
		if errors.Is(err, ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		if err := v.repairBelow(ctx, c, do); err != nil {
			return err
		}
	}
	return nil
}

// repairFile reports whether the sidecar of a committed file is not as it should be, and with put has
// it put again.
func (v *Volume) repairFile(ctx context.Context, n *Node, put bool) (wrong bool, err error) {
	if err := n.describe(ctx); errors.Is(err, ErrStale) {
		return false, nil // removed or replaced elsewhere meanwhile
	} else if err != nil {
		return false, err
	}
	n.content.Lock()
	ver, committed := n.content.Base, n.content.State == Clean
	n.content.Unlock()
	if !committed || ver == nil || ver.Damage != nil || !ver.WantsSidecar() {
		return false, nil
	}
	if wrong, err = v.remote.IsSidecarWrong(ctx, ver); err != nil || !wrong {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n.localLocked() {
		return false, nil
	}
	n.content.Lock()
	attr, same := n.content.Attr, n.content.Base == ver && n.content.State == Clean
	n.content.Unlock()
	if !same || !put {
		return same, nil // else committed anew meanwhile
	}
	return true, v.restate(n, ver, attr)
}
