package remote

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mcfs/crypt"
)

// FuzzRecord: a description out of the metadata cache, or the journal, is described as it was read.
func FuzzRecord(f *testing.F) {
	a := attr(0o640)
	a.Xattr = map[string][]byte{"user.a": {0}}
	some := NewVersion(Content{Mode: crypt.CTR, IV: []byte("0123456789abcdef"), MAC: "mac", Plain: 5, Cipher: 5}, State{
		Key: "d/a", ETag: `"e"`, Check: "check", Wrapped: []byte("wrapped"), KeyID: "arn:aws:kms:eu-west-1:111122223333:key/k",
		Modified: time.Unix(7, 8).UTC(), Attr: a, Sidecar: Sidecar{ETag: `"s"`, Size: 300, Modified: time.Unix(7, 8).UTC()},
		Fallback: Listed(Listing{Key: "d/a", ETag: `"o"`, Size: 9}),
	})
	text, err := json.Marshal(some.Record())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	some.SetSidecar(Sidecar{Itself: &a})
	if text, err = json.Marshal(some.Record()); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"mode":"XTS"}`))
	f.Add([]byte(`{"mode":"GCM","plain":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r *Record
		if json.Unmarshal(text, &r) != nil {
			return
		}
		x, err := r.Version()
		if err != nil || x == nil {
			return
		}
		again := x.Record()
		again.Body = r.Body // in the metadata cache only
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Record{}, "Over")); diff != "" {
			t.Fatal(diff)
		}
	})
}
