package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

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

func changeKey(seq uint64) string { return string(binary.BigEndian.AppendUint64(nil, seq)) }

// uploadKey is the upload's id, or the hash of one that is too long for a key.
func uploadKey(id string) string {
	if len(id) <= maxKey/2 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// encodeEntry returns the stored form of an entry. It refuses a path that is not UTF-8,
// which JSON would change.
func encodeEntry(e Entry) ([]byte, error) {
	if err := checkUTF8(e.Path, e.KeyID); err != nil {
		return nil, err
	}
	return json.Marshal(e)
}

func encodeChange(c Change) ([]byte, error) {
	if err := checkUTF8(c.Path, c.To); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

var errKey = errors.New("value stands under another key")

func decodeEntry(k string, v []byte) (e Entry, err error) {
	if err := json.Unmarshal(v, &e); err != nil {
		return Entry{}, err
	}
	if k != string(e.ID[:]) {
		return Entry{}, errKey
	}
	return e, nil
}

func decodeChange(k string, v []byte) (c Change, err error) {
	if err := json.Unmarshal(v, &c); err != nil {
		return Change{}, err
	}
	if k != changeKey(c.Seq) {
		return Change{}, errKey
	}
	return c, nil
}

func decodeUpload(k string, v []byte) (u Upload, err error) {
	if err := json.Unmarshal(v, &u); err != nil {
		return Upload{}, err
	}
	if k != uploadKey(u.ID) || u.Key == "" {
		return Upload{}, errKey
	}
	return u, nil
}

func checkUTF8(list ...string) error {
	for _, s := range list {
		if !utf8.ValidString(s) {
			return fmt.Errorf("%q is not UTF-8", s)
		}
	}
	return nil
}
