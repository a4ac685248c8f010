package mediaconverttest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"mcfs/keys/kmstest"
)

// Codes of the errors in which a job ends that cannot read its inputs.
const (
	codeUnreadable = 1010
	codeDenied     = 1401
	codeMissing    = 1404
)

const fetchTimeout = 30 * time.Second

// probe reads every input, and returns the error in which the job ends; 0 if they are films.
func (s *Server) probe(inputs []types.Input) (int32, string) {
	for _, in := range inputs {
		if in.FileInput == nil {
			continue
		}
		body, code, err := s.fetch(*in.FileInput)
		if err == nil && in.DecryptionSettings != nil {
			body, err = s.decrypt(body, in.DecryptionSettings)
		}
		if err == nil {
			err = s.look(body)
		}
		if err != nil {
			return code, fmt.Sprintf("Unable to open input file [%s]: [%v]", *in.FileInput, err)
		}
	}
	return 0, ""
}

// fetch reads an object. The code is for what fails then and later.
func (s *Server) fetch(address string) ([]byte, int32, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	rest, ok := strings.CutPrefix(address, "s3://")
	bucket, key, _ := strings.Cut(rest, "/")
	if !ok || s.opts.S3 == nil {
		return nil, codeMissing, errors.New("nothing but S3 is here, if that")
	}
	out, err := s.opts.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "AccessDenied" {
		return nil, codeDenied, err
	}
	if err != nil {
		return nil, codeMissing, err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return body, codeUnreadable, err
}

// decrypt decrypts as MediaConvert documents it, by the standard library alone.
func (s *Server) decrypt(body []byte, d *types.InputDecryptionSettings) ([]byte, error) {
	region := s.opts.Region
	if d.KmsKeyRegion != nil {
		region = *d.KmsKeyRegion
	}
	kms := s.opts.KMS[region]
	if kms == nil {
		return nil, errors.New("no key of region " + region + " can be used")
	}
	wrapped, err := base64.StdEncoding.DecodeString(aws.ToString(d.EncryptedDecryptionKey))
	if err != nil {
		return nil, err
	}
	key, err := kms.Decrypt(wrapped, kmstest.Context())
	if err != nil {
		return nil, err
	}
	iv, err := base64.StdEncoding.DecodeString(aws.ToString(d.InitializationVector))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	switch d.DecryptionMode {
	case types.DecryptionModeAesCtr:
		counter := append(iv, make([]byte, aes.BlockSize-len(iv))...)
		cipher.NewCTR(block, counter).XORKeyStream(body, body)
		return body, nil
	case types.DecryptionModeAesCbc:
		return decryptCBC(block, iv, body)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, iv, body, nil)
}

func decryptCBC(block cipher.Block, iv, body []byte) ([]byte, error) {
	if len(body) == 0 || len(body)%aes.BlockSize != 0 {
		return nil, errors.New("not whole blocks")
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(body, body)
	pad := int(body[len(body)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errors.New("bad padding")
	}
	return body[:len(body)-pad], nil
}

// look has ffprobe find a stream of video or audio.
func (s *Server) look(plain []byte) error {
	f, err := os.CreateTemp(s.tmp, "input")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(plain)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", f.Name()).Output()
	if errors.Is(err, exec.ErrNotFound) {
		panic("mediaconverttest: ffprobe is missing: install ffmpeg")
	}
	if err != nil || !strings.Contains(string(out), "video") && !strings.Contains(string(out), "audio") {
		return errors.New("failed probe/open: no parser found for container")
	}
	return nil
}
