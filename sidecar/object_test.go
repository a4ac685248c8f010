package sidecar

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func exampleObject() Object {
	return Object{Mode: "GCM", Key: []byte("sixteen bytes ok"), KeyID: "local:0123", IV: []byte("0123456789ab"), Check: "Y2hlY2s="}
}

func TestObjectKeysAndValues(t *testing.T) {
	want := map[string]string{
		"mcfs": "1", "mcfs-mode": "GCM", "mcfs-key": key24, "mcfs-key-id": "local:0123", "mcfs-iv": iv16, "mcfs-check": "Y2hlY2s=",
	}
	if diff := cmp.Diff(want, exampleObject().Encode()); diff != "" {
		t.Error(diff)
	}
}

func TestObjectRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		o := Object{
			Mode: strings.TrimPrefix(s.Mode, "AES_"), Key: s.Key, IV: s.IV,
			KeyID: rapid.StringMatching(`[!-~]{0,160}`).Draw(t, "key id"),
			Check: rapid.StringMatching(`[A-Za-z0-9+/]{1,64}`).Draw(t, "check"),
		}
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		enc := o.Encode()
		if n := metadataSize(enc); n > objectRoom {
			t.Fatalf("%d bytes; room is kept for %d", n, objectRoom)
		}
		back, ok, err := ParseObject(enc)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if diff := cmp.Diff(o, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestParseObjectOfAForeignObject(t *testing.T) {
	for _, meta := range []map[string]string{nil, {}, {"mcfs-iv": iv16, "mode": "33188"}} {
		o, ok, err := ParseObject(meta)
		if ok || err != nil || !cmp.Equal(o, Object{}) {
			t.Errorf("%v: %+v, %v, %v", meta, o, ok, err)
		}
	}
}

func TestParseObjectRefuses(t *testing.T) {
	for key, bad := range map[string][]string{
		"mcfs":        {"", "0", "2", "1 "},
		"mcfs-mode":   {"", "AES_GCM", "gcm", "CBC" /* with an IV of 12 bytes */},
		"mcfs-key":    {"", "c2l4dGVlbg==", "c2l4dGVlbiBieXRlcyBvaw", "c2l4dGVlbiBi\neXRlcyBvaw==", strings.Repeat("AAAA", 129)},
		"mcfs-iv":     {"", "MDEyMzQ1", iv16 + "\n"},
		"mcfs-check":  {"", "é"},
		"mcfs-key-id": {"é", " x"},
	} {
		for _, value := range bad {
			meta := exampleObject().Encode()
			meta[key] = value
			o, ok, err := ParseObject(meta)
			if err == nil || !ok || !cmp.Equal(o, Object{}) {
				t.Errorf("%s=%q: %+v, %v, %v", key, value, o, ok, err)
			}
		}
	}
	meta := exampleObject().Encode()
	meta["mcfs-key-id"] = strings.Repeat("k", MaxMetadata)
	if _, _, err := ParseObject(meta); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a key id of 2 KiB: %v", err)
	}
}

// TestParseObjectIncomplete: what is missing is told from what is malformed, and what is there is given.
func TestParseObjectIncomplete(t *testing.T) {
	for _, key := range []string{"mcfs-mode", "mcfs-key", "mcfs-iv", "mcfs-check"} {
		meta := exampleObject().Encode()
		delete(meta, key)
		o, ok, err := ParseObject(meta)
		if !errors.Is(err, ErrIncomplete) || !ok || !strings.Contains(err.Error(), key) {
			t.Errorf("without %s: %v, %v", key, ok, err)
		}
		there := map[string]bool{"mcfs-mode": o.Mode != "", "mcfs-key": len(o.Key) > 0, "mcfs-iv": len(o.IV) > 0, "mcfs-check": o.Check != ""}
		for k, has := range there {
			if has != (k != key) {
				t.Errorf("without %s: %s is there: %v", key, k, has)
			}
		}
		meta["mcfs-iv"] = "?"
		if _, _, err := ParseObject(meta); err == nil || errors.Is(err, ErrIncomplete) {
			t.Errorf("malformed, without %s: %v", key, err)
		}
	}
	meta := exampleObject().Encode()
	delete(meta, "mcfs-key-id")
	if _, _, err := ParseObject(meta); err != nil {
		t.Errorf("without a key id: %v", err)
	}
}

func FuzzParseObject(f *testing.F) {
	seeds := [][6]string{
		{"1", "GCM", key24, "local:0123", iv16, "Y2hlY2s="},
		{"1", "CTR", key24, "", iv24, "c"},
		{"1", "CBC", key24, "arn:aws:kms:us-west-2:1:key/k", iv24, "c"},
		{"1", "CBC", key24, "", iv16, "c"},
		{"2", "", "", "", "", ""},
		{"1", "GCM", "====", "\n", "!", "é"},
	}
	if len(seeds) < 5 {
		f.Fatal("too few seeds")
	}
	for _, s := range seeds {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5])
	}
	f.Fuzz(func(t *testing.T, version, mode, key, id, iv, check string) {
		meta := map[string]string{KeyVersion: version, KeyMode: mode, KeyKey: key, KeyIV: iv, KeyCheck: check}
		if id != "" {
			meta[KeyKeyID] = id
		}
		o, ok, err := ParseObject(meta)
		if !ok {
			t.Fatal("not recognised as ours")
		}
		if err != nil {
			return
		}
		// One object has one spelling.
		if diff := cmp.Diff(meta, o.Encode()); diff != "" {
			t.Fatal(diff)
		}
		if bytes.Equal(o.Key, nil) || len(o.IV) < 12 {
			t.Fatalf("accepted %+v", o)
		}
	})
}
