package promises

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

// TestPromise3SidecarTellsTheTruth looks at the bucket all the while that a file
// is overwritten, renamed over and removed: a sidecar that is there decrypts the
// object that is there with it.
func TestPromise3SidecarTellsTheTruth(t *testing.T) {
	rig.Need(t, "bash")
	r := rig.New(t, nil)
	m := r.Mount("a")
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault { // so that what is between two requests can be seen
		return s3test.Fault{Delay: time.Duration(len(q.Op)%3+1) * 20 * time.Millisecond}
	})
	done := make(chan error, 1)
	go func() { // ends with its script
		_, err := m.TryShell(rig.Limit, `for i in 1 2 3 4 5 6; do
			for j in $(seq $((i * 100))); do echo "content $i"; done >f
			for j in $(seq $((i * 70))); do echo "content 1$i"; done >g
			mv g f; sync f
			if [ $((i % 3)) = 0 ]; then rm f; fi
		done; echo "content 7" >f`)
		done <- err
	}()
	judged := make(map[string]bool)
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			running = false
		default:
		}
		if plain, ok := truth(t, r, rig.Prefix+"f"); ok {
			judged[plain] = true
			if first, _, _ := strings.Cut(plain, "\n"); !strings.HasPrefix(first, "content ") || plain != strings.Repeat(first+"\n", strings.Count(plain, "\n")) {
				t.Fatalf("the sidecar decrypts the object to %.40q", plain)
			}
		}
	}
	if len(judged) < 4 {
		t.Errorf("only %d versions were seen", len(judged))
	}
	m.Unmount()
	r.Proof()
}

// TestPromise3InAMovedDirectory renames over files of a directory whose own move is
// still to be done in S3: where they stand then, their sidecars go first, too.
func TestPromise3InAMovedDirectory(t *testing.T) {
	rig.Need(t, "bash")
	r := rig.New(t, rig.Settings{"mount.durability": `"spool"`, "upload.timeout": `"20s"`})
	m := r.Mount("a")
	m.Shell(`mkdir d; for f in f g h; do echo "old $f" >d/$f; done; ln -s x link; echo new >new`)
	r.Settle(time.Minute, []string{"d/", "d/f", "d/g", "d/h", "new"}, "link")

	gate, replaced := make(chan struct{}), make(chan string, 100)
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		if q.Method == http.MethodGet || q.Method == http.MethodHead {
			return s3test.Fault{}
		}
		key := strings.TrimPrefix(q.Path, "/"+r.S3.Bucket+"/")
		name := strings.TrimPrefix(key, rig.Prefix+"e/")
		visible := slices.Contains([]string{"PutObject", "CopyObject", "CompleteMultipartUpload"}, q.Op)
		if _, there := r.Find(key); there && visible && len(name) == 1 {
			if _, there = r.Find(key + rig.SidecarSuffix); there {
				t.Errorf("%s of %s comes before the sidecar of what it replaces is gone", q.Op, key)
			}
			replaced <- name
		}
		return s3test.Fault{Gate: gate}
	})
	m.Shell(`mv d e; mv link e/f; mv new e/g; echo draft >draft; mv draft e/h`)
	close(gate)
	r.Settle(time.Minute, []string{"e/", "e/g", "e/h"}, "e/f")
	m.Unmount()
	r.Proof()
	if len(replaced) < 3 {
		t.Errorf("of three files %d were replaced where S3 has them", len(replaced))
	}
}

// truth is what the sidecar makes of the object, if both stayed while one looked.
func truth(t *testing.T, r *rig.Rig, key string) (string, bool) {
	t.Helper()
	side, ok := r.Find(key + rig.SidecarSuffix)
	if !ok {
		return "", false
	}
	object, there := r.Find(key)
	again, ok := r.Find(key + rig.SidecarSuffix)
	if !ok || again.ETag != side.ETag {
		return "", false // another one by now: no sidecar has the ETag of an earlier one
	}
	if !there {
		t.Fatal("a sidecar has no object")
	}
	var doc struct {
		DecryptionSettings struct{ EncryptedDecryptionKey, InitializationVector []byte }
	}
	if err := json.Unmarshal(side.Body, &doc); err != nil {
		t.Fatalf("%v: %s", err, side.Body)
	}
	dataKey, err := r.KMS.Decrypt(doc.DecryptionSettings.EncryptedDecryptionKey, kmstest.Context())
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCTR(block, doc.DecryptionSettings.InitializationVector).XORKeyStream(object.Body, object.Body)
	return string(object.Body), true
}

// TestPromise4CloseMeansS3: when close returns 0 everything is there, however
// slow S3 is; when it fails, status says so, and the file arrives later.
func TestPromise4CloseMeansS3(t *testing.T) {
	rig.Need(t, "bash")
	r := rig.New(t, rig.Settings{"upload.timeout": `"2s"`})
	m := r.Mount("a")
	m.Expect(`level=ERROR.*(close|upload|commit)`)
	r.S3.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Delay: 200 * time.Millisecond} })
	m.Within(time.Minute, "save", func() error { return os.WriteFile(m.Path("f"), []byte("text"), 0o600) })
	if plain, ok := truth(t, r, rig.Prefix+"f"); !ok || plain != "text" {
		t.Errorf("close has returned, and S3 has %q, with a sidecar: %v", plain, ok)
	}
	r.S3.Proxy.Hook(func(s3test.Request) s3test.Fault { return s3test.Fault{Status: 503, Code: "SlowDown"} })
	m.Within(time.Minute, "save", func() error {
		if err := os.WriteFile(m.Path("g"), []byte("kept"), 0o600); err == nil || !strings.Contains(err.Error(), "input/output error") {
			return fmt.Errorf("S3 takes nothing, and close returned %v", err)
		}
		return nil
	})
	if out, err := m.Mcfs(time.Minute, "status", m.Dir); err != nil || !strings.Contains(out, " g  4 B") {
		t.Errorf("status does not tell of it: %v\n%s", err, out)
	}
	if got := m.Run("cat", "g"); got != "kept" {
		t.Errorf("the mount shows %q", got)
	}
	r.S3.Proxy.Hook(nil)
	r.Settle(time.Minute, []string{"f", "g"})
	if plain, _ := truth(t, r, rig.Prefix+"g"); plain != "kept" {
		t.Errorf("S3 has %q", plain)
	}
	m.Unmount()
}

