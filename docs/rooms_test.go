package docs

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is one row of the table of rooms in architecture.md.
type room struct {
	imports []string
	lines   int
}

// TestRooms: the tables of rooms are the code as it is. A package imports of ours what its
// doc.go allows, which is what it needs and what the table says.
func TestRooms(t *testing.T) {
	table := readRooms(t, read(t, "architecture.md"))
	for _, pkg := range slices.Concat(packages(t, "volume"), packages(t, "internal"), packages(t, "mediaconvert"), packages(t, "policy"), packages(t, "journal")) {
		row, ok := table[pkg]
		if !ok {
			t.Errorf("the table of rooms lacks %s", pkg)
			continue
		}
		delete(table, pkg)
		allowed := allowedImports(t, pkg)
		imported := ourImports(t, pkg)
		for _, p := range imported {
			if !slices.Contains(allowed, p) {
				t.Errorf("%s imports %s, which its doc.go does not allow", pkg, p)
			}
		}
		for _, p := range allowed {
			if !slices.Contains(imported, p) {
				t.Errorf("%s/doc.go allows %s, which is not imported", pkg, p)
			}
		}
		if !slices.Equal(row.imports, allowed) {
			t.Errorf("%s may import %q by its doc.go, and %q by the table", pkg, allowed, row.imports)
		}
		if n := linesOf(t, pkg); max(n-row.lines, row.lines-n) > max(50, n/10) {
			t.Errorf("%s has %d lines, and %d by the table", pkg, n, row.lines)
		}
	}
	for pkg := range table {
		t.Errorf("the table has %s, which is no package", pkg)
	}
}

// most is how many lines a package may have without its tests.
const most = 4500

// larger are the packages that are larger still: they are to come down to most, and so the
// number beside each is only ever lowered, with the code.
var larger = map[string]int{
	"spool":  5450,
	"volume": 9490,
}

// slack is how far below its number a package may fall before that has to follow.
const slack = 300

// TestSizes: no package grows over most lines, and those that are larger only shrink.
func TestSizes(t *testing.T) {
	seen := make(map[string]bool)
	for _, pkg := range packages(t, ".") {
		n, limit := linesOf(t, pkg), most
		if now, ok := larger[pkg]; ok {
			seen[pkg], limit = true, now
			if n < now-slack {
				t.Errorf("%s has shrunk to %d lines: lower its limit of %d", pkg, n, now)
			}
		}
		if n > limit {
			t.Errorf("%s has %d lines without tests, at most %d: take it apart", pkg, n, limit)
		}
	}
	for pkg := range larger {
		if !seen[pkg] {
			t.Errorf("%s is no package", pkg)
		}
	}
}

// readRooms reads the tables of rooms: | room | holds | promises | may import | lines |.
func readRooms(t *testing.T, text string) map[string]room {
	t.Helper()
	rooms := make(map[string]room)
	for _, table := range strings.Split(text, "| room | holds | promises | may import | lines |\n")[1:] {
		table, _, _ = strings.Cut(table, "\n\n")
		readTable(t, table, rooms)
	}
	return rooms
}

// readTable reads the rows of one table into rooms.
func readTable(t *testing.T, table string, rooms map[string]room) {
	t.Helper()
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 7 {
			t.Fatalf("%q is no row of the table of rooms", line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if strings.HasPrefix(cells[1], "--") {
			continue
		}
		n, err := strconv.Atoi(strings.ReplaceAll(cells[5], ",", ""))
		if err != nil || len(cells[2]) < 8 || len(cells[3]) < 8 {
			t.Errorf("%q: the row says too little (%v)", line, err)
		}
		rooms[strings.Trim(cells[1], "`")] = room{imports: splitImports(strings.ReplaceAll(cells[4], "`", "")), lines: n}
	}
}

var mayImport = regexp.MustCompile(`(?m)^// May import: (.+)\.$`)

// allowedImports reads the line of a package's doc.go that begins with "May import:".
func allowedImports(t *testing.T, pkg string) []string {
	t.Helper()
	m := mayImport.FindAllStringSubmatch(read(t, filepath.Join("..", pkg, "doc.go")), -1)
	if len(m) != 1 {
		t.Errorf("%s/doc.go has %d lines that say what it may import", pkg, len(m))
		return nil
	}
	return splitImports(m[0][1])
}

// splitImports makes a sorted list of one with commas; "nothing of ours" is empty.
func splitImports(list string) []string {
	if list == "nothing of ours" {
		return nil
	}
	names := strings.Split(list, ", ")
	slices.Sort(names)
	return names
}

// ourImports is what a package imports of this module without its tests, sorted.
func ourImports(t *testing.T, pkg string) (list []string) {
	t.Helper()
	for _, file := range sources(t, pkg) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if p, ours := strings.CutPrefix(path, "mcfs/"); ours {
				list = append(list, p)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// linesOf counts the lines of a package without its tests.
func linesOf(t *testing.T, pkg string) (n int) {
	t.Helper()
	for _, file := range sources(t, pkg) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(text, []byte("\n"))
	}
	return n
}

// sources are the files of a package without its tests.
func sources(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
}

// packages are those at and below a folder of this module, sorted.
func packages(t *testing.T, below string) (list []string) {
	t.Helper()
	root := filepath.Join("..", below)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("packages below %s: %w", below, err)
		case !d.IsDir():
			return nil
		case path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		}
		if pkg := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator))); len(sources(t, pkg)) > 0 {
			list = append(list, pkg)
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		t.Fatalf("%d packages below %s: %v", len(list), below, err)
	}
	return list
}
