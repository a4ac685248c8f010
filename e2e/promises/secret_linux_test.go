package promises

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// TestPromise1NoPlaintextLeavesMemory: no disk and no object has the content or
// a data key, in any spelling.
func TestPromise1NoPlaintextLeavesMemory(t *testing.T) {
	rig.Need(t, "bash")
	begun := time.Now().Add(-time.Second)
	r := rig.New(t, nil)
	m := r.Mount("a")
	marker := "MARKER " + rand.Text()
	text := strings.Repeat(marker+"\n", 2<<20/len(marker))
	m.Within(time.Minute, "write, fsync, write", func() error {
		f, err := os.Create(m.Path("f"))
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err = f.WriteString(text); err == nil {
			err = f.Sync()
		}
		if err != nil {
			return err
		}
		look(t, r, m, "after fsync", marker, begun)
		return f.Close()
	})
	m.Shell(`echo more >>f; cat f >/dev/null; ln -s '` + marker + `' link`)
	look(t, r, m, "after close, append and read", marker, begun)
	m.Unmount()
	look(t, r, m, "after the end", marker, begun)
}

func look(t *testing.T, r *rig.Rig, m *rig.Mount, when, marker string, since time.Time) {
	t.Helper()
	s := rig.NewSearch(append(r.Secrets(), rig.Needle{What: "the content", Text: []byte(marker)}), since)
	for _, place := range []string{r.Dir, r.S3.Dir} {
		s.Walk(t, place)
	}
	s.OpenFiles(t, m.PID())
	for _, hit := range s.Hits {
		t.Errorf("%s, %s", when, hit)
	}
	if s.Bytes < 1<<20 {
		t.Errorf("%s, only %d bytes were searched", when, s.Bytes)
	}
}

// TestPromise2OneKeyOneIVOneContent: whatever begins an object, a rewrite, an
// upload that starts over, or one that a crash cut off, has a key and an IV that
// none had before.
func TestPromise2OneKeyOneIVOneContent(t *testing.T) {
	rig.Need(t, "bash")
	r := rig.New(t, nil)
	m := r.Mount("a")
	m.Shell(`echo one >f; echo two >f; echo three >>f`)
	m.Within(time.Minute, "write over what was sent", func() error {
		f, err := os.Create(m.Path("sent"))
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(make([]byte, 30<<20)); err != nil {
			return err
		}
		aborted := r.S3.Proxy.Count("AbortMultipartUpload")
		r.S3.Proxy.Wait(t, "UploadPart", 1)
		if _, err := f.WriteAt([]byte("another plaintext"), 6<<20); err != nil {
			return err
		}
		r.S3.Proxy.Wait(t, "AbortMultipartUpload", aborted+1)
		return f.Close()
	})
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		return s3test.Fault{Hang: q.Op == "UploadPart" && q.Query.Get("partNumber") != "1"}
	})
	parts, cut := r.S3.Proxy.Count("UploadPart"), make(chan error, 1)
	go func() { // ends with the daemon
		_, err := m.TryShell(rig.Limit, `head -c 30000000 /dev/zero >cut; sync cut`)
		cut <- err
	}()
	r.S3.Proxy.Wait(t, "UploadPart", parts+1)
	m.Kill()
	<-cut
	r.S3.Proxy.Hook(nil)
	if _, err := m.Mcfs(time.Minute, "unmount", m.Dir); err != nil {
		t.Fatal(err)
	}
	again := m.Again()
	again.Shell(`echo again >>cut; echo four >f`)
	again.Unmount()

	seen := make(map[string]string)
	begun := r.Begun()
	for _, q := range begun {
		for _, value := range []string{"IV " + q.Header.Get("X-Amz-Meta-Mcfs-Iv"), "key " + q.Header.Get("X-Amz-Meta-Mcfs-Key")} {
			if other := seen[value]; other != "" {
				t.Errorf("%s %s began with the %s of %s", q.Op, q.Path, value, other)
			}
			seen[value] = q.Op + " " + q.Path
		}
	}
	if len(begun) < 7 {
		t.Errorf("only %d objects were begun", len(begun))
	}
	if err := r.KMS.Repeated(); err != nil {
		t.Error(err)
	}
	r.Proof()
}
