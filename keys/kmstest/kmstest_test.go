package kmstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

func client(s *Server) *kms.Client {
	return kms.NewFromConfig(s.Config(), func(o *kms.Options) {
		o.BaseEndpoint = &s.URL
		o.Retryer = aws.NopRetryer{}
	})
}

func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code {
		t.Errorf("%s: %v, not %s", what, err, code)
	}
}

func TestActions(t *testing.T) {
	for _, token := range []string{"", "a-session-token"} {
		s := Start(t, Options{SessionToken: token})
		c, ctx := client(s), t.Context()
		gen, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: aws.String(s.Key(0).Alias), KeySpec: types.DataKeySpecAes128, EncryptionContext: Context()})
		if err != nil {
			t.Fatal(err)
		}
		if len(gen.Plaintext) != 16 || len(gen.CiphertextBlob) != 168 || *gen.KeyId != s.ARN(0) {
			t.Errorf("GenerateDataKey: %d, %d, %s", len(gen.Plaintext), len(gen.CiphertextBlob), *gen.KeyId)
		}
		re, err := c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: gen.CiphertextBlob, DestinationKeyId: aws.String(s.ARN(1)), SourceEncryptionContext: Context(), DestinationEncryptionContext: Context()})
		if err != nil {
			t.Fatal(err)
		}
		dec, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: re.CiphertextBlob, EncryptionContext: Context()})
		if err != nil || !bytes.Equal(dec.Plaintext, gen.Plaintext) || *dec.KeyId != s.ARN(1) {
			t.Errorf("Decrypt: %v", err)
		}
		blind, err := c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: aws.String(s.ARN(0)), NumberOfBytes: aws.Int32(24), EncryptionContext: Context()})
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := s.Decrypt(blind.CiphertextBlob, Context()); err != nil || len(plain) != 24 {
			t.Errorf("without plaintext: %d bytes, %v", len(plain), err)
		}
		enc, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(s.Key(0).ID), Plaintext: []byte("anything"), EncryptionContext: Context()})
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := s.Decrypt(enc.CiphertextBlob, Context()); err != nil || string(plain) != "anything" {
			t.Errorf("Encrypt: %q, %v", plain, err)
		}
		desc, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(s.Key(1).Alias)})
		if err != nil || *desc.KeyMetadata.Arn != s.ARN(1) || desc.KeyMetadata.KeyState != types.KeyStateEnabled {
			t.Errorf("DescribeKey: %v", err)
		}
		if n, keys, blobs := s.Count(""), len(s.DataKeys()), len(s.WrappedKeys()); n != 6 || keys != 3 || blobs != 4 {
			t.Errorf("%d calls, %d data keys, %d blobs", n, keys, blobs)
		}
		if err := s.Repeated(); err != nil {
			t.Error(err)
		}
	}
}

func TestBlobsBelongToKeyAndContext(t *testing.T) {
	s := Start(t, Options{})
	c, ctx := client(s), t.Context()
	gen, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: aws.String(s.ARN(0)), KeySpec: types.DataKeySpecAes256, EncryptionContext: Context()})
	if err != nil {
		t.Fatal(err)
	}
	decrypt := func(blob []byte, key *string, context map[string]string) error {
		_, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: key, EncryptionContext: context})
		return err
	}
	wantCode(t, "pinned to another key", decrypt(gen.CiphertextBlob, aws.String(s.ARN(1)), Context()), "IncorrectKeyException")
	wantCode(t, "unknown key", decrypt(gen.CiphertextBlob, aws.String("alias/none"), Context()), "NotFoundException")
	elsewhere := strings.Replace(s.ARN(0), "us-west-2", "us-east-1", 1)
	wantCode(t, "another region", decrypt(gen.CiphertextBlob, &elsewhere, Context()), "NotFoundException")
	wantCode(t, "no blob of ours", decrypt([]byte("hello"), nil, Context()), "InvalidCiphertextException")
	moved := bytes.Clone(gen.CiphertextBlob)
	other := Start(t, Options{Keys: []Key{{ID: s.Key(0).ID}}}) // same id, another secret
	if _, err := other.Decrypt(moved, Context()); err == nil {
		t.Error("another secret opened it")
	}
	for i := range moved {
		moved[i] ^= 0x80
		if _, err := s.Decrypt(moved, Context()); err == nil {
			t.Fatalf("opened with byte %d altered", i)
		}
		moved[i] ^= 0x80
	}
	if v := s.TakeViolations(); len(v) != 0 {
		t.Errorf("violations: %q", v)
	}
	for _, context := range []map[string]string{nil, {"service": "s3.amazonaws.com"}, {"Service": "mediaconvert.amazonaws.com"},
		{"service": "mediaconvert.amazonaws.com", "more": ""}} {
		wantCode(t, "context", decrypt(gen.CiphertextBlob, nil, context), "InvalidCiphertextException")
		_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String(s.ARN(0)), Plaintext: []byte{1}, EncryptionContext: context})
		wantCode(t, "Encrypt", err, "AccessDeniedException")
		if v := s.TakeViolations(); len(v) != 2 {
			t.Errorf("%v: violations %q", context, v)
		}
	}
}

