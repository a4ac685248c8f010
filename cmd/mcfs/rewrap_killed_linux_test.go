package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/store/s3/s3test"
)

// killWatched has a command killed at some instant, while all files are looked at. What it has left the
// next look finds.
func (k *killedRun) killWatched(kill func(*exec.Cmd), args ...string) {
	k.t.Helper()
	c := k.command(args...)
	if err := c.Start(); err != nil {
		k.t.Fatal(err)
	}
	found := make(chan error, 1)
	look := k.command("verify", k.address, "--json")
	go func() {
		_, err := looked(look)
		found <- err
	}()
	kill(c)
	if err := <-found; err != nil {
		k.t.Fatal(err)
	}
}

// afterPuts kills what has been started some milliseconds after it has put some objects, both drawn.
func (k *killedRun) afterPuts(s3 *s3test.Server, most int) func(*exec.Cmd) {
	n := s3.Proxy.Count("PutObject") + 1 + rand.IntN(most)
	return func(c *exec.Cmd) {
		s3.Proxy.Wait(k.t, "PutObject", n)
		time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond) // in which request it is killed is drawn
		_ = c.Process.Kill()
		_ = c.Wait()
	}
}

// store is the volume in S3, asked beside mcfs.
func (k *killedRun) store(s3 *s3test.Server) store.Store {
	return s3.Open(k.t, strings.TrimPrefix(k.address, "s3://"+s3.Bucket+"/"))
}

// read reads an object.
func (k *killedRun) read(st store.Store, key string) ([]byte, store.Info) {
	k.t.Helper()
	body, info, err := st.Get(k.t.Context(), key, store.Range{}, "")
	if err != nil {
		k.t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		k.t.Fatal(err)
	}
	return text, info
}

// TestRewrapKilled: mcfs rewrap is killed at random over a hundred files and run again: at every
// moment each file decrypts under the key that its settings name, and in the end that is the new one
// for all. What was done is not done again, and no object was touched.
func TestRewrapKilled(t *testing.T) {
	t.Parallel()
	s3 := s3test.Start(t, s3test.WithProxy())
	k := newKilledRun(t, s3, few)
	k.must("encrypt", "src", k.address)
	seen := make(map[string]string)
	k.once(s3, seen)
	text, err := os.ReadFile(filepath.Join(k.dir, "aws.toml"))
	if err != nil {
		t.Fatal(err)
	}
	next := bytes.Replace(text, []byte(k.kms.ARN(0)), []byte(k.kms.ARN(2)), 1)
	if err := os.WriteFile(filepath.Join(k.dir, "next.toml"), next, 0o600); err != nil {
		t.Fatal(err)
	}
	k.config = "next.toml"
	for range k.kills {
		k.killWatched(k.afterPuts(s3, k.files/k.kills/2), "rewrap", "--rate", "20", k.address) // so that there is work for each
	}
	k.sound()
	before := k.kms.Count("ReEncrypt")
	k.must("rewrap", "--rate", "1000", k.address)
	if n := k.kms.Count("ReEncrypt"); n < k.files || n > k.files+k.kills*parallelFiles {
		t.Errorf("%d data keys of %d files were moved, %d of them before the last run", n, k.files, before)
	} else if before < k.kills || before >= n {
		t.Errorf("%d of %d data keys were moved before the last run: not every kill came between", before, n)
	}
	k.once(s3, seen)
	st := k.store(s3)
	for i := range k.files {
		_, info := k.read(st, sidecar.Name(fmt.Sprintf("dir%d/file%d", i%7, i)))
		if id := info.Metadata[sidecar.KeyKeyID]; id != k.kms.ARN(2) {
			t.Fatalf("file%d is under %s", i, id)
		}
	}
	moved := k.kms.Count("ReEncrypt")
	k.must("rewrap", k.address)
	if n := k.kms.Count("ReEncrypt"); n != moved {
		t.Errorf("%d data keys were moved again", n-moved)
	}
	k.config = "aws.toml" // of the old key, by which all can still be read
	k.must("verify", k.address)
}

// TestPromoteKilled: mcfs promote is killed at random and run again, first into an empty volume, then over
// what is there: nothing is damaged at any moment, and in the end each file is there once, byte for byte
// as it was encrypted, and no upload is left. Those from which they come stay as they are.
func TestPromoteKilled(t *testing.T) {
	t.Parallel()
	s3 := s3test.Start(t)
	k := newKilledRun(t, s3, few)
	from := filepath.Join(k.dir, "shared", "store")
	encrypt := func(flags ...string) {
		k.config = "dir.toml"
		k.must(append([]string{"encrypt", "src", from}, flags...)...)
		k.config = "aws.toml"
	}
	encrypt()
	promote := []string{"promote", "--from", filepath.Join(k.dir, "dir.toml"), from}
	for range k.kills / 2 {
		k.killWatched(k.end, promote...)
	}
	k.sound()
	k.must(promote...)
	seen := make(map[string]string)
	k.once(s3, seen)
	k.alike(s3, from)
	for i := range k.files {
		k.write(i, 2+rand.IntN(20_000))
	}
	k.write(0, 10<<20)
	encrypt("--force")
	promote = append(promote, "--force")
	for range k.kills / 2 {
		k.killWatched(k.end, promote...)
	}
	k.sound()
	k.must(promote...)
	k.once(s3, seen)
	k.alike(s3, from)
	k.config = "dir.toml"
	k.must("verify", from)
}

// alike demands that each object is what the folder has under its name.
func (k *killedRun) alike(s3 *s3test.Server, dir string) {
	k.t.Helper()
	st, files := k.store(s3), 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || sidecar.Is(name) || strings.HasPrefix(name, ".") {
			return err
		}
		files++
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if got, _ := k.read(st, name); !bytes.Equal(got, want) {
			k.t.Errorf("%s is not as it was encrypted", name)
		}
		return nil
	})
	if err != nil || files != k.files {
		k.t.Errorf("%d files of %d, %v", files, k.files, err)
	}
}
