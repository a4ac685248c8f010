package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// media are the files that ffmpeg writes into the mount, and how.
var media = []struct {
	name string
	args []string
}{
	{"a.mp4", nil},
	{"fast.mp4", []string{"-movflags", "+faststart"}},
	{"b.mov", nil},
	{"c.mkv", nil},
}

// A copy of more parts than leave at once.
const (
	copyName = "copy of 48 MiB.bin"
	copySize = 48 << 20
)

// testPicture is what ffmpeg encodes, as a user would call it: in a hurry, to a film of two parts.
var testPicture = []string{"-f", "lavfi", "-i", "testsrc2=duration=20:size=1280x720", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2600k"}

// TestMainJob is the acceptance: what real programs save into the mount is
// decrypted from nothing but what S3 and KMS hold, by programs that are not ours. One film
// is encoded into the mount; the others are the same containers of a stream that is encoded
// already: more encoding would ask ffmpeg.
func TestMainJob(t *testing.T) {
	t.Parallel()
	rig.Need(t, "ffmpeg", "ffprobe", "node", "openssl", "cp")
	source := filepath.Join(t.TempDir(), "source")
	sum := randomFile(t, source, copySize)
	clip := filepath.Join(filepath.Dir(source), "clip.mkv")
	if out, err := exec.Command("ffmpeg", slices.Concat([]string{"-nostdin", "-loglevel", "error"}, testPicture, []string{clip})...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	first := testPicture
	encoded := []string{"-i", clip, "-c", "copy"}
	for _, mode := range []string{"CTR", "CBC", "GCM"} {
		for _, dataKey := range []string{"generate", "encrypt"} {
			t.Run(mode+"/"+dataKey, func(t *testing.T) { mainJob(t, mode, dataKey, source, sum, first, encoded) })
			first = encoded
		}
	}
}

func mainJob(t *testing.T, mode, dataKey, source, sum string, first, encoded []string) {
	r := rig.New(t, rig.Settings{"crypt.mode": `"` + mode + `"`, "keys.data_key": `"` + dataKey + `"`})
	m := r.Mount("a")
	written := saveAll(m, source, first, encoded)
	if written[copyName] != sum {
		t.Errorf("the copy reads back as %s, not %s", written[copyName], sum)
	}
	m.Unmount()
	checkRequests(t, r, slices.Collect(maps.Keys(written)))
	if mode != "CBC" { // whose chain runs from the start
		checkNoRestart(t, r)
	}

	work := t.TempDir()
	var objects []rig.Sealed
	for i, name := range slices.Sorted(maps.Keys(written)) {
		s := r.Fetch(name, filepath.Join(work, "sealed"+string(rune('0'+i))))
		if s.Mode != "AES_"+mode {
			t.Errorf("%s was encrypted as %s", name, s.Mode)
		}
		objects = append(objects, s)
	}
	for i, p := range r.Decrypt(work, objects...) {
		if name := objects[i].Key; p.SHA256 != written[name] {
			t.Errorf("Node decrypts %s to %s %s, written was %s", name, p.SHA256, p.Error, written[name])
		}
	}
	for i, o := range objects {
		plain := filepath.Join(work, string(rune('0'+i)))
		if mode != "GCM" {
			plain = filepath.Join(work, "openssl")
			r.OpenSSL(o, plain)
			if got := hashFile(t, plain); got != written[o.Key] {
				t.Errorf("openssl decrypts %s to %s, written was %s", o.Key, got, written[o.Key])
			}
		}
		if o.Key != copyName {
			probe(t, o.Key, plain)
		}
	}
	wantAction := map[string]string{"generate": "GenerateDataKey", "encrypt": "Encrypt"}[dataKey]
	for _, c := range r.KMS.Calls() {
		if c.Action != wantAction && c.Action != "Decrypt" {
			t.Errorf("with data_key = %q KMS was asked to %s", dataKey, c.Action)
		}
	}
	if r.KMS.Count(wantAction) < len(objects) {
		t.Errorf("%d calls of %s for %d files", r.KMS.Count(wantAction), wantAction, len(objects))
	}
}

// saveAll has ffmpeg and cp save their files, and reads each back: name to SHA-256.
func saveAll(m *rig.Mount, source string, first, encoded []string) map[string]string {
	written := make(map[string]string)
	picture := first
	for _, f := range media {
		m.Run("ffmpeg", slices.Concat([]string{"-nostdin", "-loglevel", "error"}, picture, f.args, []string{f.name})...)
		written[f.name] = m.Hash(f.name)
		picture = encoded
	}
	m.Run("ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=20", "d.wav")
	written["d.wav"] = m.Hash("d.wav")
	m.Run("cp", source, copyName)
	written[copyName] = m.Hash(copyName)
	return written
}

// checkRequests demands one write of each object and one of each sidecar, and
// nothing else in the bucket (P6).
func checkRequests(t *testing.T, r *rig.Rig, names []string) {
	t.Helper()
	r.Settle(time.Second, names)
	writes := r.Writes()
	for _, name := range names {
		w := writes[name]
		if w["PutObject"]+w["CompleteMultipartUpload"] != 1 || w["CopyObject"]+w["DeleteObject"] != 0 {
			t.Errorf("%s was written by %v, not by one PutObject or one CompleteMultipartUpload", name, w)
		}
		if w["CreateMultipartUpload"] != w["CompleteMultipartUpload"]+w["AbortMultipartUpload"] {
			t.Errorf("%s: uploads were left behind: %v", name, w)
		}
		if w := writes[name+rig.SidecarSuffix]; !maps.Equal(w, map[string]int{"PutObject": 1}) {
			t.Errorf("the sidecar of %s was written by %v, not by one PutObject", name, w)
		}
		delete(writes, name)
		delete(writes, name+rig.SidecarSuffix)
	}
	if len(writes) > 0 {
		t.Errorf("something else was written: %v", writes)
	}
}

// checkNoRestart demands that a muxer's patch of the header at the end cost
// nothing: the first part and the last ones were still here. Only +faststart,
// which moves the whole file, begins anew.
func checkNoRestart(t *testing.T, r *rig.Rig) {
	t.Helper()
	for name, w := range r.Writes() {
		if w["AbortMultipartUpload"] > 0 && name != "fast.mp4" {
			t.Errorf("%s was uploaded more than once: %v", name, w)
		}
	}
}

func probe(t *testing.T, name, path string) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path).CombinedOutput()
	if err != nil || !bytes.HasPrefix(out, []byte("20.")) {
		t.Errorf("ffprobe says of %s: %q, %v", name, out, err)
	}
}

// randomFile makes a file of incompressible bytes, and returns its SHA-256.
func randomFile(t *testing.T, path string, size int64) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	random := rand.NewChaCha8([32]byte{1})
	if _, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(random, size)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashFile(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