// request is a hand-made one, signed by the SDK's signer, which shares no code
// with the server's check; alter spoils it after signing.
type request struct {
	target, body  string
	region, name  string // of the scope; empty means right
	at            time.Time
	before, after func(*http.Request)
}

func (q request) send(t *testing.T, s *Server) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URL+"/", strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", q.target)
	if q.before != nil {
		q.before(r)
	}
	creds, err := s.Config().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if q.region == "" {
		q.region = s.Region()
	}
	if q.name == "" {
		q.name = "kms"
	}
	if q.at.IsZero() {
		q.at = time.Now()
	}
	sum := sha256.Sum256([]byte(q.body))
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hex.EncodeToString(sum[:]), q.name, q.region, q.at); err != nil {
		t.Fatal(err)
	}
	if q.after != nil {
		q.after(r)
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return resp.StatusCode, e.Type
}

func TestStrict(t *testing.T) {
	s := Start(t, Options{})
	describe := func() request {
		return request{target: "TrentService.DescribeKey", body: `{"KeyId":"` + s.ARN(0) + `"}`}
	}
	if status, code := describe().send(t, s); status != http.StatusOK {
		t.Fatalf("a right request: %d %s", status, code)
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			h := r.Header.Get("Authorization")
			if !strings.Contains(h, old) {
				t.Fatalf("%q has no %q", h, old)
			}
			r.Header.Set("Authorization", strings.Replace(h, old, new, 1))
		}
	}
	const bad, incomplete = "InvalidSignatureException", "IncompleteSignatureException"
	for name, c := range map[string]struct {
		change func(*request)
		code   string
	}{
		"no signature":       {func(q *request) { q.after = func(r *http.Request) { r.Header.Del("Authorization") } }, "MissingAuthenticationTokenException"},
		"basic auth":         {func(q *request) { q.after = set("Authorization", "Basic eDp5") }, incomplete},
		"cut":                {func(q *request) { q.after = replace("Signature=", "Sig=") }, incomplete},
		"other signature":    {func(q *request) { q.after = replace("Signature=", "Signature=0") }, bad},
		"other access key":   {func(q *request) { q.after = replace("AKIA", "AKIB") }, "UnrecognizedClientException"},
		"uninvited token":    {func(q *request) { q.before = set("X-Amz-Security-Token", "x") }, "UnrecognizedClientException"},
		"other region":       {func(q *request) { q.region = "us-east-1" }, bad},
		"other service":      {func(q *request) { q.name = "s3" }, bad},
		"yesterday":          {func(q *request) { q.at = time.Now().Add(-24 * time.Hour) }, bad},
		"ten minutes ahead":  {func(q *request) { q.at = time.Now().Add(10 * time.Minute) }, bad},
		"target altered":     {func(q *request) { q.after = set("X-Amz-Target", "TrentService.Decrypt") }, bad},
		"header slipped in":  {func(q *request) { q.after = set("X-Amz-Meta-More", "1") }, bad},
		"date altered":       {func(q *request) { q.after = set("X-Amz-Date", time.Now().Add(time.Minute).UTC().Format(amzTime)) }, bad},
		"no date":            {func(q *request) { q.after = set("X-Amz-Date", "today") }, incomplete},
		"query slipped in":   {func(q *request) { q.after = func(r *http.Request) { r.URL.RawQuery = "a=b" } }, bad},
		"path altered":       {func(q *request) { q.after = func(r *http.Request) { r.URL.Path = "/x" } }, bad},
		"method altered":     {func(q *request) { q.after = func(r *http.Request) { r.Method = http.MethodPut } }, bad},
		"signed query":       {func(q *request) { q.before = func(r *http.Request) { r.URL.RawQuery = "b=c&a=x%20y" } }, "UnknownOperationException"},
		"content type":       {func(q *request) { q.before = set("Content-Type", "application/json") }, "SerializationException"},
		"unknown action":     {func(q *request) { q.target = "TrentService.DeleteEverything" }, "UnknownOperationException"},
		"unknown service":    {func(q *request) { q.target = "DescribeKey" }, "UnknownOperationException"},
		"unknown field":      {func(q *request) { q.body = `{"KeyId":"x","Kind":1}` }, "SerializationException"},
		"two objects":        {func(q *request) { q.body = `{"KeyId":"x"}{}` }, "SerializationException"},
		"no object":          {func(q *request) { q.body = `"x"` }, "SerializationException"},
		"too long":           {func(q *request) { q.body = strings.Repeat(" ", maxBody+1) }, "ValidationException"},
		"body altered":       {func(q *request) { q.after = func(r *http.Request) { spoilBody(r) } }, bad},
		"spaces in a header": {func(q *request) { q.before = set("X-Amz-Meta-A", "  a   b ") }, ""},
	} {
		q := describe()
		c.change(&q)
		if _, code := q.send(t, s); code != c.code {
			t.Errorf("%s: %q, not %q", name, code, c.code)
		}
		if v := s.TakeViolations(); (len(v) != 0) != (c.code != "") {
			t.Errorf("%s: violations %q", name, v)
		}
	}
}

