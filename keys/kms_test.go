package keys

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go/logging"

	"mcfs/keys/kmstest"
)

func kmsOptions(srv *kmstest.Server) KMSOptions {
	return KMSOptions{KeyID: srv.ARN(0), Endpoint: srv.URL, AWS: srv.Config()}
}

func newKMS(t testing.TB, o KMSOptions) *KMS {
	t.Helper()
	k, err := NewKMS(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wrapAnyContext makes a blob under another encryption context.
func wrapAnyContext(t *testing.T, srv *kmstest.Server, plain []byte) []byte {
	t.Helper()
	blob, err := srv.Wrap(0, plain, map[string]string{"service": "other.example"})
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// A moved alias: the new keys name the key that wrapped them, the old ones open.
func TestKMSMovedAlias(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	o := kmsOptions(srv)
	o.KeyID = srv.Key(0).Alias
	k := newKMS(t, o)
	old := fresh(t, k, 256)
	srv.MoveAlias(o.KeyID, 1)
	moved := fresh(t, k, 256)
	if old.KeyID != srv.ARN(0) || moved.KeyID != srv.ARN(1) || k.KeyID() != srv.ARN(1) {
		t.Errorf("%s, %s, %s", old.KeyID, moved.KeyID, k.KeyID())
	}
	unwraps(t, k, old.Wrapped, old.KeyID, old.Plain)
	unwraps(t, k, moved.Wrapped, moved.KeyID, moved.Plain)
}

func TestKMSResolvesKeyID(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{Region: "eu-central-1"})
	aliasARN := strings.Replace(srv.ARN(0), "key/"+srv.Key(0).ID, srv.Key(0).Alias, 1)
	for _, id := range []string{srv.ARN(0), srv.Key(0).ID, srv.Key(0).Alias, aliasARN} {
		for _, mode := range []string{DataKeyGenerate, DataKeyEncrypt} {
			o := kmsOptions(srv)
			o.KeyID, o.DataKey = id, mode
			k := newKMS(t, o)
			if err := k.Check(t.Context()); err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			if k.KeyID() != srv.ARN(0) || k.Region() != "eu-central-1" {
				t.Errorf("%s resolved to %s in %s", id, k.KeyID(), k.Region())
			}
		}
	}
}

func TestKMSCalls(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	k := newKMS(t, kmsOptions(srv))
	key := fresh(t, k, 256)
	if len(key.Wrapped) != 184 {
		t.Errorf("a wrapped 256-bit key has %d bytes, KMS's have 184", len(key.Wrapped))
	}
	unwraps(t, k, key.Wrapped, key.KeyID, key.Plain)
	// MediaConvert's own view of it.
	if plain, err := srv.Decrypt(key.Wrapped, kmstest.Context()); err != nil || !bytes.Equal(plain, key.Plain) {
		t.Errorf("MediaConvert cannot decrypt it: %v", err)
	}
	if _, err := srv.Decrypt(key.Wrapped, nil); err == nil {
		t.Error("the key is not bound to the encryption context")
	}
	calls := srv.Calls()
	if len(calls) != 2 || calls[0].Action != "GenerateDataKey" || calls[1].Action != "Decrypt" {
		t.Fatalf("calls: %+v", calls)
	}
	if calls[1].KeyID != srv.ARN(0) {
		t.Errorf("Decrypt pinned %q", calls[1].KeyID)
	}
	if err := srv.Repeated(); err != nil {
		t.Error(err)
	}
}

func TestKMSRewrapToAnotherKey(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	from := newKMS(t, kmsOptions(srv))
	o := kmsOptions(srv)
	o.KeyID = srv.Key(1).Alias
	to := newKMS(t, o)
	key := fresh(t, from, 256)
	wrapped, id, err := to.Rewrap(t.Context(), key.Wrapped, key.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	if id != srv.ARN(1) {
		t.Errorf("rewrapped under %s", id)
	}
	if n := srv.Count("Decrypt"); n != 0 {
		t.Errorf("%d plaintext keys left the service", n)
	}
	unwraps(t, to, wrapped, id, key.Plain)
	if _, _, err := from.Rewrap(t.Context(), key.Wrapped, srv.ARN(1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("rewrapped from another key than the one named: %v", err)
	}
}

// toServers sends requests for AWS' own hosts to the test servers of their
// regions, without touching what was signed.
type toServers map[string]*kmstest.Server

func (s toServers) Do(r *http.Request) (*http.Response, error) {
	srv := s[r.URL.Host]
	if srv == nil {
		return nil, errors.New("no server for " + r.URL.Host)
	}
	out := r.Clone(r.Context())
	out.Host, out.URL.Scheme, out.URL.Host = r.URL.Host, "http", strings.TrimPrefix(srv.URL, "http://")
	return http.DefaultClient.Do(out)
}

func TestKMSAcrossRegions(t *testing.T) {
	west := kmstest.Start(t, kmstest.Options{Region: "us-west-2"})
	east := kmstest.Start(t, kmstest.Options{Region: "eu-west-1"})
	cfg := west.Config()
	cfg.HTTPClient = toServers{"kms.us-west-2.amazonaws.com": west, "kms.eu-west-1.amazonaws.com": east}
	there := newKMS(t, KMSOptions{KeyID: east.ARN(0), AWS: cfg})
	here := newKMS(t, KMSOptions{KeyID: west.Key(0).Alias, AWS: cfg})
	if there.Region() != "eu-west-1" || here.Region() != "us-west-2" {
		t.Errorf("regions %s, %s", there.Region(), here.Region())
	}
	key := fresh(t, there, 256)
	unwraps(t, here, key.Wrapped, key.KeyID, key.Plain)
	wrapped, id, err := here.Rewrap(t.Context(), key.Wrapped, key.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	if id != west.ARN(0) {
		t.Errorf("rewrapped under %s", id)
	}
	unwraps(t, here, wrapped, id, key.Plain)
}

// What metadata says must not choose the host that is asked.
func TestKMSForgedRegion(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	k := newKMS(t, kmsOptions(srv))
	key := fresh(t, k, 256)
	for _, region := range []string{"x@evil.example/", "evil.example", "US-WEST-2", "", "us-west-2.evil", "a b"} {
		forged := "arn:aws:kms:" + region + ":111122223333:key/x"
		if got := arnRegion(forged); got != "" {
			t.Errorf("%s: region %q", forged, got)
		}
		unwraps(t, k, key.Wrapped, forged, key.Plain)
	}
}

func TestNewKMSRefuses(t *testing.T) {
	const arn = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for name, o := range map[string]KMSOptions{
		"no key":             {Region: "us-west-2"},
		"no region":          {KeyID: "alias/x"},
		"another region":     {KeyID: arn, Region: "eu-west-1"},
		"ARN of a bucket":    {KeyID: "arn:aws:s3:::bucket", Region: "us-west-2"},
		"bad region":         {KeyID: "alias/x", Region: "us west"},
		"data key mode":      {KeyID: arn, DataKey: "guess"},
		"a name like ours":   {KeyID: arn, Endpoint: "http://localhost.example:8080"},
		"keys in clear":      {KeyID: arn, Endpoint: "http://kms.example:8080"},
		"keys in clear, env": {KeyID: arn, AWS: aws.Config{BaseEndpoint: aws.String("http://192.0.2.1")}},
		"no URL":             {KeyID: arn, Endpoint: "localhost:8080"},
	} {
		if _, err := NewKMS(o); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line: %v", name, err)
		}
	}
	for name, o := range map[string]KMSOptions{
		"ARN only":    {KeyID: arn},
		"AWS' region": {KeyID: "alias/x", AWS: aws.Config{Region: "us-east-1"}},
		"https":       {KeyID: arn, Endpoint: "https://kms.example:8080"},
		"IPv6":        {KeyID: arn, Endpoint: "http://[::1]:8080"},
		"GovCloud":    {KeyID: "arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/x"},
	} {
		if _, err := NewKMS(o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With the SDK's logging of bodies asked for, keys still stay out of the log.
func TestKMSLogsNoKey(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	var log bytes.Buffer
	o := kmsOptions(srv)
	o.AWS.ClientLogMode = aws.LogRequestWithBody | aws.LogResponseWithBody | aws.LogRequest | aws.LogResponse
	o.AWS.Logger = logging.NewStandardLogger(&log)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := newKMS(t, o).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "TrentService.GenerateDataKey") {
		t.Fatal("the SDK logged no request: the test proves nothing")
	}
	if strings.Contains(log.String(), "Plaintext") {
		t.Error("the log has a body")
	}
}

func TestKMSRefusesLocalBlobs(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	k := newKMS(t, kmsOptions(srv))
	l := createLocal(t, t.TempDir()+"/keyring")
	key := fresh(t, l, 256)
	for _, id := range []string{key.KeyID, ""} {
		if _, err := k.Unwrap(t.Context(), key.Wrapped, id); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", id, err)
		}
	}
	mine := fresh(t, k, 256)
	if _, err := l.Unwrap(t.Context(), mine.Wrapped, mine.KeyID); !errors.Is(err, ErrOtherKeeper) || !strings.Contains(err.Error(), srv.ARN(0)) {
		t.Errorf("the keyring on a key of KMS: %v", err)
	}
	// Promotion: out of the keyring, into KMS.
	plain, err := l.Unwrap(t.Context(), key.Wrapped, key.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := k.Wrap(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	unwraps(t, k, moved.Wrapped, moved.KeyID, key.Plain)
}

// An answer without a key, or with a short one, must not become a key.
func TestKMSNonsense(t *testing.T) {
	for name, body := range map[string]string{
		"empty object": `{}`,
		"no blob":      `{"Plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`,
		"short":        `{"Plaintext":"AAAA","CiphertextBlob":"AAAA"}`,
		"no JSON":      `<html>a login page</html>`,
	} {
		cfg := kmstest.Start(t, kmstest.Options{}).Config()
		cfg.HTTPClient = answering(body)
		k := newKMS(t, KMSOptions{KeyID: "alias/x", AWS: cfg, MaxAttempts: 1})
		if key, err := k.New(t.Context(), 256); !errors.Is(err, ErrUnavailable) || key.Plain != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKMSWithoutEnd has a server that never stops answering.
func TestKMSWithoutEnd(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		cfg := kmstest.Start(t, kmstest.Options{}).Config()
		e := &endless{status: status}
		cfg.HTTPClient = e
		k := newKMS(t, KMSOptions{KeyID: "alias/x", AWS: cfg, MaxAttempts: 1})
		if key, err := k.New(t.Context(), 256); err == nil || key.Plain != nil {
			t.Errorf("%d: %v", status, err)
		}
		if e.sent > 1<<20 {
			t.Errorf("%d: %d bytes of an answer were read", status, e.sent)
		}
	}
}

// endless is an answer that begins well and has no end, but for the test's sake.
type endless struct {
	status int
	sent   int
}

func (e *endless) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: e.status, Header: http.Header{}, Request: r, Body: e}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	if e.sent > 64<<20 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	if e.sent == 0 {
		copy(p, "{")
	}
	e.sent += len(p)
	return len(p), nil
}

func (e *endless) Close() error { return nil }

type answering string

func (a answering) Do(r *http.Request) (*http.Response, error) {
	body := io.NopCloser(strings.NewReader(string(a)))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: body}, nil
}

// The short way asks in the same words, and sends what it cannot do to the SDK: a key
// of another region.
func TestKMSShortWay(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	k := newKMS(t, kmsOptions(srv))
	first := fresh(t, k, 256)
	if k.direct.url.Load() == nil {
		t.Fatal("nothing was learnt from the first call")
	}
	for _, bits := range []int{128, 192, 256} {
		key := fresh(t, k, bits)
		if len(key.Plain) != bits/8 || key.KeyID != first.KeyID {
			t.Errorf("%d bits: a key of %d bytes, of %s", bits, len(key.Plain), key.KeyID)
		}
		unwraps(t, k, key.Wrapped, key.KeyID, key.Plain)
	}
	k.fixed = false
	if _, e := k.direct.ask(t.Context(), "Decrypt", call{EncryptionContext: contextPairs, CiphertextBlob: first.Wrapped}); e != nil {
		t.Errorf("the short way: %v, %v", e.resp, e.err)
	}
	abroad := strings.Replace(first.KeyID, srv.Region(), "eu-north-1", 1)
	before := srv.Count("Decrypt")
	if _, err := k.Unwrap(t.Context(), first.Wrapped, abroad); err == nil {
		t.Error("a key of another region was asked for here")
	}
	if n := srv.Count("Decrypt") - before; n > defaultAttempts {
		t.Errorf("%d calls", n)
	}
	srv.TakeViolations() // of that signature's region
}

// BenchmarkKMS is what a file's key costs, both ways.
func BenchmarkKMS(b *testing.B) {
	srv := kmstest.Start(b, kmstest.Options{})
	k := newKMS(b, kmsOptions(srv))
	in := &kms.GenerateDataKeyInput{KeyId: &k.keyID, EncryptionContext: contextPairs, KeySpec: types.DataKeySpecAes256}
	b.Run("sdk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.client.GenerateDataKey(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	fresh(b, k, 256)
	b.Run("short way", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, e := k.direct.ask(b.Context(), "GenerateDataKey", call{KeyId: in.KeyId, EncryptionContext: in.EncryptionContext, KeySpec: string(in.KeySpec)}); e != nil {
				b.Fatal(e.resp, e.err)
			}
		}
	})
}
