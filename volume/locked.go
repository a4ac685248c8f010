package volume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mcfs/keys"
	"mcfs/spool"
	"mcfs/volume/file"
)

// A mount may have another keeper than the one that wrapped what it finds: another
// keyring, another KMS key, by mistake or on purpose. What it cannot open the right keeper
// opens, so nothing is given up for want of a key: it waits, and status says for whom.

// lockedError says for which keeper.
type lockedError struct {
	keyID string // what wrapped the key
	cause error
}

func (e *lockedError) Error() string {
	return fmt.Sprintf("it waits for a mount with the keyring or KMS key that wrapped its data key, %s (keys.path, keys.key_id): %v", e.keyID, e.cause)
}

func (e *lockedError) Is(target error) bool { return target == file.ErrLocked }
func (e *lockedError) Unwrap() error        { return e.cause }

// unwrap is the one way from a wrapped key to the key, which the caller wipes.
func (v *Volume) unwrap(ctx context.Context, wrapped []byte, keyID string) ([]byte, error) {
	key, err := v.keeper.Unwrap(ctx, wrapped, keyID)
	if errors.Is(err, keys.ErrMalformed) { // damaged, perhaps; who is not sure waits
		return nil, &lockedError{keyID, err}
	}
	return key, err
}

// logLocked logs, once for each keeper that is missing, that files wait for it.
func (v *Volume) logLocked(path string, err error) {
	e, ok := errors.AsType[*lockedError](err)
	if !ok {
		return
	}
	v.mu.Lock()
	logged := v.lockedBy[e.keyID]
	v.lockedBy[e.keyID] = true
	v.mu.Unlock()
	if !logged {
		v.log.Error("files in the spool wait for another keeper: unmount, and mount with the keyring or KMS key that wrapped their keys (keys.path, keys.key_id); they go on by themselves",
			"key_id", e.keyID, "first", path, "cause", e.cause)
	}
}

// findLocked marks the recovered drafts that nothing is going to open soon, and that this
// keeper cannot open, so that status shows them.
func (v *Volume) findLocked(drafts []*recoveredDraft) {
	judged := make(map[string]error) // by key id: one question tells
	for _, k := range drafts {
		if k.node == nil {
			continue
		}
		e := k.node.content.Dormant()
		if e == nil || e.KeyID == v.keeper.KeyID() {
			continue
		}
		err, known := judged[e.KeyID]
		if !known {
			err = v.tryKey(e)
			judged[e.KeyID] = err
		}
		if errors.Is(err, file.ErrLocked) {
			k.node.content.NoteNoKeeper(e, err)
			v.logLocked(e.Path, err)
		}
	}
}

// tryKey unwraps an entry's key and forgets it.
func (v *Volume) tryKey(e *spool.Entry) error {
	ctx, cancel := context.WithTimeout(v.ctx, requestTimeout)
	defer cancel()
	key, err := v.unwrap(ctx, e.Wrapped, e.KeyID)
	clear(key)
	return err
}

// noteUnopened has status show such a file; nil: it has been opened.
func (v *Volume) noteUnopened(id spool.ID, cause error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if cause == nil {
		delete(v.unopened, id)
		return
	}
	v.unopened[id] = cause.Error()
}

// unopenedStatus lists them; v.mu is held.
func (v *Volume) unopenedStatus() []Unopened {
	list := make([]Unopened, 0, len(v.unopened))
	for _, id := range slices.SortedFunc(maps.Keys(v.unopened), func(a, b spool.ID) int { return strings.Compare(a.String(), b.String()) }) {
		list = append(list, Unopened{ID: id, Cause: v.unopened[id]})
	}
	return list
}

// lockedLeft names what a sync leaves waiting for another keeper; nil: nothing.
func (v *Volume) lockedLeft(nodes []*Node) error {
	if len(nodes) == 0 {
		return nil
	}
	const most = 3
	v.mu.Lock()
	var names []string
	for _, n := range nodes[:min(most, len(nodes))] {
		names = append(names, v.path(n))
	}
	v.mu.Unlock()
	nodes[0].content.Lock()
	cause := nodes[0].content.Failure
	nodes[0].content.Unlock()
	if more := len(nodes) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%s: %w", strings.Join(names, ", "), cause)
}
