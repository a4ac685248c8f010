package verdict

import (
	"errors"
	"fmt"
	"go/ast"
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

	"mcfs/internal/control"
	"mcfs/internal/mounts"
	"mcfs/mediaconvert/document"
	"mcfs/store"
	"mcfs/volume"
)

// declaredCodes are the constants of the type code.
func declaredCodes(t *testing.T) (list []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "verdict.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Code" {
			word, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, word)
		}
		return true
	})
	slices.Sort(list)
	return list
}

var codeRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]{8,} \\|$")

// TestCodes: every code is documented and nothing else is, and every error of the rooms below has
// a code and a cure.
func TestCodes(t *testing.T) {
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range codeRow.FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	if declared := declaredCodes(t); len(declared) < 40 || !slices.Equal(declared, documented) {
		t.Errorf("the codes are\n%q\nand documented are\n%q", declared, documented)
	}
	for _, k := range kinds {
		if k.cure == "" {
			t.Errorf("%s has no cure", k.code)
		}
	}
	source, err := os.ReadFile("verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range exportedErrors(t, "store", "keys", "spool", "sidecar", "internal/control", "internal/drain", "mediaconvert/jobs", "mediaconvert/document", "mediaconvert/wire") {
		if !regexp.MustCompile(regexp.QuoteMeta(name)+`\b`).Match(source) && !slices.Contains(inMounts, name) {
			t.Errorf("%s has no code", name)
		}
	}
}

// inMounts are errors that no command ends with: calls of a mount have them, or findings of mcfs doctor.
var inMounts = []string{"spool.ErrShort", "spool.ErrTooBig", "keys.ErrPoolClosed", "keys.ErrUnbound"}

// exportedErrors are the names of the errors that packages declare for others.
func exportedErrors(t *testing.T, dirs ...string) (list []string) {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^(?:var |\t)(Err[A-Z]\w*) += `)
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllSubmatch(text, -1) {
				list = append(list, filepath.Base(dir)+"."+string(m[1]))
			}
		}
	}
	return list
}

// TestErrorLine: a failure becomes a line that a program reads, whose message does not repeat the cure.
func TestErrorLine(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Line
	}{
		"its own":            {Errorf(Exists, "choose another", "%s exists", "x"), Line{"error", Exists, "x exists", "choose another"}},
		"wrapped":            {fmt.Errorf("a: %w", Errorf(Exists, "choose another", "x exists")), Line{"error", Exists, "a: x exists", "choose another"}},
		"a room's":           {fmt.Errorf("get s3://b/k: %w: 403", store.ErrDenied), Line{"error", StoreDenied, "get s3://b/k: access denied: 403", "give credentials that may use the bucket"}},
		"a refusal":          {&document.Refusal{What: "output", Why: "none", Cure: "give one"}, Line{"error", JobDocument, "output: none", "give one"}},
		"a path in no mount": {fmt.Errorf("sync: %w", fmt.Errorf("a.mov %w", mounts.ErrNotIn)), Line{"error", NotInMount, "sync: a.mov is not in a mount of mcfs", "mount it"}},
		"a file's":           {&fs.PathError{Op: "open", Path: "x\n", Err: fs.ErrNotExist}, Line{"error", NotFound, `open x: file does not exist`, "correct the path"}},
		"a daemon's": {fmt.Errorf("sync x: %w", control.Failure{Text: "y is stuck"}),
			Line{"error", DaemonRefused, "sync x: y is stuck", "see mcfs status, and the daemon's log"}},
		"of nothing": {errors.New("odd"), Line{"error", Failed, "odd", ""}},
	} {
		got := LineOf(c.err)
		if name == "a file's" {
			got.Message = strings.ReplaceAll(strings.ReplaceAll(got.Message, `;`, ""), " :", ":")
		}
		if got != c.want {
			t.Errorf("%s: %+v, not %+v", name, got, c.want)
		}
	}
}

// TestAddCures: a failure of a draft has the cure that a command would tell, the first thousand do, and
// one of which only the words are known has none.
func TestAddCures(t *testing.T) {
	failed := func(err error) *volume.Failure { return &volume.Failure{Cause: "it failed", Err: err} }
	s := volume.Status{Drafts: []volume.DraftStatus{{Failure: failed(fmt.Errorf("put: %w", store.ErrDenied))}, {}, {Failure: failed(nil)}, {Failure: failed(errors.New("strange"))}}}
	for range mostCures {
		s.Drafts = append(s.Drafts, volume.DraftStatus{Failure: failed(store.ErrDenied)})
	}
	AddCures(&s)
	const cure = "give credentials that may use the bucket"
	if a, b, c := s.Drafts[0].Failure.Cure, s.Drafts[2].Failure.Cure, s.Drafts[3].Failure.Cure; a != cure || b != "" || c != "" {
		t.Errorf("%q %q %q", a, b, c)
	}
	if n := len(s.Drafts); s.Drafts[n-3].Failure.Cure != cure || s.Drafts[n-2].Failure.Cure != "" {
		t.Error("not the first thousand")
	}
}
