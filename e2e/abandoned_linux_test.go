package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// partFiles are those that the server keeps of unfinished uploads.
func partFiles(t *testing.T, r *rig.Rig) (list []string) {
	t.Helper()
	root := filepath.Join(r.S3.Dir, r.S3.Bucket, ".sgwtmp", "multipart")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			list = append(list, strings.TrimPrefix(p, root))
		}
		return nil // what vanishes meanwhile is not there
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// noPartFiles waits until nothing is left of uploads.
func noPartFiles(t *testing.T, r *rig.Rig) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left := partFiles(t, r)
		if len(left) == 0 && len(r.Uploads()) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left of uploads: %q, %q", left, r.Uploads())
		}
	}
}

// lateParts has parts end after the abort of their upload, and nobody look at what is
// left before the test has.
type lateParts struct {
	p       *s3test.Proxy
	holding atomic.Bool
	parts   chan struct{}
	looks   chan struct{}
}

func holdParts(p *s3test.Proxy) *lateParts {
	l := &lateParts{p: p, parts: make(chan struct{}), looks: make(chan struct{})}
	l.holding.Store(true)
	p.Hook(func(q s3test.Request) s3test.Fault {
		switch {
		case q.Op == "UploadPart" && l.holding.Load():
			return s3test.Fault{Straggle: l.parts}
		case q.Op == "ListParts":
			return s3test.Fault{Gate: l.looks}
		}
		return s3test.Fault{}
	})
	return l
}

// release lets the parts end as soon as their upload has been aborted.
func (l *lateParts) release(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if l.aborted() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the upload is not aborted")
		}
	}
	l.holding.Store(false)
	close(l.parts)
	l.p.Settle(t)
}

func (l *lateParts) aborted() bool {
	for _, q := range l.p.Requests() {
		if q.Op == "AbortMultipartUpload" && q.Status == 204 {
			return true
		}
	}
	return false
}

// TestPartsThatComeAfterTheAbort has the S3 server still at work on parts when the upload
// to which they belong is aborted, since its file is written again or removed: what it
// then keeps goes, too, even if mcfs is killed in between (P5).
func TestPartsThatComeAfterTheAbort(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode   string
		patch  int64 // where it is written again; 0: it is removed
		killed bool
	}{
		"removed":                         {mode: "CTR"},
		"removed, and killed":             {mode: "CTR", killed: true},
		"written again":                   {mode: "CTR", patch: 12 << 16},
		"written at the start of a chain": {mode: "CBC", patch: 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rig.NewSmall(t, rig.Settings{"crypt.mode": `"` + c.mode + `"`}, 5<<16, 1<<30)
			late := holdParts(r.S3.Proxy)
			m := r.Mount("a")
			f := beginFile(t, m.Path("f"), 40<<16)
			late.p.AwaitStragglers(t, 2)
			if c.patch > 0 {
				if _, err := f.WriteAt([]byte("changed"), c.patch); err != nil {
					t.Fatal(err)
				}
			} else if err := os.Remove(f.Name()); err != nil {
				t.Fatal(err)
			}
			late.release(t)
			if len(partFiles(t, r)) == 0 {
				t.Error("no part has come after the abort: the test shows nothing")
			}
			if c.killed {
				m.Kill()
			}
			if err := f.Close(); err != nil && !c.killed {
				t.Error(err)
			}
			if c.killed {
				m.Bury()
				m = m.Again()
			}
			close(late.looks)
			noPartFiles(t, r)
			m.Unmount()
			noPartFiles(t, r)
		})
	}
}

// beginFile writes so many bytes, and leaves the file open.
func beginFile(t *testing.T, name string, size int) *os.File {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	piece := make([]byte, 64<<10)
	for range size / len(piece) {
		if _, err := f.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	return f
}
