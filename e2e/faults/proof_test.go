package faults

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"mcfs/keys/kmstest"
	"mcfs/store"
)

const sidecarSuffix = ".settings.json"

// file is what a test expects under a name: its content, by its sidecar, or, for what has
// no sidecar, by what it says itself; without a content, nothing but that it is there.
type file struct {
	content []byte
	bare    bool
}

// prove demands that S3 holds these files and nothing else: each decrypts by its
// sidecar, with no help of ours, to its content; and no upload is unfinished.
func (w *world) prove(files map[string]file) {
	w.Helper()
	var want []string
	for name, f := range files {
		want = append(want, name)
		if !f.bare {
			want = append(want, name+sidecarSuffix)
		}
	}
	slices.Sort(want)
	if have := w.keys(); !slices.Equal(have, want) {
		w.Errorf("S3 has %q instead of %q", have, want)
		return
	}
	for name, f := range files {
		decrypt := w.decrypt
		if f.bare {
			decrypt = w.decryptItself
		}
		if f.content == nil {
			continue
		}
		if p, err := decrypt(name); err != nil || !bytes.Equal(p, f.content) {
			w.Errorf("%s decrypts to %d bytes, other than the %d that were saved (%v)", name, len(p), len(f.content), err)
		}
	}
	ups, err := w.direct.Uploads(w.ctx, "")
	w.must(err)
	if len(ups) > 0 {
		w.Errorf("unfinished uploads are left: %+v", ups)
	}
}

func (w *world) keys() []string {
	w.Helper()
	var all []string
	for token := ""; ; {
		page, err := w.direct.List(w.ctx, "", "", token, 0)
		w.must(err)
		for _, o := range page.Objects {
			all = append(all, o.Key)
		}
		if token = page.Next; token == "" {
			slices.Sort(all)
			return all
		}
	}
}

// decrypt is what MediaConvert does: it believes the sidecar.
func (w *world) decrypt(name string) ([]byte, error) {
	text, err := w.object(name + sidecarSuffix)
	if err != nil {
		return nil, err
	}
	var doc struct {
		DecryptionSettings struct {
			DecryptionMode         string
			EncryptedDecryptionKey []byte
			InitializationVector   []byte
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	d := doc.DecryptionSettings
	key, err := w.server.Decrypt(d.EncryptedDecryptionKey, kmstest.Context())
	if err != nil {
		return nil, err
	}
	p, err := w.object(name)
	if err != nil {
		return nil, err
	}
	return open(d.DecryptionMode, key, d.InitializationVector, p)
}

// decryptItself believes what the object says.
func (w *world) decryptItself(name string) ([]byte, error) {
	info, err := w.direct.Head(w.ctx, name)
	if err != nil {
		return nil, err
	}
	wrapped, err := base64.StdEncoding.DecodeString(info.Metadata["mcfs-key"])
	if err != nil {
		return nil, err
	}
	iv, err := base64.StdEncoding.DecodeString(info.Metadata["mcfs-iv"])
	if err != nil {
		return nil, err
	}
	key, err := w.server.Decrypt(wrapped, kmstest.Context())
	if err != nil {
		return nil, err
	}
	p, err := w.object(name)
	if err != nil {
		return nil, err
	}
	return open("AES_"+info.Metadata["mcfs-mode"], key, iv, p)
}

// open decrypts with nothing but the standard library.
func open(mode string, key, iv, p []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	switch {
	case mode == "AES_CTR":
		iv = append(bytes.Clone(iv), make([]byte, 16-len(iv))...)
		cipher.NewCTR(block, iv).XORKeyStream(p, p)
		return p, nil
	case mode == "AES_GCM":
		g, err := cipher.NewGCMWithNonceSize(block, len(iv))
		if err != nil {
			return nil, err
		}
		return g.Open(nil, iv, p, nil)
	case mode == "AES_CBC" && len(p) > 0 && len(p)%16 == 0:
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(p, p)
		n := int(p[len(p)-1])
		if n == 0 || n > 16 || !bytes.HasSuffix(p, bytes.Repeat([]byte{byte(n)}, n)) {
			return nil, errors.New("padding")
		}
		return p[:len(p)-n], nil
	}
	return nil, fmt.Errorf("%d bytes in mode %s", len(p), mode)
}

func (w *world) object(key string) ([]byte, error) {
	body, _, err := w.direct.Get(w.ctx, key, store.Range{}, "")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// truthful demands P3 of what S3 has at this moment: a sidecar that can be read
// decrypts the object beside it to what this name was ever saved with.
func (w *world) truthful(saved map[string][][]byte) {
	w.Helper()
	for _, key := range w.keys() {
		if name, is := strings.CutSuffix(key, sidecarSuffix); is && !w.tells(name, saved[name]) {
			w.Errorf("the sidecar of %s does not tell the truth", name)
		}
	}
}

// tells is also true of a sidecar that goes, or is replaced, while it is looked at.
func (w *world) tells(name string, saved [][]byte) bool {
	for range 20 {
		before, gone := w.direct.Head(w.ctx, name+sidecarSuffix)
		p, err := w.decrypt(name)
		after, goes := w.direct.Head(w.ctx, name+sidecarSuffix)
		switch {
		case err == nil && slices.ContainsFunc(saved, func(q []byte) bool { return bytes.Equal(p, q) }):
			return true
		case errors.Is(gone, store.ErrNotExist), errors.Is(goes, store.ErrNotExist):
			return true
		case before.ETag == after.ETag:
			return false
		}
	}
	return false
}
