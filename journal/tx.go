package journal

import (
	"encoding/json"
	"fmt"
)

// Tx is one transaction.
type Tx struct {
	j   *Journal
	ops []op
}

// PutEntry adds an entry, or replaces the one of the same id.
func (t *Tx) PutEntry(e Entry) error {
	v, err := encodeEntry(e)
	if err != nil {
		return fmt.Errorf("journal entry %s: %w", e.ID, err)
	}
	return t.put(bucketEntries, string(e.ID[:]), v)
}

// DeleteEntry deletes an entry. It is no error if there is none.
func (t *Tx) DeleteEntry(id ID) error { return t.delete(bucketEntries, string(id[:])) }

// AddChange appends to the queue and returns the number that it assigned.
func (t *Tx) AddChange(c Change) (uint64, error) {
	c.Seq = t.j.Number()
	return c.Seq, t.PutChange(c)
}

// PutChange replaces the change with the same Seq, or adds one under a number of Number's.
func (t *Tx) PutChange(c Change) error {
	if !t.j.drawn(c.Seq) {
		return fmt.Errorf("journal change %d: no such number was assigned", c.Seq)
	}
	v, err := encodeChange(c)
	if err != nil {
		return fmt.Errorf("journal change %d: %w", c.Seq, err)
	}
	return t.put(bucketChanges, changeKey(c.Seq), v)
}

// DeleteChange deletes a change. It is no error if there is none.
func (t *Tx) DeleteChange(seq uint64) error { return t.delete(bucketChanges, changeKey(seq)) }

// PutUpload adds an upload, or replaces the one of the same id.
func (t *Tx) PutUpload(u Upload) error {
	v, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("journal upload %s: %w", u.ID, err)
	}
	return t.put(bucketUploads, uploadKey(u.ID), v)
}

// DeleteUpload deletes an upload that was completed or aborted. It is no error if there is
// none.
func (t *Tx) DeleteUpload(id string) error { return t.delete(bucketUploads, uploadKey(id)) }

// PutSetting stores a value by name; nil deletes it.
func (t *Tx) PutSetting(name string, v []byte) error {
	if v == nil {
		return t.delete(bucketSettings, name)
	}
	return t.put(bucketSettings, name, append([]byte{}, v...))
}

func (t *Tx) put(bucket byte, key string, value []byte) error {
	if len(key) > maxKey || len(value) > maxValue {
		return fmt.Errorf("journal %s: a key of %d bytes with a value of %d is too long", bucketNames[bucket], len(key), len(value))
	}
	t.ops = append(t.ops, op{opPut, bucket, key, value})
	return nil
}

func (t *Tx) delete(bucket byte, key string) error {
	t.ops = append(t.ops, op{kind: opDelete, bucket: bucket, key: key})
	return nil
}
