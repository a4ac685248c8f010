package sidecar

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMetaKeysAndValues(t *testing.T) {
	m := Meta{
		ETag: `"9b2cf535f27731c974343645a3985328-3"`, Size: 1 << 40, MAC: "bWFj", KeyID: "arn:aws:kms:us-west-2:111122223333:key/k",
		Attr: Attr{Mtime: time.Unix(1700000000, 5), Mode: 0o100644, UID: 1000, GID: 100, Xattr: map[string][]byte{"user.a": []byte("b")}},
	}
	got, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"mcfs-etag": m.ETag, "mcfs-size": "1099511627776", "mcfs-mac": "bWFj", "mcfs-key-id": m.KeyID,
		"mtime": "1700000000.000000005", "mode": "33188", "uid": "1000", "gid": "100", "mcfs-xattr": "BnVzZXIuYQFi",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func drawMeta(t *rapid.T) Meta {
	return Meta{
		ETag:  rapid.StringMatching(`("[0-9a-f]{32}(-[0-9]{1,5})?")?`).Draw(t, "etag"),
		Size:  rapid.Int64Range(0, math.MaxInt64).Draw(t, "size"),
		MAC:   rapid.StringMatching(`([A-Za-z0-9+/]{64})?`).Draw(t, "mac"),
		KeyID: rapid.StringMatching(`[!-~]{0,160}`).Draw(t, "key id"),
		Attr:  drawAttr(t, 600),
	}
}

func TestMetaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMeta(t)
		enc, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if n := metadataSize(enc); n > MaxMetadata {
			t.Fatalf("%d bytes", n)
		}
		for key, value := range enc {
			if value == "" || printable(key, value) != nil || key != strings.ToLower(key) {
				t.Fatalf("%s=%q cannot travel in a header", key, value)
			}
		}
		back, ok, err := ParseMeta(enc)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if diff := cmp.Diff(m, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

// What Fits once accepts is never refused later, however long the rest becomes.
func TestFitsMeansThatEncodeFits(t *testing.T) {
	fits, not := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		a := drawAttr(t, 100)
		if a.Xattr == nil {
			a.Xattr = map[string][]byte{}
		}
		// Both sides of the limit of about 1,170 bytes, and close to it.
		a.Xattr["user.size"] = make([]byte, rapid.SampledFrom([]int{0, 900, 1100, 1140, 1150, 1160, 1170, 1180, 1200, 3000}).Draw(t, "size"))
		if err := a.Fits(); err != nil {
			if !errors.Is(err, ErrTooLarge) {
				t.Fatal(err)
			}
			not++
			return
		}
		fits++
		a.Mtime = time.Unix(-maxSeconds+1, 1)
		a.Mode, a.UID, a.GID = 0o140777, math.MaxUint32, math.MaxUint32
		m := Meta{
			ETag: strings.Repeat("e", roomETag), Size: math.MaxInt64,
			MAC: strings.Repeat("m", roomMAC), KeyID: strings.Repeat("k", roomKeyID), Attr: a,
		}
		if _, err := m.Encode(); err != nil {
			t.Fatal(err)
		}
	})
	if fits == 0 || not == 0 {
		t.Errorf("%d fitted, %d did not: one side is untested", fits, not)
	}
	// A limit below this would refuse what Finder and browsers attach.
	if err := (Attr{Xattr: map[string][]byte{"com.apple.metadata:kMDItemWhereFroms": make([]byte, 1000)}}).Fits(); err != nil {
		t.Error(err)
	}
}

func TestMetaLimitIsExact(t *testing.T) {
	m := Meta{MAC: "m"}
	enc, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	room := MaxMetadata - metadataSize(enc)
	m.MAC = strings.Repeat("m", 1+room)
	if _, err := m.Encode(); err != nil {
		t.Errorf("2048 bytes are refused: %v", err)
	}
	m.MAC += "m"
	if _, err := m.Encode(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("2049 bytes: %v", err)
	}
}

func TestMetaEncodeRefuses(t *testing.T) {
	for name, m := range map[string]Meta{
		"negative size":    {Size: -1},
		"line break":       {ETag: "a\nb"},
		"not ASCII":        {KeyID: "clé"},
		"space at the end": {MAC: "a "},
		"mode":             {Attr: Attr{Mode: 0o1100644}},
		"time":             {Attr: Attr{Mtime: time.Unix(maxSeconds, 0)}},
		"xattr name":       {Attr: Attr{Xattr: map[string][]byte{"": nil}}},
		"xattr NUL":        {Attr: Attr{Xattr: map[string][]byte{"a\x00": nil}}},
		"xattr long name":  {Attr: Attr{Xattr: map[string][]byte{strings.Repeat("a", 256): nil}}},
	} {
		if enc, err := m.Encode(); err == nil || enc != nil {
			t.Errorf("%s: %v, %v", name, enc, err)
		}
	}
}

func TestParseMetaOfAHandMadeSidecar(t *testing.T) {
	m, ok, err := ParseMeta(map[string]string{"mtime": "12", "content-language": "de"})
	if ok || err != nil || !m.Attr.Mtime.Equal(time.Unix(12, 0)) {
		t.Errorf("%+v, %v, %v", m, ok, err)
	}
	m, ok, err = ParseMeta(nil)
	if ok || err != nil || !cmp.Equal(m, Meta{}) {
		t.Errorf("%+v, %v, %v", m, ok, err)
	}
}

func TestParseMetaRefuses(t *testing.T) {
	for _, bad := range []map[string]string{
		{"mcfs-size": ""}, {"mcfs-size": "-1"}, {"mcfs-size": "+1"}, {"mcfs-size": "1e3"}, {"mcfs-size": "9223372036854775808"},
		{"mcfs-size": "1", "mcfs-etag": "\x01"}, {"mcfs-size": "1", "uid": "4294967296"}, {"gid": "x"}, {"mode": "0o644"},
		{"mtime": "yesterday"}, {"mcfs-xattr": "!"},
	} {
		if m, ok, err := ParseMeta(bad); err == nil || ok {
			t.Errorf("%v: %+v, %v, %v", bad, m, ok, err)
		}
	}
}

func FuzzParseMeta(f *testing.F) {
	seeds := [][7]string{
		{"10", "\"e\"", "bWFj", "arn:aws:kms:us-west-2:1:key/k", "1700000000.5", "33188", "AWEBYg=="},
		{"0", "", "", "", "-0.000000001", "100644", ""},
		{"", "", "", "", "", "", ""},
		{"9223372036854775807", "x", "y", "z", "-62135596800", "0644", "AWEA"},
		{"x", " ", "\x00", "é", "1.", "99999", "AA=="},
	}
	if len(seeds) < 5 {
		f.Fatal("too few seeds")
	}
	for _, s := range seeds {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5], s[6])
	}
	f.Fuzz(func(t *testing.T, size, etag, mac, id, mtime, mode, xattr string) {
		meta := map[string]string{}
		for key, value := range map[string]string{
			KeySize: size, KeyETag: etag, KeyMAC: mac, KeyKeyID: id, KeyMtime: mtime, KeyFileMode: mode, KeyXattr: xattr,
		} {
			if value != "" {
				meta[key] = value
			}
		}
		m, ok, err := ParseMeta(meta)
		if err != nil || !ok {
			return
		}
		enc, err := m.Encode()
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("%+v was read but is not written: %v", m, err)
		}
		back, ok, err := ParseMeta(enc)
		if err != nil || !ok || !cmp.Equal(m, back) {
			t.Fatalf("%+v became %+v, %v", m, back, err)
		}
	})
}
