// Package docs checks the guides: what they name must exist.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// rows are what docs/semantics.md must speak of.
var rows = []string{
	"create, write", "eager parts", "truncate, append, map", "nameless file", "change of a committed file", "close",
	"signal during close", "killed writer", "fsync", "names are journaled", "rename of a draft", "rename of a committed file",
	"exchange", "rename of a directory", "local-only names", "backup of a committed file", "attributes", "unlink of an open file",
	"sidecar: read", "sidecar: listed", "sidecar: unlink", "saved under a sidecar's name", "symlink", "hard link, device", "locks",
	"statfs", "names", "another machine's change", "conflict", "larger than the spool", "spool full", "store or keeper down",
	"unmount", "described once",
}

var testName = regexp.MustCompile("`([a-z0-9/]+)\\.(Test[A-Za-z0-9]+)`")

// TestSemantics reads the table: every row is there, says something, and names
// tests that exist.
func TestSemantics(t *testing.T) {
	text, err := os.ReadFile("semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || cells[1] == " row " || strings.HasPrefix(cells[1], "--") {
			continue
		}
		row := strings.TrimSpace(cells[1])
		found[row] = true
		if len(strings.TrimSpace(cells[2])) < 10 {
			t.Errorf("%s: no behaviour", row)
		}
		if !testName.MatchString(cells[3]) {
			t.Errorf("%s: no test", row)
		}
	}
	for _, row := range rows {
		if !found[row] {
			t.Errorf("no row %q", row)
		}
	}
	if len(found) != len(rows) {
		t.Errorf("%d rows, want %d", len(found), len(rows))
	}
	for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
		if !testsIn(t, m[1])[m[2]] {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
}

var known = make(map[string]map[string]bool)

// testsIn are the test functions of a folder of the repository.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	if known[folder] != nil {
		return known[folder]
	}
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no tests (%v)", folder, err)
	}
	tests := make(map[string]bool)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	known[folder] = tests
	return tests
}
