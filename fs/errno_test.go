package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/volume"
)

func TestErrnos(t *testing.T) {
	for _, row := range errnos {
		wrapped := fmt.Errorf("put a/b: %w", errors.Join(errors.New("why"), row.err))
		if got, known := toErrno(wrapped); got != row.errno || !known {
			t.Errorf("%v: got %v, known %v; want %v", row.err, got, known, row.errno)
		}
	}
	if got, known := toErrno(nil); got != 0 || !known {
		t.Errorf("nil: %v, %v", got, known)
	}
	for _, err := range []error{errors.New("never seen"), io.ErrUnexpectedEOF, syscall.EACCES, context.DeadlineExceeded} {
		if got, known := toErrno(err); got != syscall.EIO || known {
			t.Errorf("%v: got %v, known %v; want EIO, unknown", err, got, known)
		}
	}
}

func TestErrnosOfDecisions(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{volume.ErrName, syscall.EILSEQ},
		{volume.ErrNameTooLong, syscall.ENAMETOOLONG},
		{volume.ErrFull, syscall.ENOSPC},
		{volume.ErrTooBig, syscall.EFBIG},
		{volume.ErrStale, syscall.ESTALE},
		{volume.ErrPermission, syscall.EPERM},
		{volume.ErrNotSupported, syscall.ENOTSUP},
		{volume.ErrNoAttr, noAttr},
		{volume.ErrShutdown, syscall.EIO},
		{context.Canceled, syscall.EINTR},
	} {
		if got, _ := toErrno(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
	if got, _ := toOpenErrno(fmt.Errorf("open x: %w", volume.ErrShutdown)); got != syscall.ESHUTDOWN {
		t.Errorf("open while shutting down: %v", got)
	}
	if got, _ := toOpenErrno(volume.ErrExist); got != syscall.EEXIST {
		t.Errorf("open of what exists: %v", got)
	}
}

// TestEveryVolumeErrorHasARow reads the sources: an error that package volume
// exports and the table does not know would reach programs as a bare EIO.
func TestEveryVolumeErrorHasARow(t *testing.T) {
	exported := make(map[string]bool)
	for _, file := range parseDir(t, "../volume") {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						exported[name.Name] = true
					}
				}
			}
		}
	}
	rows := make(map[string]bool)
	for _, file := range parseDir(t, ".") {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Names[0].Name != "errnos" {
				return true
			}
			ast.Inspect(spec, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && x.Name == "volume" {
						rows[sel.Sel.Name] = true
					}
				}
				return true
			})
			return false
		})
	}
	if len(exported) < 10 || len(rows) < 10 {
		t.Fatalf("found only %d exported errors and %d rows: the search is broken", len(exported), len(rows))
	}
	for _, name := range slices.Sorted(maps.Keys(exported)) {
		if !rows[name] {
			t.Errorf("volume.%s has no row in errnos", name)
		}
	}
}

func parseDir(t *testing.T, dir string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func TestUnexpectedErrorsAreLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	f := &filesystem{trouble: newComplaints(slog.New(slog.NewTextHandler(&out, nil)))}
	for range 5 {
		if got := f.errno("read", errors.New("strange")); got != syscall.EIO {
			t.Fatalf("got %v", got)
		}
	}
	f.errno("write", errors.New("strange"))
	f.errno("read", volume.ErrStale)
	if n := strings.Count(out.String(), "level=WARN"); n != 2 {
		t.Errorf("%d lines, want one each for read and write:\n%s", n, out.String())
	}
}

func TestComplaintsAreForgottenAfterAWhile(t *testing.T) {
	c := newComplaints(slog.New(slog.DiscardHandler))
	now := time.Now()
	for i := range 2 * maxComplaints {
		if !c.due(fmt.Sprint(i), now) {
			t.Fatalf("%d was not due", i)
		}
	}
	if len(c.last) > maxComplaints {
		t.Errorf("%d remembered, at most %d allowed", len(c.last), maxComplaints)
	}
	last := fmt.Sprint(2*maxComplaints - 1)
	if c.due(last, now.Add(complaintPause-1)) {
		t.Error("due again too early")
	}
	if !c.due(last, now.Add(complaintPause)) {
		t.Error("not due again after the pause")
	}
}
