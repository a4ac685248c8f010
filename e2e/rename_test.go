package e2e

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// largeObject is the size of the object that TestRenameOfALargeObject renames,
// bytes: "make large" sets it above 5 GiB, the most that one CopyObject may move.
func largeObject(t *testing.T) int64 {
	text := os.Getenv("MCFS_TEST_LARGE")
	if text == "" {
		return 832 << 20 // four parts of a copy, of which two are under way at the kill
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestRenameOfALargeObject kills the mount while the parts of the copy are under
// way, and mounts again: the name is the new one from the start, and in the end
// so is the object, and no upload is left.
func TestRenameOfALargeObject(t *testing.T) {
	t.Parallel()
	const sample = 1 << 20
	size := largeObject(t)
	r := rig.New(t, rig.Settings{"upload.concurrency": "2"})
	samples := make([]byte, sample)
	if _, err := rand.Read(samples); err != nil {
		t.Fatal(err)
	}
	at := []int64{0, size / 2, size - sample}
	placeSparse(t, r, "big", size, samples, at)

	m := r.MountWith(rig.Binary(t, false), "a")
	from := len(r.S3.Proxy.Requests())
	start := time.Now()
	m.Run("mv", m.Path("big"), m.Path("moved"))
	if took := time.Since(start); took > rig.Soon {
		t.Errorf("mv took %v", took)
	}
	copied := func() (parts int) {
		for _, q := range r.S3.Proxy.Requests()[from:] {
			if q.Op == "UploadPartCopy" && q.Status == 200 {
				parts++
			}
		}
		return parts
	}
	for deadline := time.Now().Add(time.Minute); copied() < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no part is copied")
		}
	}
	m.Kill()
	if len(r.Uploads()) != 1 {
		t.Errorf("uploads after the kill: %v; the test shows nothing", r.Uploads())
	}
	if out, err := m.Mcfs(20*time.Second, "unmount", m.Dir); err != nil {
		t.Fatalf("unmount of a dead mount: %v\n%s", err, out)
	}
	m = m.Again()
	if out := m.Run("ls", m.Dir); out != "moved\n" {
		t.Errorf("the mount shows %q", out)
	}
	r.Settle(2*time.Minute, nil, "moved")
	f, err := os.Open(m.Path("moved"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, sample)
	for _, off := range at {
		if _, err := f.ReadAt(got, off); err != nil || !bytes.Equal(got, samples) {
			t.Errorf("bytes at %d differ (%v)", off, err)
		}
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Errorf("%v, %v", info, err)
	}
	f.Close()
	m.Unmount()
}

// placeSparse puts an object into the server's own folder, mostly holes: nobody
// has to send so many bytes.
func placeSparse(t *testing.T, r *rig.Rig, name string, size int64, sample []byte, at []int64) {
	t.Helper()
	r.Put(rig.Prefix+name, rig.Object{Body: sample}) // with the attributes that the server keeps
	path := filepath.Join(r.S3.Dir, r.S3.Bucket, rig.Prefix, name)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, off := range at {
		if _, err := f.WriteAt(sample, off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}
