package docs

import (
	"slices"
	"strings"
	"testing"
)

// attackers are the chapters that docs/security.md must have.
var attackers = []string{
	"A thief of the disk, or of the spool", "The swap, and a sleeping machine", "Another user on the machine", "Root", "A crash dump",
	"Someone who reads the bucket", "Someone who writes the bucket", "The network in between", "The operator of KMS",
	"A configuration made by somebody else", "The role of MediaConvert's jobs", "The cryptographic choices",
}

// TestSecurity: every attacker has a chapter, every row of it says something,
// and the tests that it names exist.
func TestSecurity(t *testing.T) {
	text := read(t, "security.md")
	var chapters []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			chapters = append(chapters, strings.TrimSpace(title))
		}
	}
	if !slices.Equal(chapters, attackers) {
		t.Errorf("the chapters are\n%q\nthey should be\n%q", chapters, attackers)
	}
	if n := len(checkTables(t, text)); n < 25 {
		t.Errorf("only %d rows", n)
	}
	checkTests(t, text)
}
