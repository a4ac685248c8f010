package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"mcfs/sidecar"
)

// Entry is what the journal has of a sealed file.
type Entry struct {
	ID      ID           `json:"id"`
	Path    string       `json:"path"` // in the volume, no leading slash
	State   string       `json:"state"`
	Wrapped []byte       `json:"wrapped"` // sealing data key
	KeyID   string       `json:"key_id"`
	Size    int64        `json:"size"`
	Attr    sidecar.Attr `json:"attr"`
	Updated time.Time    `json:"updated"`
	Reason  string       `json:"reason,omitempty"` // of the last failure, for people
	Data    []byte       `json:"data,omitempty"`   // the volume's own, opaque here
}

// Change is one queued change of names.
type Change struct {
	Seq  uint64 `json:"seq"` // drawn by Number or AddChange, ascending, never used again
	Op   string `json:"op"`
	Path string `json:"path"`
	To   string `json:"to,omitempty"`
	Data []byte `json:"data,omitempty"` // the volume's own, opaque here
}

// Upload is a multipart upload that was begun and must not be left behind.
type Upload struct {
	ID  string `json:"id"` // the store's
	Key string `json:"key"`
	// Since and Until bound, by the store's clock, when the upload was begun. They are set as
	// long as the store's answer is missing, and ID is made up then.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// The buckets. Entries and uploads are found by id, changes by sequence number
// (8 bytes, big endian: bbolt's order is theirs), unreadable values by bucket,
// slash, key.
var (
	bucketUploads    = []byte("uploads")
	bucketEntries    = []byte("entries")
	bucketChanges    = []byte("changes")
	bucketSettings   = []byte("settings")
	bucketUnreadable = []byte("unreadable")

	setAsideEntries = []byte("entries/") // what the keys of unreadable entries begin with
)

// Tx is one transaction.
type Tx struct {
	tx *bolt.Tx
	j  *Journal
}

// PutEntry adds an entry, or replaces the one of the same id.
func (t *Tx) PutEntry(e Entry) error {
	v, err := encodeEntry(e)
	if err != nil {
		return fmt.Errorf("journal entry %s: %w", e.ID, err)
	}
	return t.put(bucketEntries, e.ID[:], v)
}

// DeleteEntry deletes an entry. It is no error if there is none.
func (t *Tx) DeleteEntry(id ID) error { return t.put(bucketEntries, id[:], nil) }

// AddChange appends to the queue and returns the number that it assigned.
func (t *Tx) AddChange(c Change) (uint64, error) {
	c.Seq = t.j.Number()
	return c.Seq, t.PutChange(c)
}

// PutChange replaces the change with the same Seq, or adds one under a number of Number's.
func (t *Tx) PutChange(c Change) error {
	b := t.tx.Bucket(bucketChanges)
	t.j.mu.Lock()
	drawn := c.Seq > 0 && c.Seq <= t.j.number
	t.j.mu.Unlock()
	if !drawn {
		return fmt.Errorf("journal change %d: no such number was assigned", c.Seq)
	}
	if c.Seq > b.Sequence() {
		if err := b.SetSequence(c.Seq); err != nil { // the next mount goes on from here
			return fmt.Errorf("journal change %d: %w", c.Seq, err)
		}
	}
	v, err := encodeChange(c)
	if err != nil {
		return fmt.Errorf("journal change %d: %w", c.Seq, err)
	}
	return t.put(bucketChanges, changeKey(c.Seq), v)
}

// DeleteChange deletes a change. It is no error if there is none.
func (t *Tx) DeleteChange(seq uint64) error {
	return t.put(bucketChanges, changeKey(seq), nil)
}

// PutUpload adds an upload, or replaces the one of the same id.
func (t *Tx) PutUpload(u Upload) error {
	v, err := encodeValue([]byte(u.ID), u)
	if err != nil {
		return fmt.Errorf("journal upload %s: %w", u.ID, err)
	}
	return t.put(bucketUploads, []byte(u.ID), v)
}

// DeleteUpload deletes an upload that was completed or aborted. It is no error if there is
// none.
func (t *Tx) DeleteUpload(id string) error { return t.put(bucketUploads, []byte(id), nil) }

// PutSetting stores a value by name; nil deletes it.
func (t *Tx) PutSetting(name string, v []byte) error {
	b := t.tx.Bucket(bucketSettings)
	if v == nil {
		return b.Delete([]byte(name))
	}
	return b.Put([]byte(name), v)
}

func changeKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// A value is a byte for its format, a CRC-32C of key and JSON, and the JSON. bbolt has no
// checksum over its values, and one flipped bit could make another path or size of it.
const (
	valueFormat = 1
	valueHead   = 1 + 4
)

func valueSum(key, text []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, text)
}

// encodeValue returns the stored form of a value.
func encodeValue(key []byte, x any) ([]byte, error) {
	text, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	v := append(make([]byte, 0, valueHead+len(text)), valueFormat)
	return append(binary.BigEndian.AppendUint32(v, valueSum(key, text)), text...), nil
}

var errValue = errors.New("value does not match its checksum")

// decodeValue is the inverse of encodeValue.
func decodeValue(key, v []byte, x any) error {
	if len(v) < valueHead || v[0] != valueFormat || binary.BigEndian.Uint32(v[1:]) != valueSum(key, v[valueHead:]) {
		return errValue
	}
	return json.Unmarshal(v[valueHead:], x)
}

// encodeEntry returns the stored form of an entry. It refuses a path that is not UTF-8,
// which JSON would change.
func encodeEntry(e Entry) ([]byte, error) {
	if err := checkUTF8(e.Path, e.KeyID); err != nil {
		return nil, err
	}
	return encodeValue(e.ID[:], e)
}

