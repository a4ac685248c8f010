package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	iofs "io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// troubleRow is a row whose first cell is a text in backquotes, with a cell of what it says and one of
// what to do.
var troubleRow = regexp.MustCompile("(?m)^\\| `([^`]+)`[^|]* \\| [^|]{4,} \\| [^|]{4,} \\|$")

// TestTroubleshooting: the page has a row for every warning and error that is logged, and for every
// error number that a program in a mount can get, and for nothing else.
func TestTroubleshooting(t *testing.T) {
	var rows []string
	for _, m := range troubleRow.FindAllStringSubmatch(read(t, "troubleshooting.md"), -1) {
		rows = append(rows, m[1])
	}
	want := append(logged(t), errnos(t)...)
	if len(want) < 100 {
		t.Fatalf("only %d messages and error numbers are found", len(want))
	}
	for _, w := range want {
		if !slices.Contains(rows, w) {
			t.Errorf("no row for %s", w)
		}
	}
	for i, r := range rows {
		if !slices.Contains(want, r) {
			t.Errorf("a row for %s, which nothing says", r)
		}
		if slices.Contains(rows[:i], r) {
			t.Errorf("two rows for %s", r)
		}
	}
}

// spoken are messages that are made by functions, and not where they are logged.
var spoken = map[string]string{"failedText": "internal/watches/news.go"}

// logged are the messages of the program's warnings and errors.
func logged(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d iofs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"tools", "bench", "e2e", "demo", ".git"}, name) || strings.HasSuffix(name, "test")):
			return iofs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				list = append(list, messageOf(n)...)
			case *ast.FuncDecl:
				if file, ok := spoken[n.Name.Name]; ok && strings.HasSuffix(path, filepath.FromSlash(file)) {
					list = append(list, returned(n)...)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// messageOf is the message of a call that logs a warning or an error, if it is a constant.
func messageOf(c *ast.CallExpr) []string {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	at, known := map[string]int{"Warn": 0, "Error": 0, "WarnContext": 1, "ErrorContext": 1, "Log": 2, "LogAttrs": 2}[s.Sel.Name]
	if !known || len(c.Args) <= at {
		return nil
	}
	if text, ok := constant(c.Args[at]); ok {
		return []string{text}
	}
	return nil
}

// returned are the texts that a function returns.
func returned(f *ast.FuncDecl) (list []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
			if text, ok := constant(r.Results[0]); ok {
				list = append(list, text)
			}
		}
		return true
	})
	return list
}

// constant is the value of a text in quotes, or of several that are added.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok := constant(e.X)
		b, also := constant(e.Y)
		return a + b, ok && also
	}
	return "", false
}

// errnos are the error numbers of calls in a mount, on Linux.
func errnos(t *testing.T) (list []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`syscall\.(E[A-Z]+)\b`).FindAllStringSubmatch(read(t, "../fs/errno.go"), -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}
