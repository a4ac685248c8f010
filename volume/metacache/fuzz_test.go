package metacache

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// FuzzValue gives each value the checksum that it needs to be looked at: what is
// understood is written again as it was meant.
func FuzzValue(f *testing.F) {
	const key = "d\x00a"
	for _, s := range []Stamp{
		{ETag: `"e"`, Size: 5, Sidecar: `"s"`, Modified: time.Unix(1e9, 0), Slack: time.Second},
		{},
	} {
		f.Add(encode(key, s, []byte("description"))[4:])
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		value := append(binary.BigEndian.AppendUint32(nil, sum(key, b)), b...)
		s, description, err := decode(key, value)
		if err != nil {
			return
		}
		s2, description2, err := decode(key, encode(key, s, description))
		if err != nil || !bytes.Equal(description, description2) || s2.ETag != s.ETag || s2.Size != s.Size ||
			s2.Sidecar != s.Sidecar || s2.Slack != s.Slack || !s2.Modified.Equal(s.Modified) {
			t.Fatalf("%+v came back as %+v, %v", s, s2, err)
		}
		value[len(value)-1] ^= 1
		if _, _, err := decode(key, value); err == nil {
			t.Fatal("damage is not found")
		}
	})
}
