package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/keys/kmstest"
)

// TestBadObjects puts into the bucket what is broken, foreign or made by hand.
// What is broken gives EIO and one line in the log, and troubles no other file.
func TestBadObjects(t *testing.T) {
	t.Parallel()
	rig.Need(t, "bash", "openssl")
	for _, mode := range []string{"CTR", "CBC", "GCM"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			badObjects(t, mode)
		})
	}
}

// broken are the files that are spoiled, each a copy of a good one, and how.
var broken = map[string]func(r *rig.Rig, object, side *rig.Object){
	"sidecar is no JSON":       func(_ *rig.Rig, _, s *rig.Object) { s.Body = []byte("{ this is not") },
	"sidecar is empty":         func(_ *rig.Rig, _, s *rig.Object) { s.Body = nil },
	"sidecar has no key":       func(_ *rig.Rig, _, s *rig.Object) { edit(s, "EncryptedDecryptionKey", "") },
	"sidecar has a wrong mode": func(_ *rig.Rig, _, s *rig.Object) { edit(s, "DecryptionMode", "AES_XTS") },
	"size is no number":        func(_ *rig.Rig, _, s *rig.Object) { s.Meta["mcfs-size"] = "many" },
	"mtime is no time":         func(_ *rig.Rig, _, s *rig.Object) { s.Meta["mtime"] = "yesterday" },
	"object metadata is malformed, and no sidecar": func(_ *rig.Rig, o, s *rig.Object) {
		o.Meta["mcfs-iv"], *s = "!!!", rig.Object{}
	},
	"format of the future, and no sidecar": func(_ *rig.Rig, o, s *rig.Object) {
		o.Meta["mcfs"], *s = "99", rig.Object{}
	},
	"key of another context": func(r *rig.Rig, o, s *rig.Object) {
		blob, err := r.KMS.Wrap(0, bytes.Repeat([]byte{7}, 32), map[string]string{"service": "elsewhere.example.com"})
		if err != nil {
			panic(err)
		}
		edit(s, "EncryptedDecryptionKey", base64.StdEncoding.EncodeToString(blob))
		o.Meta = nil
	},
	"key of nobody": func(_ *rig.Rig, o, s *rig.Object) {
		blob := make([]byte, 184)
		rand.Read(blob)
		edit(s, "EncryptedDecryptionKey", base64.StdEncoding.EncodeToString(blob))
		o.Meta = nil
	},
	"key of another file": func(r *rig.Rig, o, s *rig.Object) {
		blob, err := r.KMS.Wrap(0, bytes.Repeat([]byte{9}, 32), kmstest.Context())
		if err != nil {
			panic(err)
		}
		edit(s, "EncryptedDecryptionKey", base64.StdEncoding.EncodeToString(blob))
	},
	"a byte is flipped":  func(_ *rig.Rig, o, _ *rig.Object) { o.Body[len(o.Body)/2] ^= 1 },
	"the end is cut off": func(_ *rig.Rig, o, _ *rig.Object) { o.Body = o.Body[:len(o.Body)-16] },
}

// edit replaces a value in a sidecar's decryption settings.
func edit(side *rig.Object, field, value string) {
	var doc map[string]any
	if err := json.Unmarshal(side.Body, &doc); err != nil {
		panic(err)
	}
	doc["DecryptionSettings"].(map[string]any)[field] = value
	side.Body, _ = json.Marshal(doc)
}