func spoilBody(r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	b[len(b)-3] ^= 1
	r.Body = io.NopCloser(bytes.NewReader(b))
}

func TestFaultsAndStates(t *testing.T) {
	s := Start(t, Options{})
	c := client(s)
	call := func() error {
		_, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(s.ARN(0)), Plaintext: []byte{1}, EncryptionContext: Context()})
		return err
	}
	s.FailNext(2, "KMSInternalException")
	s.FailNext(1, DropConnection)
	wantCode(t, "first", call(), "KMSInternalException")
	wantCode(t, "second", call(), "KMSInternalException")
	if err := call(); err == nil {
		t.Error("the connection was not dropped")
	}
	if err := call(); err != nil {
		t.Errorf("after the faults: %v", err)
	}
	s.FailNext(5, "KMSInternalException")
	s.FailNext(0, "")
	s.SetKeyState(s.Key(0).Alias, Disabled)
	wantCode(t, "disabled", call(), "DisabledException")
	s.SetKeyState(s.ARN(0), PendingDeletion)
	wantCode(t, "pending deletion", call(), "KMSInvalidStateException")
	s.SetKeyState(s.Key(0).ID, Enabled)
	s.Throttle(1)
	throttled := 0
	for range 4 {
		if call() != nil {
			throttled++
		}
	}
	if throttled < 2 {
		t.Errorf("%d of 4 calls throttled", throttled)
	}
	s.Throttle(0)
	if err := call(); err != nil {
		t.Errorf("unthrottled: %v", err)
	}
	codes := map[string]int{}
	for _, c := range s.Calls() {
		codes[c.Code]++
	}
	if codes["KMSInternalException"] != 2 || codes[DropConnection] != 1 || codes[""] < 2 {
		t.Errorf("recorded: %v", codes)
	}
}

func TestLatencyAndClose(t *testing.T) {
	s := Start(nil, Options{})
	s.SetLatency(100 * time.Millisecond)
	describe := func(ctx context.Context) error {
		_, err := client(s).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(s.ARN(0))})
		return err
	}
	start := time.Now()
	if err := describe(t.Context()); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d < 100*time.Millisecond {
		t.Errorf("answered after %v", d)
	}
	s.SetLatency(time.Hour)
	done := make(chan error, 1)
	go func() { done <- describe(t.Context()) }()
	time.Sleep(20 * time.Millisecond)
	s.Close()
	s.Close()
	if err := <-done; err == nil {
		t.Error("a call outlived the server")
	}
}

// Another process, with nothing but this environment, finds the server.
func TestEnv(t *testing.T) {
	s := Start(t, Options{SessionToken: "a-session-token"})
	for _, line := range s.Env() {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := kms.NewFromConfig(cfg).DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(s.Key(1).Alias)})
	if err != nil || *out.KeyMetadata.Arn != s.ARN(1) {
		t.Errorf("DescribeKey: %v", err)
	}
}
