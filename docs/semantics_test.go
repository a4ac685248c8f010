package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rows are what docs/semantics.md must speak of.
var rows = []string{
	"create, write", "eager parts", "write into a sent part", "truncate, append", "fallocate, holes", "direct, synchronous",
	"copy_file_range", "map", "nameless file", "change of a committed file", "change of a foreign object", "copied without metadata", "base is gone", "too large", "fsync of an open project", "fsync",

	"close", "close of another process", "close of a duplicate", "last release", "write during a commit", "signal during close",
	"close where the caller is unknown", "killed writer",
	"write that failed", "control files", "half files that nobody can tell", `durability = "spool"`,

	"names are journaled", "opposite changes", "names while the store is away", "names that cannot change", "rename of a draft", "rename of a committed file",
	"rename over a file", "exchange", "rename of a directory", "unlink of an open file", "directory", "symlink",
	"hard link, device", "names that can be", "names that collide",
	"endless listing",

	"local-only names", "in a local-only directory", "temporary names", "temporary names: the end", "temporary names: directories", "temporary names: directories, the end",
	"temporary names: larger than the spool", "temporary names: larger, and closed",
	"names that were local-only", "rename to another name", "local-only patterns", "how a file is made", "backup of a committed file",
	"backup of a large file", "into the trash",

	"attributes", "attributes are debounced", "times before close", "owner", "setuid, setgid", "POSIX ACLs", "read-only", "times of a directory", "atime, ctime", "attributes after close", "attributes that do not fit", "locks", "statfs", "described once",

	"sidecar: read", "sidecar: times", "sidecars of a copied bucket", "sidecar: listed", "sidecar: inotify", "sidecar: unlink, rename", "sidecar: gone along", "settings under a sidecar's name", "other content under a sidecar's name",

	"another machine's change", "conflict", "renamed on two machines", "conflict over dropped blocks", "larger than the spool", "larger than the spool, not committed", "what the spool keeps", "spool full", "store down",
	"credentials replaced", "keeper down", "another keeper", "spool damaged", "journal damaged", "an older program's journal", "disk full", "killed mount", "unmount", "unmount under a writer", "unmount of a mount that a container has, too", "a mount that hangs", "signals", "logout", "suspend",

	"status", "status of a failure", "status of what is not safe", "status of local-only names", "status of conflicts",
	"status of the quarantine", "quarantine restore", "quarantine export", "quarantine list, remove", "status without a mount", "status --watch", "events", "events: who listens", "sync without a mount", "commands", "jobs of many files", "hot folder", "hot folder: in the mount", "hot folder: saved again", "jobs of foreign files", "encrypt without a mount", "decrypt without a mount", "verify", "verified offload", "rewrap", "inventory", "promote",

	"why duplicates wait", "close in the middle of execve", "why an exchange takes a detour", "a discarded sidecar lingers",
	"nothing in a mover's way", "a removed sidecar hides", "links of a directory", "attributes of the root", "truncation to the same size",
	"what a file tells of itself", "xattrs of other namespaces",
}

// testName is folder.Test/part, in quotes; a part is spelled as go test -run takes it.
var testName = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)(?:/([^`]+))?`")

// TestSemantics reads the tables: every row is there once, says something, and
// names tests, which exist.
func TestSemantics(t *testing.T) {
	text := read(t, "semantics.md")
	if found := checkTables(t, text); !slices.Equal(found, rows) {
		t.Errorf("the rows are\n%q\nthey should be\n%q", found, rows)
	}
	checkTests(t, text)
}

// checkTables demands of each row of a page that it says something and names
// tests. It returns the rows' names.
func checkTables(t *testing.T, text string) (found []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || cells[1] == " row " || strings.HasPrefix(cells[1], "--") {
			continue
		}
		row, tests := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[3])
		found = append(found, row)
		if len(strings.TrimSpace(cells[2])) < 8 {
			t.Errorf("%s: no behaviour", row)
		}
		if tests == "" || strings.TrimSpace(testName.ReplaceAllString(tests, "")) != "" {
			t.Errorf("%s: %q are not names of tests", row, tests)
		}
	}
	return found
}

// checkTests demands every test that a page names.
func checkTests(t *testing.T, text string) {
	t.Helper()
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		checkTest(t, m[1], m[2], m[3])
	}
}

// checkTest demands a test of the folder, and that each of its parts is spelled
// in the file that has it, or is a script of testdata.
func checkTest(t *testing.T, folder, name, parts string) {
	t.Helper()
	file := testsIn(t, folder)[name]
	if file == nil {
		t.Errorf("%s has no %s", folder, name)
		return
	}
	for part := range strings.SplitSeq(parts, "/") {
		scripts, err := filepath.Glob(filepath.Join("..", folder, "testdata", part+".*"))
		if err != nil {
			t.Fatal(err)
		}
		if part != "" && !file[part] && len(scripts) == 0 {
			t.Errorf("%s.%s has no part %s", folder, name, part)
		}
	}
}

// spelled are the texts in a file, with blanks as go test shows them.
type spelled map[string]bool

var known = make(map[string]map[string]spelled)

// testsIn are the test functions of a folder of the repository, each with the
// texts of its file.
func testsIn(t *testing.T, folder string) map[string]spelled {
	t.Helper()
	if known[folder] != nil {
		return known[folder]
	}
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no tests (%v)", folder, err)
	}
	tests := make(map[string]spelled)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		texts := textsOf(file)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = texts
			}
		}
	}
	known[folder] = tests
	return tests
}

func textsOf(file *ast.File) spelled {
	texts := make(spelled)
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				texts[strings.ReplaceAll(s, " ", "_")] = true
			}
		}
		return true
	})
	return texts
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
