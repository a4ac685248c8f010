package config

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestByteSize(t *testing.T) {
	for s, want := range map[string]ByteSize{
		"0": 0, "1": 1, "8MiB": 8 << 20, "20GiB": 20 << 30, "8MB": 8e6, "5 GiB": 5 << 30, "1TiB": 1 << 40, "3TB": 3e12,
		"7kB": 7000, "7KB": 7000, "7KiB": 7168, "12B": 12, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := ParseByteSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "MiB", " 8MiB", "8  MiB", "8mib", "8M", "-1", "+1", "1.5GiB", "0x10", "1e3", "9223372036854775808", "8388608TiB", "8MiBMiB"} {
		if got, err := ParseByteSize(s); err == nil {
			t.Errorf("%q was read as %d", s, got)
		}
	}
}

func TestByteSizeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := ByteSize(rapid.Int64Range(0, math.MaxInt64).Draw(t, "bytes"))
		if unit := rapid.SampledFrom(units).Draw(t, "unit"); b <= math.MaxInt64/unit.factor {
			b *= unit.factor
		}
		if back, err := ParseByteSize(b.String()); err != nil || back != b {
			t.Fatalf("%d is written %q, read as %d, %v", int64(b), b, int64(back), err)
		}
	})
}

func FuzzParseByteSize(f *testing.F) {
	seeds := []string{"8MiB", "20 GiB", "500MB", "0", "9223372036854775807B", "x", "-1TiB"}
	if len(seeds) < 5 {
		f.Fatal("too few seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseByteSize(s)
		if err != nil {
			return
		}
		if back, err := ParseByteSize(b.String()); b < 0 || err != nil || back != b {
			t.Fatalf("%q: %d, then %d, %v", s, int64(b), int64(back), err)
		}
	})
}
