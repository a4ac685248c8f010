package mhl

import (
	"strings"
	"testing"
)

// TestHashes: of "" and of "abc", written in pieces; the sums are those that md5sum, sha1sum, xxhsum and
// the specifications of XXH3 and of C4 give.
func TestHashes(t *testing.T) {
	for content, want := range map[string]map[Kind]string{
		"": {
			MD5: "d41d8cd98f00b204e9800998ecf8427e", SHA1: "da39a3ee5e6b4b0d3255bfef95601890afd80709",
			XXH64: "ef46db3751d8e999", XXH3: "2d06800538d394c2", XXH128: "99aa06d3014798d86001c324468d497f",
			C4: "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT",
		},
		"abc": {
			MD5: "900150983cd24fb0d6963f7d28e17f72", SHA1: "a9993e364706816aba3e25717850c26c9cd0d89d",
			XXH64: "44bc2cf5ad770999", XXH3: "78af5f94892f3950", XXH128: "06b05ab6733a618578af5f94892f3950",
			C4: "c45S4rnaTNWonxss1u8LzsaJdEph1AJhWUF4sh2waXKMsutyfAxg4ybUeuXVWS9HdNcEypmeXn8FZGonD4w1rj9DZp",
		},
	} {
		h := NewHasher(Kinds)
		for _, piece := range strings.SplitAfter(content, "") {
			if n, err := h.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		for _, sum := range h.Sums() {
			if sum.Sum != want[sum.Kind] {
				t.Errorf("%s of %q is %s, not %s", sum.Kind, content, sum.Sum, want[sum.Kind])
			}
			if again, err := sum.Kind.parse(" " + sum.Sum + "\n"); again != sum.Sum || err != nil {
				t.Errorf("%s is read as %q, %v", sum.Sum, again, err)
			}
			for _, wrong := range []string{"", sum.Sum[1:], sum.Sum + "0", "_" + sum.Sum[1:]} {
				if _, err := sum.Kind.parse(wrong); err == nil {
					t.Errorf("%q is taken for a %s", wrong, sum.Kind)
				}
			}
		}
	}
	if got := c4Text(nil); got != "c4"+strings.Repeat("1", 88) {
		t.Errorf("nothing is %s", got)
	}
}

func TestParseKinds(t *testing.T) {
	got, err := ParseKinds("md5, xxh64,md5")
	if err != nil || len(got) != 2 || got[0] != MD5 || got[1] != XXH64 {
		t.Error(got, err)
	}
	for _, wrong := range []string{"", "md4", "md5,", "xxh32"} {
		if _, err := ParseKinds(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
