package dir

import (
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEscape(t *testing.T) {
	for element, want := range map[string]string{
		"plain.mp4": "plain.mp4", "": "%empty", ".": "%2E", "..": "%2E%2E", "...": "...", ".mcfs": "%2Emcfs", ".MCFS": "%2EMCFS",
		"100%": "100%25", "%empty": "%25empty", "a%file": "a%25file", "nul\x00": "nul%00", "%2E": "%252E",
	} {
		got, err := escape(element, true)
		if err != nil || got != want {
			t.Errorf("escape(%q) = %q, %v, want %q", element, got, err, want)
		}
	}
	if got, _ := escape(".mcfs", false); got != ".mcfs" {
		t.Errorf("below the root: %q", got)
	}
	if _, err := escape(strings.Repeat("x", 256), false); err == nil {
		t.Error("256 bytes were taken")
	}
	for _, name := range []string{"%", "a%file", "%2Ex", "%41", "%2e", "x%empty"} {
		if e, err := unescape(name, true); err == nil {
			t.Errorf("unescape(%q) = %q", name, e)
		}
	}
}

// TestEscapeIsInjective: an element comes back as it was, and its name stays
// in its directory.
func TestEscapeIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		element := rapid.StringMatching(`[a%.\x00 25EemptyfilMCS-]{0,12}`).Draw(t, "element")
		root := rapid.Bool().Draw(t, "root")
		name, err := escape(element, root)
		if err != nil {
			t.Fatal(err)
		}
		if name != filepath.Base(name) || name == "." || name == ".." || strings.ContainsRune(name, 0) || strings.HasSuffix(name, besideDir) {
			t.Fatalf("escape(%q) = %q is no plain name", element, name)
		}
		if back, err := unescape(name, root); err != nil || back != element {
			t.Fatalf("%q became %q and then %q, %v", element, name, back, err)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{"", "a", "%empty", "%2E%2E", "%25%00", "%file", "a%file", ".mcfs", "%2Emcfs", "%zz", "\x00", "\xff"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, name string, root bool) {
		element, err := unescape(name, root)
		if err != nil {
			return
		}
		if again, err := escape(element, root); err == nil && again != name {
			t.Errorf("%q is element %q, whose name is %q", name, element, again)
		}
	})
}
