package sidecar

import (
	"encoding/base64"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawAttr draws attributes with at most xattrs bytes of values.
func drawAttr(t *rapid.T, xattrs int) Attr {
	a := Attr{
		Mtime: time.Unix(rapid.Int64Range(-maxSeconds+1, maxSeconds-1).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC(),
		Mode:  rapid.SampledFrom([]uint32{0, 0o010000, 0o040000, 0o100000, 0o120000, 0o140000}).Draw(t, "type") | rapid.Uint32Range(0, 0o7777).Draw(t, "bits"),
		UID:   rapid.Uint32().Draw(t, "uid"),
		GID:   rapid.Uint32().Draw(t, "gid"),
	}
	if rapid.Bool().Draw(t, "near 1970") {
		a.Mtime = time.Unix(rapid.Int64Range(-2, 2).Draw(t, "s"), rapid.SampledFrom([]int64{0, 1, 500_000_000, 999_999_999}).Draw(t, "ns")).UTC()
	}
	if a.Mtime.IsZero() {
		a.Mtime = time.Time{}
	}
	for i, n := 0, rapid.IntRange(0, 4).Draw(t, "xattrs"); i < n; i++ {
		if a.Xattr == nil {
			a.Xattr = map[string][]byte{}
		}
		name := rapid.StringMatching(`user\.[a-zé]{1,20}`).Draw(t, "name")
		a.Xattr[name] = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, xattrs/4).Draw(t, "value")...)
	}
	return a
}

func TestAttrRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawAttr(t, 500)
		enc, err := EncodeAttr(a)
		if err != nil {
			t.Fatal(err)
		}
		if n := metadataSize(enc); n > MaxMetadata-objectRoom {
			t.Fatalf("%d bytes", n)
		}
		again, err := EncodeAttr(a)
		if err != nil || !cmp.Equal(enc, again) {
			t.Fatalf("not deterministic: %v, %v", enc, again)
		}
		back, err := ParseAttr(enc)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncodeAttrKeepsRoomForTheObject(t *testing.T) {
	a := Attr{Xattr: map[string][]byte{"user.a": make([]byte, 1100)}}
	if err := a.Fits(); err != nil {
		t.Errorf("beside a sidecar: %v", err)
	}
	if _, err := EncodeAttr(a); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beside an object: %v", err)
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		s    string
		want time.Time
		back string // what we write; empty: the same
	}{
		{"0", time.Unix(0, 0), ""},
		{"1700000000", time.Unix(1700000000, 0), ""},
		{"1700000000.123456789", time.Unix(1700000000, 123456789), ""},
		{"1700000000.000000001", time.Unix(1700000000, 1), ""},
		{"1700000000.5", time.Unix(1700000000, 500000000), "1700000000.500000000"}, // rclone trims zeros
		{"1700000000.1234567899", time.Unix(1700000000, 123456789), "1700000000.123456789"},
		{"-1", time.Unix(-1, 0), ""},
		{"-0.000000001", time.Unix(-1, 999999999), ""},
		{"-1.500000000", time.Unix(-2, 500000000), ""},
		{"-0", time.Unix(0, 0), "0"},
		{"-2208988800", time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{"253402300800", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ""},
	} {
		got, err := parseTime(c.s)
		if err != nil || !got.Equal(c.want) {
			t.Errorf("%q: %v, %v; want %v", c.s, got, err, c.want)
			continue
		}
		want := c.s
		if c.back != "" {
			want = c.back
		}
		if back, err := formatTime(got); err != nil || back != want {
			t.Errorf("%q is written %q, %v; want %q", c.s, back, err, want)
		}
	}
	for _, s := range []string{"", "-", "+1", "1.", ".5", "1e9", " 1", "1,5", "--1", "1.-5", "1.5.5", "NaN", "2023-11-14T22:13:20Z", "1152921504606846976", "99999999999999999999"} {
		if got, err := parseTime(s); err == nil {
			t.Errorf("%q was read as %v", s, got)
		}
	}
}

func TestModes(t *testing.T) {
	for s, want := range map[string]uint32{
		"33188":   0o100644, // s3fs
		"33261":   0o100755,
		"16877":   0o040755,
		"41471":   0o120777,
		"420":     0o644,
		"0":       0,
		"100644":  0o100644, // rclone
		"0100644": 0o100644,
		"120777":  0o120777,
		"40755":   0o040755, // 40755 in decimal has the type bits 011
		"0644":    0o644,
		"644":     644, // could be either: decimal, as we write it
		"41777":   41777,
	} {
		if got, err := parseMode(s); err != nil || got != want {
			t.Errorf("%q: %#o, %v; want %#o", s, got, err, want)
		}
	}
	for _, s := range []string{"", "rw-r--r--", "0o644", "-1", "089", "0x81a4", "300000", "99999", "18446744073709551616", "1000000100644"} {
		if got, err := parseMode(s); err == nil {
			t.Errorf("%q was read as %#o", s, got)
		}
	}
	// Whatever we write, we read back, although the digits might be octal.
	for mode := range uint64(1 << 16) {
		if !validMode(mode) {
			continue
		}
		meta, err := EncodeAttr(Attr{Mode: uint32(mode)})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := ParseAttr(meta); err != nil || a.Mode != uint32(mode) {
			t.Fatalf("%#o became %#o, %v", mode, a.Mode, err)
		}
	}
}

func TestXattrRefuses(t *testing.T) {
	for name, raw := range map[string]string{
		"empty":          "",
		"no value":       "\x01a",
		"cut":            "\x01a\x02b",
		"empty name":     "\x00\x00",
		"unsorted":       "\x01b\x00\x01a\x00",
		"twice":          "\x01a\x00\x01a\x00",
		"long spelling":  "\x81\x00a\x00",
		"huge length":    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"endless varint": "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"NUL":            "\x02a\x00\x00",
	} {
		if x, err := decodeXattr(base64.StdEncoding.EncodeToString([]byte(raw))); err == nil {
			t.Errorf("%s: %v", name, x)
		}
	}
}

func FuzzParseAttr(f *testing.F) {
	seeds := [][5]string{
		{"1700000000.123456789", "33188", "1000", "1000", "AWEBYg=="},
		{"-1.5", "100644", "0", "4294967295", "AWEAAWIA"},
		{"0", "0644", "00", "", "gQBhAA=="},
		{"-0", "41777", "1", "1", ""},
		{"1152921504606846975.999999999", "65535", "x", "-1", "////"},
	}
	if len(seeds) < 5 {
		f.Fatal("too few seeds")
	}
	for _, s := range seeds {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	f.Fuzz(func(t *testing.T, mtime, mode, uid, gid, xattr string) {
		meta := map[string]string{KeyMtime: mtime, KeyFileMode: mode, KeyUID: uid, KeyGID: gid}
		if xattr != "" {
			meta[KeyXattr] = xattr
		}
		a, err := ParseAttr(meta)
		if err != nil {
			return
		}
		enc, err := EncodeAttr(a)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("%+v was read but is not written: %v", a, err)
		}
		if enc[KeyXattr] != xattr {
			t.Fatalf("xattr %q is written %q", xattr, enc[KeyXattr])
		}
		back, err := ParseAttr(enc)
		if err != nil || !cmp.Equal(a, back) {
			t.Fatalf("%+v became %+v, %v", a, back, err)
		}
	})
}

func TestIdsAreDecimal(t *testing.T) {
	a, err := ParseAttr(map[string]string{"uid": "4294967295", "gid": "0"})
	if err != nil || a.UID != math.MaxUint32 || a.GID != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}
