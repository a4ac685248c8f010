package kmstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// A blob: version (1) ‖ key id (16) ‖ filler (107) ‖ nonce (12) ‖ plaintext ‖
// tag (16): 152 bytes more than the plaintext, as with KMS, where a wrapped
// 256-bit key has 184.
const (
	blobVersion  = 1
	blobFiller   = 107
	blobHeader   = 1 + 16 + blobFiller
	blobOverhead = blobHeader + 12 + 16
	maxPlain     = 4096 // bytes that Encrypt takes
)

type secretKey struct {
	Key
	id   [16]byte
	aead cipher.AEAD
}

func newSecretKey(k Key, region string) (*secretKey, error) {
	sk := &secretKey{Key: k}
	if sk.ID == "" {
		rand.Read(sk.id[:])
		x := hex.EncodeToString(sk.id[:])
		sk.ID = strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(sk.ID, "-", ""))
	if err != nil || len(raw) != 16 {
		return nil, fmt.Errorf("key id %q is not a UUID", sk.ID)
	}
	copy(sk.id[:], raw)
	if sk.Alias != "" && !strings.HasPrefix(sk.Alias, "alias/") {
		return nil, fmt.Errorf("alias %q does not begin with alias/", sk.Alias)
	}
	if sk.Spec == "" {
		sk.Spec = "SYMMETRIC_DEFAULT"
	}
	if sk.State == "" {
		sk.State = Enabled
	}
	sk.ARN = arnOf(region, "key/"+sk.ID)
	secret := make([]byte, 32)
	rand.Read(secret)
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	sk.aead, err = cipher.NewGCMWithRandomNonce(block)
	return sk, err
}

func arnOf(region, resource string) string {
	return "arn:aws:kms:" + region + ":" + Account + ":" + resource
}

func (k *secretKey) wrap(plain []byte, context map[string]string) []byte {
	blob := make([]byte, blobHeader, blobOverhead+len(plain))
	blob[0] = blobVersion
	copy(blob[1:], k.id[:])
	rand.Read(blob[17:])
	return k.aead.Seal(blob, nil, plain, additional(blob[:blobHeader], context))
}

func (k *secretKey) unwrap(blob []byte, context map[string]string) ([]byte, *apiError) {
	plain, err := k.aead.Open(nil, nil, blob[blobHeader:], additional(blob[:blobHeader], context))
	if err != nil {
		return nil, refuse("InvalidCiphertextException", "")
	}
	return plain, nil
}

// additional binds the header and the context, whose JSON has sorted names.
func additional(header []byte, context map[string]string) []byte {
	if context == nil {
		context = map[string]string{}
	}
	pairs, err := json.Marshal(context)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	return append(append([]byte(nil), header...), pairs...)
}

// find looks a key up by id, key ARN, alias or alias ARN. The lock is held.
func (s *Server) find(id string) (*secretKey, *apiError) {
	if strings.HasPrefix(id, "arn:") {
		part := strings.SplitN(id, ":", 6)
		if len(part) != 6 || part[2] != "kms" {
			return nil, refuse("InvalidArnException", "Invalid arn "+id)
		}
		if part[3] != s.opts.Region {
			return nil, refuse("NotFoundException", "Invalid arn "+part[3])
		}
	}
	for _, k := range s.keys {
		switch id {
		case k.ID, k.ARN:
			return k, nil
		case "":
		case k.Alias, arnOf(s.opts.Region, k.Alias):
			return k, nil
		}
	}
	return nil, refuse("NotFoundException", "Key '"+id+"' does not exist")
}

// usable is find, and the key's state allows cryptography.
func (s *Server) usable(id string) (*secretKey, *apiError) {
	k, err := s.find(id)
	if err != nil {
		return nil, err
	}
	switch k.State {
	case Enabled:
		return k, nil
	case Disabled:
		return nil, refuse("DisabledException", k.ARN+" is disabled.")
	case PendingDeletion:
		return nil, refuse("KMSInvalidStateException", k.ARN+" is pending deletion.")
	}
	return nil, refuse("KMSInvalidStateException", k.ARN+" is in the state "+k.State+".")
}

// owner is the key that wrapped blob; pinned, if not empty, is the one that it must be.
func (s *Server) owner(blob []byte, pinned string) (*secretKey, *apiError) {
	if len(blob) < blobOverhead || blob[0] != blobVersion {
		return nil, refuse("InvalidCiphertextException", "")
	}
	var own *secretKey
	for _, k := range s.keys {
		if [16]byte(blob[1:17]) == k.id {
			own = k
		}
	}
	if own == nil {
		return nil, refuse("InvalidCiphertextException", "")
	}
	if pinned != "" {
		want, err := s.usable(pinned)
		if err != nil {
			return nil, err
		}
		if want != own {
			return nil, refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
		}
	}
	return s.usable(own.ID)
}

// Decrypt opens a blob as the service would, for tests that play MediaConvert.
// It is not recorded as a call.
func (s *Server) Decrypt(blob []byte, context map[string]string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, bad := s.owner(blob, "")
	if bad != nil {
		return nil, bad
	}
	plain, bad := k.unwrap(blob, context)
	if bad != nil {
		return nil, bad
	}
	return plain, nil
}

// mediaConvert is the context that the service insists on.
var mediaConvert = map[string]string{"service": "mediaconvert.amazonaws.com"}

// Context is a copy of the encryption context that MediaConvert presents.
func Context() map[string]string { return maps.Clone(mediaConvert) }

// Wrap makes a blob under the i-th key and any context, as somebody else's
// program might. It is not recorded as a call.
func (s *Server) Wrap(i int, plain []byte, context map[string]string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, bad := s.usable(s.keys[i].ID)
	if bad != nil {
		return nil, bad
	}
	return k.wrap(plain, context), nil
}
