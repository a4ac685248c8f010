package naming

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mcfs/sidecar"
)

func TestConflictName(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	const note = " (conflict host 2026-01-02 030405.006)"
	for name, want := range map[string]string{
		"a.tar.gz":                      "a.tar" + note + ".gz",
		"plain":                         "plain" + note,
		".profile":                      ".profile" + note,
		strings.Repeat("é", 120):        strings.Repeat("é", 101) + note,
		strings.Repeat("n", 230) + ".x": strings.Repeat("n", 201) + note + ".x",
		"n." + strings.Repeat("x", 230): "n." + strings.Repeat("x", 201) + note,
	} {
		got := conflictName(name, "host", at, Max-len(sidecar.Suffix))
		if got != want {
			t.Errorf("%q becomes %q", name, got)
		}
		if len(sidecar.Name(got)) > Max {
			t.Errorf("the sidecar of %q has %d bytes", got, len(sidecar.Name(got)))
		}
	}
}

// TestBesideFits: the name of what must give way fits wherever the first one did, with its
// sidecar; it is UTF-8, and keeps the extension where there is room.
func TestBesideFits(t *testing.T) {
	const longestKey = 1024
	fits := func(file string) bool { return CheckSidecar(file) == nil && len(sidecar.Name(file)) <= longestKey }
	now := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	letters := []rune("aé%.x世")
	rng := rand.New(rand.NewPCG(1, 2))
	tried := 0
	for range 5000 {
		var at string
		for range rng.IntN(5) {
			at += strings.Repeat(string(letters[rng.IntN(2)]), 1+rng.IntN(100)) + "/"
		}
		at += strings.Repeat("d", max(1, rng.IntN(240))) + "/"
		for range 1 + rng.IntN(60) {
			at += string(letters[rng.IntN(len(letters))])
		}
		if !fits(at) {
			continue
		}
		tried++
		to := Beside(at, strings.Repeat("host", 1+rng.IntN(16)), now, fits)
		switch {
		case !fits(to):
			t.Fatalf("%q does not fit beside %q", to, at)
		case !utf8.ValidString(to) || path.Dir(to) != path.Dir(at) || to == at || !Showable(path.Base(to)):
			t.Fatalf("%q is no name beside %q", to, at)
		}
	}
	if tried < 1000 {
		t.Errorf("only %d names fit", tried)
	}
	deep := strings.Repeat(strings.Repeat("d", 99)+"/", 10) // room for ten letters and the suffix
	for at, ext := range map[string]string{strings.Repeat("n", 237) + ".mp4": ".mp4", deep[45:] + "film.mp4": ".mp4"} {
		if to := Beside(at, "host", now, fits); path.Ext(to) != ext {
			t.Errorf("%q beside %q", to, at)
		}
	}
	one := deep + strings.Repeat("n", longestKey-len(deep)-len(sidecar.Suffix))
	if to := Beside(one, "host", now, fits); !fits(to) || len(to) != len(one) {
		t.Errorf("%q beside %q", to, one)
	}
}

func TestHostNames(t *testing.T) {
	for host, want := range map[string]string{"cutter-3": "cutter-3", "a/b": "a-b", "a\x00b": "a-b", "\xff": "-", "日本": "日本"} {
		if got := Host(host); got != want {
			t.Errorf("%q becomes %q", host, got)
		}
	}
}
