package rig

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mcfs/keys/kmstest"
)

//go:embed decrypt.js
var decryptScript string

// Sealed is one object with what its sidecar says and KMS unwraps: all that
// MediaConvert would have.
type Sealed struct {
	Key     string            // relative to the volume's prefix
	Path    string            // the ciphertext, in a file
	Meta    map[string]string // of the object
	Sidecar Object
	Mode    string // AES_CTR, …
	DataKey []byte
	IV      []byte
}

// settings is a sidecar, read with no help from our own reader.
type settings struct {
	FileInput          string
	DecryptionSettings struct {
		DecryptionMode         string
		EncryptedDecryptionKey []byte // base64
		InitializationVector   []byte // base64
		KmsKeyRegion           string
	}
}

// Fetch takes an object and its sidecar from S3 and lets KMS decrypt the data
// key as MediaConvert would. Whatever does not fit fails the test.
func (r *Rig) Fetch(key, path string) Sealed {
	r.tb.Helper()
	s := Sealed{Key: key, Path: path}
	s.Meta = r.Download(Prefix+key, path).Meta
	s.Sidecar = r.Get(Prefix + key + SidecarSuffix)
	var doc settings
	d := json.NewDecoder(bytes.NewReader(s.Sidecar.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		r.tb.Fatalf("sidecar of %s: %v\n%s", key, err, s.Sidecar.Body)
	}
	if _, err := d.Token(); err != io.EOF {
		r.tb.Errorf("sidecar of %s: something follows the JSON: %q", key, s.Sidecar.Body)
	}
	if want := "s3://" + r.S3.Bucket + "/" + Prefix + key; doc.FileInput != want {
		r.tb.Errorf("sidecar of %s: FileInput is %q, not %q", key, doc.FileInput, want)
	}
	if got := doc.DecryptionSettings.KmsKeyRegion; got != r.KMS.Region() {
		r.tb.Errorf("sidecar of %s: KmsKeyRegion is %q, not %q", key, got, r.KMS.Region())
	}
	if iv := base64.StdEncoding.EncodeToString(doc.DecryptionSettings.InitializationVector); s.Meta["mcfs"] != "" && s.Meta["mcfs-iv"] != iv {
		r.tb.Errorf("sidecar of %s: its IV is %s, the object's %s", key, iv, s.Meta["mcfs-iv"])
	}
	s.Mode, s.IV = doc.DecryptionSettings.DecryptionMode, doc.DecryptionSettings.InitializationVector
	var err error
	if s.DataKey, err = r.KMS.Decrypt(doc.DecryptionSettings.EncryptedDecryptionKey, kmstest.Context()); err != nil {
		r.tb.Fatalf("KMS does not decrypt the key of %s: %v", key, err)
	}
	return s
}

// Plain is what Node made of an object.
type Plain struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Error  string `json:"error"`
}

// Decrypt has Node's crypto decrypt objects, in one process. With a directory
// it leaves the plaintexts there, named by their place in the list.
func (r *Rig) Decrypt(dir string, objects ...Sealed) []Plain {
	r.tb.Helper()
	Need(r.tb, "node")
	type entry struct {
		In   string `json:"in"`
		Out  string `json:"out,omitempty"`
		Mode string `json:"mode"`
		Key  string `json:"key"`
		IV   string `json:"iv"`
	}
	manifest := make([]entry, len(objects))
	for i, o := range objects {
		manifest[i] = entry{In: o.Path, Mode: o.Mode, Key: hex.EncodeToString(o.DataKey), IV: hex.EncodeToString(o.IV)}
		if dir != "" {
			manifest[i].Out = filepath.Join(dir, fmt.Sprint(i))
		}
	}
	in, err := json.Marshal(manifest)
	if err != nil {
		r.tb.Fatal(err)
	}
	cmd := exec.Command("node", "-e", decryptScript)
	cmd.Stdin = bytes.NewReader(in)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.tb.Fatalf("node: %v\n%s", err, stderr.String())
	}
	var plains []Plain
	if err := json.Unmarshal(out, &plains); err != nil || len(plains) != len(objects) {
		r.tb.Fatalf("node answered %q (%v)", out, err)
	}
	return plains
}

// OpenSSL decrypts an object with the openssl command into a file. It knows no
// GCM on its command line.
func (r *Rig) OpenSSL(s Sealed, to string) {
	r.tb.Helper()
	Need(r.tb, "openssl")
	iv := s.IV
	if s.Mode == "AES_CTR" && len(iv) == 12 {
		iv = append(bytes.Clone(iv), 0, 0, 0, 0)
	}
	cipher := fmt.Sprintf("-aes-%d-%s", 8*len(s.DataKey), strings.ToLower(strings.TrimPrefix(s.Mode, "AES_")))
	cmd := exec.Command("openssl", "enc", "-d", cipher, "-K", hex.EncodeToString(s.DataKey), "-iv", hex.EncodeToString(iv), "-in", s.Path, "-out", to)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.tb.Errorf("openssl on %s: %v\n%s", s.Key, err, out)
	}
}

// Proof decrypts every object of the bucket that has a sidecar, and returns the
// SHA-256 of each plaintext by key. An object that its sidecar does not
// decrypt, or a sidecar without its object, fails the test. No two objects may
// share a data key or an IV.
func (r *Rig) Proof() map[string]string {
	r.tb.Helper()
	sums, all := r.proof()
	for _, s := range all {
		r.tb.Errorf("%s and %s share their %s", s.key, s.other, s.what)
	}
	return sums
}

// ProofWithCopies is Proof where objects that hold the same may share both: a rename has made a
// copy, and the original, or the copy of another machine's rename, is there as well.
func (r *Rig) ProofWithCopies() map[string]string {
	r.tb.Helper()
	sums, all := r.proof()
	for _, s := range all {
		if sums[s.key] == "" || sums[s.key] != sums[s.other] {
			r.tb.Errorf("%s and %s share their %s, and do not hold the same", s.key, s.other, s.what)
		}
	}
	return sums
}

// sharing is two objects with the same data key or IV.
type sharing struct{ key, other, what string }

func (r *Rig) proof() (sums map[string]string, shared []sharing) {
	r.tb.Helper()
	dir, err := os.MkdirTemp(r.Dir, "proof-")
	if err != nil {
		r.tb.Fatal(err)
	}
	defer os.RemoveAll(dir)
	keys := make(map[string]bool)
	for _, k := range r.Keys() {
		keys[strings.TrimPrefix(k, Prefix)] = true
	}
	var objects []Sealed
	used := make(map[string]string)
	for k := range keys {
		base, is := strings.CutSuffix(k, SidecarSuffix)
		if !is || keys[k+SidecarSuffix] {
			continue // a file, by such a name perhaps
		}
		if !keys[base] {
			r.tb.Errorf("%s has no object", k)
			continue
		}
		s := r.Fetch(base, filepath.Join(dir, fmt.Sprint(len(objects))))
		for what, value := range map[string][]byte{"data key": s.DataKey, "IV": s.IV} {
			if other, twice := used[what+string(value)]; twice {
				shared = append(shared, sharing{base, other, what})
			}
			used[what+string(value)] = base
		}
		objects = append(objects, s)
	}
	sums = make(map[string]string, len(objects))
	for i, p := range r.Decrypt("", objects...) {
		if p.Error != "" {
			r.tb.Errorf("%s does not decrypt as its sidecar says: %s", objects[i].Key, p.Error)
		}
		sums[objects[i].Key] = p.SHA256
	}
	return sums, shared
}