// TestPromise5CrashLosesNothing kills the daemon in the middle of an upload: what
// close and fsync promised is there, names are as they were changed, nothing
// half is visible, and of unfinished uploads only somebody else's is left.
func TestPromise5CrashLosesNothing(t *testing.T) {
	rig.Need(t, "bash")
	r := rig.New(t, nil)
	m := r.Mount("a")
	m.Shell(`echo closed >closed; echo old >old; echo gone >gone`)
	r.Begin(rig.Prefix + "somebody else's")
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		return s3test.Fault{Hang: q.Op == "UploadPart" || strings.HasSuffix(q.Path, "/new") || strings.Contains(q.Path, "/gone") && q.Op == "DeleteObject"}
	})
	var f *os.File
	m.Within(time.Minute, "write and fsync", func() (err error) {
		if f, err = os.Create(m.Path("fsynced")); err == nil {
			_, err = f.WriteString("fsynced")
		}
		if err != nil {
			return err
		}
		return f.Sync()
	})
	defer f.Close()
	m.Shell(`mv old new; rm gone`)
	half := make(chan error, 1)
	go func() { // ends with the daemon
		_, err := m.TryShell(rig.Limit, `head -c 30000000 /dev/zero >half`)
		half <- err
	}()
	r.S3.Proxy.Wait(t, "UploadPart", 1)
	m.Kill()
	<-half
	r.S3.Proxy.Hook(nil)
	for _, key := range r.Keys() {
		if strings.Contains(key, "half") || strings.Contains(key, "fsynced") {
			t.Errorf("S3 shows %s", key)
		}
	}
	if n := len(r.Uploads()); n != 2 {
		t.Errorf("%d uploads are unfinished, not 2", n)
	}
	if out, err := m.Mcfs(time.Minute, "unmount", m.Dir); err != nil {
		t.Fatalf("unmount of a dead mount: %v\n%s", err, out)
	}
	again := m.Again()
	if got := again.Shell(`cat closed new fsynced; ls old gone 2>/dev/null || true`); got != "closed\nold\nfsynced" {
		t.Errorf("the next mount shows %q", got)
	}
	again.Shell(`echo >>fsynced; rm -f half`)
	again.Unmount()
	left := r.Uploads()
	if len(left) != 1 || left[0] != rig.Prefix+"somebody else's" {
		t.Errorf("unfinished uploads: %q", left)
	}
	if got, want := fmt.Sprint(r.Keys()), keysOf("closed", "fsynced", "new"); got != want {
		t.Errorf("S3 has %s, not %s", got, want)
	}
	r.Proof()
}

// keysOf are the keys of files and their sidecars.
func keysOf(files ...string) string {
	var keys []string
	for _, f := range files {
		keys = append(keys, rig.Prefix+f, rig.Prefix+f+rig.SidecarSuffix)
	}
	return fmt.Sprint(keys)
}

// TestPromise6OneUploadPerFile saves as programs do, under the file's name or by
// way of a temporary one: one object, one sidecar after it, and nothing else.
func TestPromise6OneUploadPerFile(t *testing.T) {
	rig.Need(t, "bash", "rsync")
	r := rig.New(t, nil)
	m := r.Mount("a")
	source := t.TempDir() + "/"
	m.Shell(`cd '` + source + `'; seq 300000 >synced`)
	mark := r.Mark()
	m.Shell(`exec 3>written; echo a >&3; (echo b) >&3; /bin/echo c >&3; exec 3>&-
		rsync '` + source + `synced' .
		echo lock >.~lock.edited#; echo one >edited.swp; set -C; echo new >.edited.swp; mv .edited.swp edited; rm .~lock.edited# edited.swp
		echo draft >draft.part; mv draft.part drafted`)
	r.Settle(time.Minute, []string{"written", "synced", "edited", "drafted"})
	want := rig.Saved{Objects: 1, Sidecars: 1}
	for name, s := range r.Saves(mark) {
		s.Restated = 0 // attributes, which rsync sets after the rename
		if name == "edited.swp" && s == want {
			continue // no temporary name, by itself
		}
		if s != want {
			t.Errorf("%s: %v", name, s)
		}
	}
	objects := make(map[string]bool)
	for _, q := range r.S3.Proxy.Requests()[mark:] {
		if q.Status/100 != 2 || q.Op != "PutObject" && q.Op != "CompleteMultipartUpload" {
			continue
		}
		name := strings.TrimPrefix(q.Path, "/"+r.S3.Bucket+"/"+rig.Prefix)
		for _, temporary := range []string{".edited.swp", ".~lock", "draft.part", ".synced."} {
			if strings.HasPrefix(name, temporary) {
				t.Errorf("%s reached the bucket", name)
			}
		}
		file, side := strings.CutSuffix(name, rig.SidecarSuffix)
		if side && !objects[file] {
			t.Errorf("the sidecar of %s came before its object", file)
		}
		objects[file] = true
	}
	m.Unmount()
	r.Proof()
}
