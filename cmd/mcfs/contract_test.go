package main

import (
	"bytes"
	"encoding/json"
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

	"github.com/spf13/cobra"

	"mcfs/internal/control"
	"mcfs/mediaconvert/document"
	"mcfs/store"
)

// commandsPage is the page of the contract of all commands.
func commandsPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// everyCommand calls do with each command that a user sees.
func everyCommand(c *cobra.Command, do func(*cobra.Command)) {
	for _, below := range c.Commands() {
		if below.Name() == "help" || below.Name() == "completion" {
			continue
		}
		do(below)
		everyCommand(below, do)
	}
}

// TestExitStatuses: the help of every command says with which statuses it ends, and the page of
// the commands says the same of it.
func TestExitStatuses(t *testing.T) {
	page := commandsPage(t)
	for _, e := range exits {
		if row := fmt.Sprintf("| %d | %s |", e.status, e.meaning); !strings.Contains(page, row) {
			t.Errorf("docs/commands.md lacks %q", row)
		}
	}
	count := 0
	everyCommand(newRoot(stdio{}), func(c *cobra.Command) {
		count++
		path := strings.Fields(c.CommandPath())
		var out, said bytes.Buffer
		args := append([]string{"mcfs", "help"}, path[1:]...)
		if status := run(t.Context(), args, stdio{out: &out, err: &said}); status != exitOK {
			t.Errorf("%v ends with %d: %s", args, status, said.String())
		}
		var numbers []string
		for _, e := range exits {
			line := fmt.Sprintf("\n  %-4d %s\n", e.status, e.meaning)
			may := slices.Contains(exitsOf(c), e.status)
			if strings.Contains(out.String(), line) != may {
				t.Errorf("the help of %s: is %q in it? it should be: %v", c.CommandPath(), line, may)
			}
			if may {
				numbers = append(numbers, strconv.Itoa(e.status))
			}
		}
		if row := fmt.Sprintf("| `%s` | %s |", c.CommandPath(), strings.Join(numbers, " ")); !strings.Contains(page, row) {
			t.Errorf("docs/commands.md lacks %q", row)
		}
	})
	if count < 15 {
		t.Errorf("only %d commands were found", count)
	}
}

// declaredCodes are the constants of the type code.
func declaredCodes(t *testing.T) (list []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "code" {
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
	var documented []string
	for _, m := range codeRow.FindAllStringSubmatch(commandsPage(t), -1) {
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
	source, err := os.ReadFile("codes.go")
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
		want errorLine
	}{
		"its own":   {failuref(codeExists, "choose another", "%s exists", "x"), errorLine{"error", codeExists, "x exists", "choose another"}},
		"wrapped":   {statusError{fmt.Errorf("a: %w", failuref(codeExists, "choose another", "x exists")), 3}, errorLine{"error", codeExists, "a: x exists", "choose another"}},
		"a room's":  {fmt.Errorf("get s3://b/k: %w: 403", store.ErrDenied), errorLine{"error", codeStoreDenied, "get s3://b/k: access denied: 403", "give credentials that may use the bucket"}},
		"a refusal": {&document.Refusal{What: "output", Why: "none", Cure: "give one"}, errorLine{"error", codeJobDocument, "output: none", "give one"}},
		"a file's":  {&fs.PathError{Op: "open", Path: "x\n", Err: fs.ErrNotExist}, errorLine{"error", codeNotFound, `open x: file does not exist`, "correct the path"}},
		"a daemon's": {fmt.Errorf("sync x: %w", control.Failure{Text: "y is stuck"}),
			errorLine{"error", codeDaemonRefused, "sync x: y is stuck", "see mcfs status, and the daemon's log"}},
		"of nothing": {errors.New("odd"), errorLine{"error", codeFailed, "odd", ""}},
	} {
		var b bytes.Buffer
		tellError(&b, c.err, true)
		var got errorLine
		d := json.NewDecoder(&b)
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if name == "a file's" {
			got.Message = strings.ReplaceAll(strings.ReplaceAll(got.Message, `;`, ""), " :", ":")
		}
		if got != c.want {
			t.Errorf("%s: %+v, not %+v", name, got, c.want)
		}
	}
}
