package model

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestScriptRoundTrip: a step that is printed can be read.
func TestScriptRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := op{
			Verb: rapid.SampledFrom(deck).Draw(t, "verb"), H: rapid.IntRange(0, 4).Draw(t, "h"), Path: "d/a", To: "../b",
			Off: rapid.Int64().Draw(t, "off"), Flags: drawOpenFlags(t), Mode: drawMode(t), Seed: drawSeed(t), Name: "a",
		}
		o.drawTime(t)
		back, err := parseOp(o.String())
		if err != nil || back != o {
			t.Fatalf("%s became %s, %v", o, back, err)
		}
	})
}

// TestShorten: what matters stays, in order.
func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 60).Draw(t, "length")
		a := rapid.IntRange(0, n-2).Draw(t, "a")
		b := rapid.IntRange(a+1, n-1).Draw(t, "b")
		var script []op
		for i := range n {
			script = append(script, op{Off: int64(i)})
		}
		got := shorten(script, time.Minute, func(s []op) bool {
			i, j := slices.Index(s, op{Off: int64(a)}), slices.Index(s, op{Off: int64(b)})
			return i >= 0 && i < j
		})
		if len(got) != 2 {
			t.Fatalf("%d steps are left", len(got))
		}
	})
}
