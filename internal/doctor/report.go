package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"mcfs/internal/human"
)

// line is one of JSON for a finding.
type line struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	What    string `json:"what"`
	Cure    string `json:"cure,omitempty"`
	Fixed   bool   `json:"fixed,omitempty"`
}

// summary is the last line of JSON.
type summary struct {
	V        int      `json:"v"`
	Type     string   `json:"type"`
	OK       int      `json:"ok"`
	Warn     int      `json:"warn"`
	Fail     int      `json:"fail"`
	NotAsked []string `json:"not_asked,omitempty"`
}

// Tell writes a finding in one line.
func Tell(w io.Writer, f Finding, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(line{1, "item", f.Check, strings.ToLower(string(f.Verdict)), f.What, f.Cure, f.Fixed})
		return
	}
	text := fmt.Sprintf("%-4s  %s: %s", f.Verdict, f.Check, f.What)
	if f.Fixed {
		text += " (mended)"
	}
	if f.Cure != "" {
		text += "; cure: " + f.Cure
	}
	fmt.Fprintln(w, human.Printable(text))
}

// Sum writes how an examination went, as far as its findings have not said it.
func Sum(w io.Writer, r Result, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(summary{1, "summary", r.Count[OK], r.Count[Warn], r.Count[Fail], r.NotAsked})
		return
	}
	if len(r.NotAsked) > 0 {
		fmt.Fprintln(w, "not asked, since it needs what failed:", strings.Join(r.NotAsked, ", "))
	}
}
