package mediaconverttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"os/exec"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"mcfs/crypt"
	"mcfs/keys/kmstest"
	"mcfs/sidecar"
	"mcfs/store/s3/s3test"
)

// Role is one that jobs may take on.
const Role = "arn:aws:iam::" + Account + ":role/MediaConvert"

// Studio is a bucket, a key and the service.
type Studio struct {
	*Server
	Files *s3test.Server
	KMS   *kmstest.Server
	tb    testing.TB
}

// NewStudio starts all three until the test ends.
func NewStudio(tb testing.TB, o Options) *Studio {
	tb.Helper()
	st := &Studio{Files: s3test.Start(tb), KMS: kmstest.Start(tb, kmstest.Options{}), tb: tb}
	o.S3 = s3.NewFromConfig(st.Files.AWS(), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(st.Files.URL), true })
	o.KMS = map[string]*kmstest.Server{st.KMS.Region(): st.KMS}
	st.Server = Start(tb, o)
	return st
}

// Client is the SDK's for the service.
func (st *Studio) Client() *mediaconvert.Client {
	return mediaconvert.NewFromConfig(st.Config(), func(o *mediaconvert.Options) { o.BaseEndpoint = aws.String(st.URL) })
}

// Save encrypts plain in a mode, puts it into the bucket, and returns its settings.
func (st *Studio) Save(key string, plain []byte, m crypt.Mode, ivBytes, bits int) sidecar.Settings {
	st.tb.Helper()
	s, body, err := st.seal(key, plain, m, ivBytes, bits)
	if err != nil {
		st.tb.Fatalf("encrypt %s: %v", key, err)
	}
	if _, err := st.opts.S3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &st.Files.Bucket, Key: &key, Body: bytes.NewReader(body)}); err != nil {
		st.tb.Fatalf("put %s: %v", key, err)
	}
	return s
}

func (st *Studio) seal(key string, plain []byte, m crypt.Mode, ivBytes, bits int) (sidecar.Settings, []byte, error) {
	iv, err := crypt.NewIV(m, ivBytes)
	if err != nil {
		return sidecar.Settings{}, nil, err
	}
	dataKey := make([]byte, bits/8)
	rand.Read(dataKey) // never fails
	wrapped, err := st.KMS.Wrap(0, dataKey, kmstest.Context())
	if err != nil {
		return sidecar.Settings{}, nil, err
	}
	c, err := crypt.NewCipher(m, dataKey, iv)
	if err != nil {
		return sidecar.Settings{}, nil, err
	}
	settings := sidecar.Settings{
		FileInput: "s3://" + st.Files.Bucket + "/" + key, Mode: "AES_" + m.String(), Key: wrapped, IV: iv, Region: st.KMS.Region(),
	}
	return settings, c.Encrypt(plain), nil
}

var film = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5",
		"-c:v", "mpeg4", "-f", "matroska", "-").Output()
})

// Film is a short film.
func Film(tb testing.TB) []byte {
	tb.Helper()
	body, err := film()
	if err != nil {
		tb.Fatalf("ffmpeg: %v: install it", err)
	}
	return body
}
