package naming

import (
	"errors"
	"strings"
	"testing"
)

func TestNamesThatCanBe(t *testing.T) {
	for _, c := range []struct {
		name     string
		showable bool
		want     error
	}{
		{"a", true, nil},
		{"世界", true, nil},
		{strings.Repeat("n", Max), true, nil},
		{strings.Repeat("n", Max+1), false, ErrTooLong},
		{"", false, nil},
		{".", false, nil},
		{"..", false, nil},
		{"...", true, nil},
		{"a/b", false, ErrName},
		{"a\x00", false, ErrName},
		{"\xff", false, ErrName},
	} {
		if got := Check(c.name); !errors.Is(got, c.want) {
			t.Errorf("%q: %v, want %v", c.name, got, c.want)
		}
		if got := Showable(c.name); got != c.showable {
			t.Errorf("%q: showable is %v", c.name, got)
		}
	}
}

func TestNamesThatLeaveRoomForASidecar(t *testing.T) {
	const room = Max - len(".settings.json")
	for file, want := range map[string]error{
		"a":                                  nil,
		strings.Repeat("n", room):            nil,
		"d/" + strings.Repeat("n", room):     nil,
		strings.Repeat("n", room+1):          ErrTooLong,
		strings.Repeat("d", Max+9) + "/a":    nil, // of the directory, others decide
		"d/" + strings.Repeat("é", room/2+1): ErrTooLong,
	} {
		if got := CheckSidecar(file); !errors.Is(got, want) {
			t.Errorf("%q: %v, want %v", file, got, want)
		}
	}
}

func TestDirectoriesThatHideSidecars(t *testing.T) {
	for dir, want := range map[string]bool{
		"": false, "a": false, "a/b": false, "a.b": false, "x.gitty": false,
		".git": true, "a/.git/objects": true, ".cache/x": true, "bare.git": true, "bare.git/refs": true,
	} {
		if got := HidesSidecars(dir); got != want {
			t.Errorf("%q: %v", dir, got)
		}
	}
}
