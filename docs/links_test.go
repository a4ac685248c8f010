// Package docs checks the guides: what they name must exist.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks: what the guides lead to within the repository is there.
func TestLinks(t *testing.T) {
	guides, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	others, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, guide := range append(guides, others...) {
		for _, m := range link.FindAllStringSubmatch(read(t, guide), -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, "://") {
				continue
			}
			count++
			if _, err := os.Stat(filepath.Join(filepath.Dir(guide), to)); err != nil {
				t.Errorf("%s leads to %s: %v", guide, m[1], err)
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d links were found", count)
	}
}

var quoted = regexp.MustCompile("`([^`\\s]+)`")

// TestLocalOnlyDefaults: the page lists the patterns that the volume has.
func TestLocalOnlyDefaults(t *testing.T) {
	page := read(t, "semantics.md")
	samePatterns(t, page, "\nLocal-only for good: ", "patterns.go", "var localOnly = []string{", `"([^"]+)"`)
	samePatterns(t, page, "\nTemporary: ", "guess.go", "var guesses = []guess{", `\{"([^"]+)"`)
}

// samePatterns compares a paragraph of a page with a list in a file of the volume's.
func samePatterns(t *testing.T, page, begins, file, declared, pattern string) {
	t.Helper()
	_, list, _ := strings.Cut(page, begins)
	list, _, _ = strings.Cut(list, "\n\n")
	listed := make(map[string]bool)
	for _, m := range quoted.FindAllStringSubmatch(list, -1) {
		listed[m[1]] = true
	}
	_, source, _ := strings.Cut(read(t, "../volume/naming/"+file), declared)
	source, _, found := strings.Cut(source, "\n}")
	patterns := regexp.MustCompile(pattern).FindAllStringSubmatch(source, -1)
	if !found || len(patterns) < 20 {
		t.Fatalf("the patterns of %s are not where they were", file)
	}
	for _, m := range patterns {
		glob := strings.Replace(m[1], "*.git//", "", 1)
		if !listed[glob] {
			t.Errorf("the page lacks %s", m[1])
		}
		delete(listed, glob)
	}
	for _, other := range []string{"*.git", "clip-temp-12.mp4", "clip.mp4"} {
		delete(listed, other)
	}
	if len(listed) > 0 {
		t.Errorf("these are not in %s: %v", file, listed)
	}
}
