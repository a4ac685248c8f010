package kmstest

import (
	"crypto/rand"
	"fmt"
)

// actions are the ones known, each under the name that its X-Amz-Target ends with.
var actions map[string]func(*Server, *Call, []byte) (any, *apiError)

func init() {
	actions = map[string]func(*Server, *Call, []byte) (any, *apiError){
		"GenerateDataKey":                 (*Server).generateDataKey,
		"GenerateDataKeyWithoutPlaintext": (*Server).generateDataKey,
		"Encrypt":                         (*Server).encrypt,
		"Decrypt":                         (*Server).decrypt,
		"ReEncrypt":                       (*Server).reEncrypt,
		"DescribeKey":                     (*Server).describeKey,
	}
}

type output struct {
	CiphertextBlob      []byte `json:",omitempty"`
	Plaintext           []byte `json:",omitempty"`
	KeyId               string
	SourceKeyId         string `json:",omitempty"`
	EncryptionAlgorithm string `json:",omitempty"`
}

func (s *Server) generateDataKey(call *Call, body []byte) (any, *apiError) {
	var in struct {
		KeyId, KeySpec    string
		NumberOfBytes     int
		EncryptionContext map[string]string
	}
	if bad := s.decode(call.Action, body, &in); bad != nil {
		return nil, bad
	}
	call.KeyID, call.Context = in.KeyId, in.EncryptionContext
	size, bad := keySize(in.KeySpec, in.NumberOfBytes)
	if bad != nil {
		return nil, bad
	}
	k, bad := s.forWrapping(call)
	if bad != nil {
		return nil, bad
	}
	call.Plaintext = make([]byte, size)
	rand.Read(call.Plaintext)
	call.Wrapped = k.wrap(call.Plaintext, in.EncryptionContext)
	out := output{CiphertextBlob: call.Wrapped, KeyId: k.ARN}
	if call.Action == "GenerateDataKey" {
		out.Plaintext = call.Plaintext
	}
	return out, nil
}

func keySize(spec string, bytes int) (int, *apiError) {
	switch {
	case spec != "" && bytes != 0, spec == "" && bytes == 0:
		return 0, refuse("ValidationException", "Please specify either number of bytes or key spec.")
	case spec == "AES_128":
		return 16, nil
	case spec == "AES_256":
		return 32, nil
	case spec != "" || bytes < 1 || bytes > 1024:
		return 0, refuse("ValidationException", fmt.Sprintf("no key spec %q, or not 1 to 1024 bytes: %d", spec, bytes))
	}
	return bytes, nil
}

// forWrapping is the key that call names, if its context is right and its state allows it.
func (s *Server) forWrapping(call *Call) (*secretKey, *apiError) {
	if bad := s.checkContext(call.Action, call.Context, false); bad != nil {
		return nil, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, bad := s.usable(call.KeyID)
	if bad == nil {
		call.ARN = k.ARN
	}
	return k, bad
}

func (s *Server) encrypt(call *Call, body []byte) (any, *apiError) {
	var in struct {
		KeyId             string
		Plaintext         []byte
		EncryptionContext map[string]string
	}
	if bad := s.decode(call.Action, body, &in); bad != nil {
		return nil, bad
	}
	call.KeyID, call.Context = in.KeyId, in.EncryptionContext
	if len(in.Plaintext) < 1 || len(in.Plaintext) > maxPlain {
		return nil, refuse("ValidationException", "Plaintext must have 1 to 4096 bytes")
	}
	k, bad := s.forWrapping(call)
	if bad != nil {
		return nil, bad
	}
	call.Plaintext = in.Plaintext
	call.Wrapped = k.wrap(in.Plaintext, in.EncryptionContext)
	return output{CiphertextBlob: call.Wrapped, KeyId: k.ARN, EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
}

func (s *Server) decrypt(call *Call, body []byte) (any, *apiError) {
	var in struct {
		KeyId             string
		CiphertextBlob    []byte
		EncryptionContext map[string]string
	}
	if bad := s.decode(call.Action, body, &in); bad != nil {
		return nil, bad
	}
	call.KeyID, call.Context, call.Wrapped = in.KeyId, in.EncryptionContext, in.CiphertextBlob
	s.checkContext(call.Action, in.EncryptionContext, true)
	k, plain, bad := s.open(in.CiphertextBlob, in.KeyId, in.EncryptionContext)
	if bad != nil {
		return nil, bad
	}
	call.ARN, call.Plaintext = k.ARN, plain
	return output{Plaintext: plain, KeyId: k.ARN, EncryptionAlgorithm: "SYMMETRIC_DEFAULT"}, nil
}

func (s *Server) open(blob []byte, pinned string, context map[string]string) (*secretKey, []byte, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, bad := s.owner(blob, pinned)
	if bad != nil {
		return nil, nil, bad
	}
	if s.unbound {
		context = mediaConvert
	}
	plain, bad := k.unwrap(blob, context)
	return k, plain, bad
}

func (s *Server) reEncrypt(call *Call, body []byte) (any, *apiError) {
	var in struct {
		CiphertextBlob               []byte
		SourceKeyId                  string
		SourceEncryptionContext      map[string]string
		DestinationKeyId             string
		DestinationEncryptionContext map[string]string
	}
	if bad := s.decode(call.Action, body, &in); bad != nil {
		return nil, bad
	}
	call.KeyID, call.Source, call.Context = in.DestinationKeyId, in.SourceKeyId, in.DestinationEncryptionContext
	s.checkContext("ReEncrypt from", in.SourceEncryptionContext, true)
	from, plain, bad := s.open(in.CiphertextBlob, in.SourceKeyId, in.SourceEncryptionContext)
	if bad != nil {
		return nil, bad
	}
	to, bad := s.forWrapping(call)
	if bad != nil {
		return nil, bad
	}
	call.Plaintext = plain
	call.Wrapped = to.wrap(plain, in.DestinationEncryptionContext)
	return output{CiphertextBlob: call.Wrapped, KeyId: to.ARN, SourceKeyId: from.ARN}, nil
}

func (s *Server) describeKey(call *Call, body []byte) (any, *apiError) {
	var in struct{ KeyId string }
	if bad := s.decode(call.Action, body, &in); bad != nil {
		return nil, bad
	}
	call.KeyID = in.KeyId
	s.mu.Lock()
	defer s.mu.Unlock()
	k, bad := s.find(in.KeyId)
	if bad != nil {
		return nil, bad
	}
	call.ARN = k.ARN
	return map[string]any{"KeyMetadata": map[string]any{
		"AWSAccountId": Account, "Arn": k.ARN, "KeyId": k.ID, "KeyState": k.State, "Enabled": k.State == Enabled,
		"KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": k.Spec, "KeyManager": "CUSTOMER", "Origin": "AWS_KMS",
	}}, nil
}
