package sidecar

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestBase(t *testing.T) {
	for _, c := range []struct {
		name, base string
		ok         bool
	}{
		{"a.mp4.settings.json", "a.mp4", true},
		{"dir/a.mp4.settings.json", "dir/a.mp4", true},
		{"/dir/a.mp4.settings.json", "/dir/a.mp4", true},
		{"a.settings.json.settings.json", "a.settings.json", true},
		{"a.settings.json", "a", true},
		{".a.settings.json", ".a", true},
		{"....settings.json", "...", true}, // three dots are a name like any other
		{".settings.json", "", false},
		{"dir/.settings.json", "", false},
		{"..settings.json", "", false},
		{"...settings.json", "", false},
		{"dir/...settings.json", "", false},
		{"a.mp4", "", false},
		{"a.Settings.json", "", false},
		{"asettings.json", "", false},
		{"a.settings.json/", "", false},
		{"dir.settings.json/a", "", false},
		{"", "", false},
	} {
		base, ok := Base(c.name)
		if ok != c.ok || ok && base != c.base {
			t.Errorf("Base(%q) = %q, %v; want %q, %v", c.name, base, ok, c.base, c.ok)
		}
		if Is(c.name) != c.ok {
			t.Errorf("Is(%q) = %v", c.name, !c.ok)
		}
	}
}

func TestNameAndBaseAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.StringMatching(`([a-z.]{0,4}/){0,3}[a-z.]{0,6}(\.settings\.json){0,2}`).Draw(t, "path")
		base, ok := Base(Name(path))
		last := path[strings.LastIndexByte(path, '/')+1:]
		if want := last != "" && last != "." && last != ".."; ok != want || ok && base != path {
			t.Fatalf("Base(Name(%q)) = %q, %v", path, base, ok)
		}
	})
}