func encodeChange(c Change) ([]byte, error) {
	if err := checkUTF8(c.Path, c.To); err != nil {
		return nil, err
	}
	return encodeValue(changeKey(c.Seq), c)
}

var errKey = errors.New("value stands under another key")

func decodeEntry(k, v []byte) (e Entry, err error) {
	if err := decodeValue(k, v, &e); err != nil {
		return Entry{}, err
	}
	if string(k) != string(e.ID[:]) {
		return Entry{}, errKey
	}
	return e, nil
}

func decodeChange(k, v []byte) (c Change, err error) {
	if err := decodeValue(k, v, &c); err != nil {
		return Change{}, err
	}
	if string(k) != string(changeKey(c.Seq)) {
		return Change{}, errKey
	}
	return c, nil
}

// Entries returns all entries, in no particular order. A value that does not parse is moved
// to a bucket of its own, logged, and left out.
func (j *Journal) Entries() ([]Entry, error) { return readAll(j, bucketEntries, decodeEntry) }

// Changes returns all changes, in order of Seq. A value that does not parse is moved to a
// bucket of its own, logged, and left out.
func (j *Journal) Changes() ([]Change, error) { return readAll(j, bucketChanges, decodeChange) }

// Uploads returns all uploads, in no particular order. A value that does not parse is moved
// to a bucket of its own, logged, and left out.
func (j *Journal) Uploads() ([]Upload, error) { return readAll(j, bucketUploads, decodeUpload) }

func decodeUpload(k, v []byte) (u Upload, err error) {
	if err := decodeValue(k, v, &u); err != nil {
		return u, err
	}
	if u.ID != string(k) || u.Key == "" {
		return u, errors.New("it is not the upload of its key")
	}
	return u, nil
}

// look returns one entry as the disk has it. It waits for nothing, so that it can be called
// with locks held that a transaction may need.
func (j *Journal) look(id ID) (e Entry, ok bool) {
	if j == nil {
		return Entry{}, false
	}
	err := guard(func() error {
		return j.db.View(func(tx *bolt.Tx) error {
			v := tx.Bucket(bucketEntries).Get(id[:])
			if v == nil {
				return errors.New("there is none")
			}
			var err error
			e, err = decodeEntry(id[:], v)
			return err
		})
	})
	if err != nil {
		return Entry{}, false
	}
	return e, true
}

func readAll[T any](j *Journal, bucket []byte, decode func(k, v []byte) (T, error)) ([]T, error) {
	if err := j.Flush(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	var list []T
	var bad [][]byte
	err := guard(func() error {
		return j.db.View(func(tx *bolt.Tx) error {
			return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
				x, err := decode(k, v)
				if err != nil {
					j.log.Error("a journal value does not parse: set aside", "bucket", string(bucket), "key", fmt.Sprintf("%x", k), "err", err)
					bad = append(bad, slices.Clone(k))
					return nil
				}
				list = append(list, x)
				return nil
			})
		})
	})
	if err == nil && len(bad) > 0 {
		err = j.Update(func(t *Tx) error { return setAside(t, bucket, bad) })
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return list, nil
}

// setAside moves values to the bucket of unreadable ones.
func setAside(t *Tx, bucket []byte, keys [][]byte) error {
	from, to := t.tx.Bucket(bucket), t.tx.Bucket(bucketUnreadable)
	for _, k := range keys {
		name := slices.Concat(bucket, []byte("/"), k)
		if len(name) > bolt.MaxKeySize {
			sum := sha256.Sum256(k)
			name = slices.Concat(bucket, []byte("/"), sum[:])
		}
		if err := to.Put(name, slices.Clone(from.Get(k))); err != nil {
			return err
		}
		if err := t.put(bucket, k, nil); err != nil {
			return err
		}
	}
	return nil
}

// Unreadable returns the sealed files whose entries were set aside since the last Recovered,
// as far as keys and values still tell their ids. others is true if one does not tell, so
// that there may be more.
func (j *Journal) Unreadable() (ids map[ID]bool, others bool, err error) {
	ids = make(map[ID]bool)
	err = guard(func() error {
		return j.db.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketUnreadable).Cursor()
			for k, v := c.Seek(setAsideEntries); bytes.HasPrefix(k, setAsideEntries); k, v = c.Next() {
				key := k[len(setAsideEntries):]
				if len(key) != len(ID{}) || len(v) < valueHead || v[0] != valueFormat {
					others = true // the page says wrongly where they are
					continue
				}
				ids[ID(key)] = true
				var says struct {
					ID ID `json:"id"`
				}
				if json.Unmarshal(v[valueHead:], &says) == nil {
					ids[says.ID] = true
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, false, fmt.Errorf("read journal: %w", err)
	}
	return ids, others, nil
}

// settleUnreadable renames the entries that were set aside, so that Unreadable does not
// return them any more.
func (t *Tx) settleUnreadable() error {
	b := t.tx.Bucket(bucketUnreadable)
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(setAsideEntries); bytes.HasPrefix(k, setAsideEntries); k, _ = c.Next() {
		keys = append(keys, slices.Clone(k))
	}
	for _, k := range keys {
		if err := errors.Join(b.Put(slices.Concat([]byte("settled/"), k), slices.Clone(b.Get(k))), b.Delete(k)); err != nil {
			return err
		}
	}
	return nil
}

// Setting returns a copy of a value by name; nil if there is none.
func (j *Journal) Setting(name string) (v []byte, err error) {
	if err := j.Flush(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	err = guard(func() error {
		return j.db.View(func(tx *bolt.Tx) error {
			v = slices.Clone(tx.Bucket(bucketSettings).Get([]byte(name)))
			return nil
		})
	})
	return v, err
}

func checkUTF8(list ...string) error {
	for _, s := range list {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%q is not UTF-8", s)
		}
	}
	return nil
}
