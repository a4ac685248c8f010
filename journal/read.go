package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Entries returns all entries, in no particular order. A value that does not parse is moved
// to a bucket of its own, logged, and left out.
func (j *Journal) Entries() ([]Entry, error) { return readAll(j, bucketEntries, decodeEntry) }

// Changes returns all changes, in order of Seq. A value that does not parse is moved to a
// bucket of its own, logged, and left out.
func (j *Journal) Changes() ([]Change, error) { return readAll(j, bucketChanges, decodeChange) }

// Uploads returns all uploads, in no particular order. A value that does not parse is moved
// to a bucket of its own, logged, and left out.
func (j *Journal) Uploads() ([]Upload, error) { return readAll(j, bucketUploads, decodeUpload) }

// Look returns one entry as the disk has it. It waits for nothing, so that it can be called
// with locks held that a transaction may need.
func (j *Journal) Look(id ID) (e Entry, ok bool) {
	v, ok := j.state.get(bucketEntries, string(id[:]))
	if !ok {
		return Entry{}, false
	}
	e, err := decodeEntry(string(id[:]), v)
	return e, err == nil
}

func readAll[T any](j *Journal, bucket byte, decode func(k string, v []byte) (T, error)) ([]T, error) {
	if err := j.Flush(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	var bad []op
	list := decodeAll(j.state, bucket, decode, func(k string, v []byte, err error) {
		j.slog.Error("a journal value does not parse: set aside", "bucket", bucketNames[bucket], "key", fmt.Sprintf("%x", k), "err", err)
		bad = append(bad, aside(bucket, k, v)...)
	})
	if len(bad) > 0 {
		if err := j.Update(func(t *Tx) error { t.ops = bad; return nil }); err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
	}
	return list, nil
}

// decodeAll decodes a bucket, in order of the keys.
func decodeAll[T any](s *state, bucket byte, decode func(k string, v []byte) (T, error), bad func(k string, v []byte, err error)) (list []T) {
	for _, k := range s.keys(bucket) {
		v, ok := s.get(bucket, k)
		if !ok {
			continue // deleted meanwhile
		}
		x, err := decode(k, v)
		if err != nil {
			bad(k, v, err)
			continue
		}
		list = append(list, x)
	}
	return list
}

// Setting returns a copy of a value by name; nil if there is none.
func (j *Journal) Setting(name string) ([]byte, error) {
	if err := j.Flush(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	v, _ := j.state.get(bucketSettings, name)
	return slices.Clone(v), nil
}

// Unreadable returns the sealed files whose entries were set aside since the last Recovered,
// as far as keys and values still tell their ids. others is true if one does not tell, so
// that there may be more.
func (j *Journal) Unreadable() (ids map[ID]bool, others bool, err error) {
	if err := j.Flush(); err != nil {
		return nil, false, fmt.Errorf("read journal: %w", err)
	}
	ids = make(map[ID]bool)
	for _, k := range j.state.unsettled() {
		v, _ := j.state.get(bucketUnreadable, k)
		key := k[len(asideEntries):]
		if len(key) != len(ID{}) {
			others = true
			continue
		}
		ids[ID([]byte(key))] = true
		var says struct {
			ID ID `json:"id"`
		}
		if json.Unmarshal(v, &says) == nil {
			ids[says.ID] = true
		}
	}
	return ids, others, nil
}

// settingRebuilt is set from the loss of a journal until everything is brought back. After
// a crash in between, files that the new journal does not know must not be deleted.
const settingRebuilt = "rebuilt"

// Rebuilt reports whether the journal, or a part of it, was lost since the last call of
// Recovered, by this process or an earlier one.
func (j *Journal) Rebuilt() bool {
	_, ok := j.state.get(bucketSettings, settingRebuilt)
	return ok
}

// Recovered records that the caller has dealt with everything that was lost: then Rebuilt
// is false and Unreadable empty.
func (j *Journal) Recovered() error {
	if err := j.Flush(); err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	settled := j.state.unsettled()
	if !j.Rebuilt() && len(settled) == 0 {
		return nil
	}
	return j.Update(func(t *Tx) error {
		err := t.PutSetting(settingRebuilt, nil)
		for _, k := range settled {
			v, ok := j.state.get(bucketUnreadable, k)
			if !ok {
				continue
			}
			err = errors.Join(err, t.put(bucketUnreadable, settledEntries+k, v), t.delete(bucketUnreadable, k))
		}
		return err
	})
}
