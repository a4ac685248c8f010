package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
)

// maxLooks is how often a request under a condition is tried again after a look:
// every failure means that another machine was faster.
const maxLooks = 5

// errKeepsChanging: other machines were faster each time. It is tried again later.
var errKeepsChanging = fmt.Errorf("it keeps changing: %w", store.ErrConflict)

// find looks what stands at key, and whether that is the version x: the IV
// tells, or the ETag where x has none (a foreign object, one that was only
// listed) or the object states none. No object: the zero Info.
func (v *Volume) find(ctx context.Context, x *version, key string) (info store.Info, ours bool, err error) {
	info, err = v.store.Head(ctx, key)
	if errors.Is(err, store.ErrNotExist) {
		return store.Info{}, false, nil
	}
	if err != nil {
		return store.Info{}, false, err
	}
	return info, x.is(info), nil
}

// is says whether an object that was looked at is the version.
func (x *version) is(info store.Info) bool {
	_, etag := x.place()
	obj, err := statedBy(info.Metadata)
	if err == nil && len(obj.IV) > 0 && len(x.iv) > 0 {
		return bytes.Equal(obj.IV, x.iv)
	}
	return etag != "" && info.ETag == etag
}

// isOurs looks whether the object at key is the version x.
func (v *Volume) isOurs(ctx context.Context, x *version, key string) (bool, error) {
	_, ours, err := v.find(ctx, x, key)
	return ours, err
}

// removeObject deletes first the sidecar, then the object, if they are still
// those of ver: what another machine has saved there meanwhile stays. changed, if
// there is one, is shown a sidecar of ver that another machine has put again,
// before it goes.
func (v *Volume) removeObject(ctx context.Context, ver *version, key string, changed func(*foundSidecar) error) error {
	bare := ver.hasSidecar() && ver.sidecar().none()
	_, etag := ver.place()
	for range maxLooks {
		if etag != "" {
			err := v.removePinned(ctx, ver, key, etag, changed)
			if !errors.Is(err, store.ErrPrecondition) {
				return errors.Join(err, v.removeLate(ctx, ver, key, bare && err == nil))
			}
		}
		// Copied onto itself by somebody, perhaps.
		info, ours, err := v.find(ctx, ver, key)
		over := ver.instead()
		switch {
		case err != nil:
			return err
		case !ours && over != nil: // it has not arrived, and never will
			return v.removeObject(ctx, over, key, changed)
		case !ours:
			return nil
		}
		etag = info.ETag
		if len(ver.iv) == 0 {
			ver = identified(ver, info)
		}
	}
	return fmt.Errorf("delete %s: %w", key, errKeepsChanging)
}

// identified is a version that was only listed, with the IV that its object states.
func identified(ver *version, info store.Info) *version {
	obj, err := statedBy(info.Metadata)
	if err != nil || len(obj.IV) == 0 {
		return ver
	}
	return &version{iv: obj.IV, key: info.Key, etag: info.ETag, side: ver.sidecar()}
}

// removePinned deletes the sidecar of ver and the object with that ETag.
// ErrPrecondition: another object stands there now.
func (v *Volume) removePinned(ctx context.Context, ver *version, key, etag string, changed func(*foundSidecar) error) error {
	if side := ver.sidecar().etag; side != "" || ver.hasSidecar() {
		if err := v.deleteSidecar(ctx, ver, key, side, changed); err != nil {
			return err
		}
		ver.setSidecar(sideInfo{})
	}
	err := v.store.Delete(ctx, key, store.Condition{IfMatch: etag})
	if err == nil || errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("delete %s: %w", key, err)
}

// removeLate looks once more for the sidecar of an object that had none when it
// was removed: the machine that made it may have been between its two steps,
// and looks after its object only when it is late itself.
func (v *Volume) removeLate(ctx context.Context, ver *version, key string, wanted bool) error {
	if !wanted {
		return nil
	}
	select {
	case <-time.After(late + late/2):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return v.deleteSidecar(ctx, ver, key, "", nil)
}

// deleteSidecar deletes the sidecar if it is ver's: by its ETag, if one is
// known, else by its IV.
func (v *Volume) deleteSidecar(ctx context.Context, ver *version, key, etag string, changed func(*foundSidecar) error) error {
	for range maxLooks {
		if etag != "" {
			err := v.store.Delete(ctx, sidecar.Name(key), store.Condition{IfMatch: etag})
			if err == nil || errors.Is(err, store.ErrNotExist) {
				return nil
			}
			if !errors.Is(err, store.ErrPrecondition) {
				return fmt.Errorf("delete sidecar of %s: %w", key, err)
			}
		}
		there, err := v.lookSidecar(ctx, key)
		if err != nil || there == nil {
			return err
		}
		iv := ver.iv
		if len(iv) == 0 {
			if iv, err = v.listedIV(ctx, ver, key); err != nil {
				return err
			}
		}
		if doc, err := sidecar.Parse(there.text); err != nil || !bytes.Equal(doc.IV, iv) {
			return nil // another version's
		}
		if changed != nil {
			if err := changed(there); err != nil {
				return err
			}
		}
		etag = there.info.etag
	}
	return fmt.Errorf("delete sidecar of %s: %w", key, errKeepsChanging)
}

// listedIV is the IV that the object of a version states of which a listing
// gave the ETag alone; nil if that object is not there any more.
func (v *Volume) listedIV(ctx context.Context, ver *version, key string) ([]byte, error) {
	info, ours, err := v.find(ctx, ver, key)
	if err != nil || !ours {
		return nil, err
	}
	obj, err := statedBy(info.Metadata)
	if err != nil {
		return nil, nil
	}
	return obj.IV, nil
}