func badObjects(t *testing.T, mode string) {
	r := rig.New(t, rig.Settings{"crypt.mode": `"` + mode + `"`})
	m := r.Mount("a")
	content := strings.Repeat("good content ", 30_000)
	for name := range broken {
		m.Within(rig.Limit, "write", func() error { return writeFile(m.Path(name), content) })
	}
	m.Within(rig.Limit, "write", func() error { return writeFile(m.Path("good"), content) })
	m.Unmount()
	for name, spoil := range broken {
		object, side := r.Get(rig.Prefix+name), r.Get(rig.Prefix+name+rig.SidecarSuffix)
		spoil(r, &object, &side)
		r.Put(rig.Prefix+name, object)
		if side.Meta == nil {
			r.Delete(rig.Prefix + name + rig.SidecarSuffix)
			continue
		}
		r.Put(rig.Prefix+name+rig.SidecarSuffix, side)
	}
	foreign := strings.Repeat("as it is\n", 5000)
	r.Put(rig.Prefix+"foreign", rig.Object{Body: []byte(foreign)})
	byHand := putByHand(t, r, mode)

	cold := r.Mount("cold")
	cold.Expect(`.`) // every one of them is looked at below
	for name := range broken {
		before := len(complaints(cold, name))
		out, err := cold.Try(30*time.Second, "cat", name)
		if err == nil || !strings.Contains(out, "Input/output error") {
			t.Errorf("cat of a file whose %s: %v, %q", name, err, tail(out))
		}
		if n := len(complaints(cold, name)) - before; n+before != 1 {
			t.Errorf("%s: %d log lines, not 1:\n%s", name, n+before, strings.Join(complaints(cold, name), "\n"))
		}
	}
	for name, want := range map[string]string{"good": content, "foreign": foreign, "by hand": byHand} {
		if name == "by hand" && mode == "GCM" {
			continue // openssl's command knows no GCM
		}
		if got := cold.Run("cat", name); got != want {
			t.Errorf("%s reads as %d bytes %q, not %d", name, len(got), tail(got), len(want))
		}
	}
	cold.Run("ls", "-l")
	cold.Run("bash", "-c", "echo still writable >after && cat after && rm good foreign")
	cold.Unmount()
	checkLog(t, cold)
}

func tail(s string) string { return s[max(0, len(s)-200):] }

// complaints are the lines that speak of a file.
func complaints(m *rig.Mount, name string) []string {
	var all []string
	for _, level := range []string{"level=ERROR", "level=WARN"} {
		all = append(all, m.LogLines(level, `"`+name+`"`)...)
		all = append(all, m.LogLines(level, name+":")...)
		all = append(all, m.LogLines(level, "/"+name+" ")...)
	}
	seen := make(map[string]bool)
	var unique []string
	for _, line := range all {
		if !seen[line] {
			seen[line] = true
			unique = append(unique, line)
		}
	}
	return unique
}

// checkLog demands that nothing worse than errors is in the log.
func checkLog(t *testing.T, m *rig.Mount) {
	t.Helper()
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if lines := m.LogLines(bad); len(lines) > 0 {
			t.Errorf("the daemon said: %s", lines[0])
		}
	}
}

// putByHand encrypts a file with the openssl command, and puts beside it a
// sidecar as somebody would write it.
func putByHand(t *testing.T, r *rig.Rig, mode string) string {
	t.Helper()
	if mode == "GCM" {
		return ""
	}
	content := strings.Repeat("encrypted by the openssl command\n", 12_345)
	key, iv := make([]byte, 32), make([]byte, 16)
	rand.Read(key)
	rand.Read(iv)
	cmd := exec.Command("openssl", "enc", "-aes-256-"+strings.ToLower(mode), "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(iv))
	cmd.Stdin = strings.NewReader(content)
	sealed, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl: %v", err)
	}
	wrapped, err := r.KMS.Wrap(0, key, kmstest.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Put(rig.Prefix+"by hand", rig.Object{Body: sealed})
	r.Put(rig.Prefix+"by hand"+rig.SidecarSuffix, rig.Object{Body: []byte(`{"DecryptionSettings": {
	"InitializationVector": "` + base64.StdEncoding.EncodeToString(iv) + `",
	"DecryptionMode": "AES_` + mode + `",
	"EncryptedDecryptionKey": "` + base64.StdEncoding.EncodeToString(wrapped) + `"}}`)})
	return content
}

// TestForeignSidecarIsNotBelieved puts the sidecar of one file beside another:
// its IV is not the object's, and the object's own metadata decrypts it.
func TestForeignSidecarIsNotBelieved(t *testing.T) {
	t.Parallel()
	r := rig.New(t, nil)
	m := r.Mount("a")
	m.Shell(`seq 1 100000 >one; seq 2 100001 >two`)
	want := m.Hash("one")
	m.Unmount()
	side := r.Get(rig.Prefix + "two" + rig.SidecarSuffix)
	side.Meta = maps.Clone(side.Meta)
	r.Put(rig.Prefix+"one"+rig.SidecarSuffix, side)
	cold := r.Mount("cold")
	if got := cold.Hash("one"); got != want {
		t.Errorf("one reads as %s, not %s", got, want)
	}
	if len(cold.LogLines("level=WARN", "one")) != 1 {
		t.Error("no warning about a sidecar of another object")
	}
	cold.Unmount()
}
