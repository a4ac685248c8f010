package metacache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Stamp is the state of an object and its sidecar, as a listing shows it.
type Stamp struct {
	ETag    string // of the object
	Size    int64  // of the object, bytes
	Sidecar string // ETag of the sidecar; empty if there is none
	// Modified is when the object was last modified, to the second. The zero
	// time in a stamp that is kept means that the ETags say everything.
	Modified time.Time
	// Slack, in a stamp that is kept, is for one who has just put the object and
	// knows only about when: a listing may show a time that much later, or any
	// earlier one (some stores do not change it when a marker is put again).
	Slack time.Duration
}

// describes says whether what was kept under s holds for what a listing says now.
func (s Stamp) describes(now Stamp) bool {
	if s.ETag == "" || s.ETag != now.ETag || s.Size != now.Size || s.Sidecar != now.Sidecar {
		return false
	}
	switch later := time.Duration(now.Modified.Unix()-s.Modified.Unix()) * time.Second; {
	case s.Modified.IsZero():
		return true
	case s.Slack > 0:
		return later <= s.Slack
	default:
		return later == 0
	}
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errValue   = errors.New("value is damaged")
)

// encode is a value at rest: CRC-32C of key and all that follows; the stamp;
// the description.
func encode(key string, s Stamp, description []byte) []byte {
	b := make([]byte, 4, 64+len(s.ETag)+len(s.Sidecar)+len(description))
	for _, text := range []string{s.ETag, s.Sidecar} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	var seconds int64
	if !s.Modified.IsZero() {
		seconds = s.Modified.Unix()
	}
	for _, n := range []int64{s.Size, seconds, int64(s.Slack)} {
		b = binary.AppendVarint(b, n)
	}
	b = append(b, description...)
	binary.BigEndian.PutUint32(b, sum(key, b[4:]))
	return b
}

func sum(key string, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, b)
}

// decode is the inverse of encode. The description shares memory with value.
func decode(key string, value []byte) (s Stamp, description []byte, err error) {
	if len(value) < 4 || binary.BigEndian.Uint32(value) != sum(key, value[4:]) {
		return Stamp{}, nil, errValue
	}
	b := value[4:]
	for _, text := range []*string{&s.ETag, &s.Sidecar} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return Stamp{}, nil, errValue
		}
		*text, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	var seconds, slack int64
	for _, to := range []*int64{&s.Size, &seconds, &slack} {
		n, size := binary.Varint(b)
		if size <= 0 {
			return Stamp{}, nil, errValue
		}
		*to, b = n, b[size:]
	}
	if seconds != 0 {
		s.Modified = time.Unix(seconds, 0)
	}
	s.Slack = time.Duration(slack)
	return s, b, nil
}
