package crypt

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// MediaConvert cannot run here. What two implementations that know nothing of
// this one make of the same files, OpenSSL's command and Node's crypto, is the
// next best proof that it will read them.

// foreignFile is one object on disk, made by this package, with what it takes to decrypt it.
type foreignFile struct {
	Mode   string `json:"mode"`
	Key    string `json:"key"` // hex
	IV     string `json:"iv"`  // hex
	Plain  string `json:"plain"`
	Object string `json:"object"`

	form form
}

// tool finds a program, without which this promise is not tested at all.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not in PATH. Install it: apt-get install openssl nodejs", name)
	}
	return path
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// foreignFiles are objects of every form, key size and length, and those whose
// counter wraps or carries.
func foreignFiles(t *testing.T) []foreignFile {
	dir := t.TempDir()
	var files []foreignFile
	add := func(f form, key, iv []byte, n int) {
		base := filepath.Join(dir, fmt.Sprintf("%03d", len(files)))
		plain := noise(uint64(len(files)), n)
		var object bytes.Buffer
		if _, _, err := EncryptStream(&object, bytes.NewReader(plain), f.mode, key, iv); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{base + ".in": plain, base: object.Bytes()} {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		files = append(files, foreignFile{f.mode.String(), hex.EncodeToString(key), hex.EncodeToString(iv), base + ".in", base, f})
	}
	for i, f := range forms {
		for j, n := range testSizes {
			seed := uint64(100*i + j)
			add(f, noise(seed, 16+8*(j%3)), noise(seed+50, f.ivSize), n)
		}
	}
	key := noise(1, 32)
	for _, iv := range []string{
		"000102030405060708090a0bffffffff",
		"0001020304050607ffffffffffffffff",
		"ffffffffffffffffffffffffffffff00",
	} {
		add(form{CTR, 16}, key, unhex(t, iv), 100_000)
		add(form{GCM, 16}, key, craftIV(key, unhex(t, iv)), 100_000)
	}
	return files
}

func sameFile(t *testing.T, what string, f foreignFile, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s: %s with key %s, IV %s, %d bytes: not the same", what, f.Mode, f.Key, f.IV, len(b))
	}
}

func TestForeignOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl")
	for _, f := range foreignFiles(t) {
		if f.form.mode == GCM {
			continue // "openssl enc" has no GCM: TestForeignNode
		}
		iv := hex.EncodeToString(pad16(unhex(t, f.IV)))
		name := fmt.Sprintf("-aes-%d-%s", len(f.Key)*4, map[Mode]string{CTR: "ctr", CBC: "cbc"}[f.form.mode])
		run(t, openssl, "enc", "-d", name, "-K", f.Key, "-iv", iv, "-in", f.Object, "-out", f.Object+".plain")
		sameFile(t, "openssl decrypts", f, f.Object+".plain", f.Plain)
		run(t, openssl, "enc", "-e", name, "-K", f.Key, "-iv", iv, "-in", f.Plain, "-out", f.Object+".object")
		readForeign(t, f)
	}
}

func TestForeignNode(t *testing.T) {
	node := tool(t, "node")
	files := foreignFiles(t)
	manifest, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(path, manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, node, "testdata/foreign.js", path)
	for _, f := range files {
		sameFile(t, "node decrypts", f, f.Object+".plain", f.Plain)
		readForeign(t, f)
	}
}

// readForeign decrypts OBJECT.object, which somebody else made.
func readForeign(t *testing.T, f foreignFile) {
	t.Helper()
	object, err := os.ReadFile(f.Object + ".object")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(f.Plain)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	_, _, err = DecryptStream(&got, bytes.NewReader(object), f.form.mode, unhex(t, f.Key), unhex(t, f.IV), int64(len(object)))
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("foreign %s with IV %s, %d bytes: %v", f.Mode, f.IV, len(want), err)
	}
}
