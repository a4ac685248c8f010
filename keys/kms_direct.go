package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mcfs/credentials"
)

// direct is a short way for the two calls that are made once for each file,
// GenerateDataKey and Decrypt. The SDK's cost several times what the request itself
// does (BenchmarkKMS).
//
// It carries out what goes well and nothing else: where to ask it learns from a call
// of the SDK's that was answered, it signs with the SDK's signer, and what comes back
// and is not as it should be is handed to the SDK as the outcome of its own first
// attempt: it knows about retries, clocks and what errors mean.
type direct struct {
	client kms.HTTPClient
	creds  aws.CredentialsProvider
	region string // of the signature
	signer *credentials.Signer
	url    atomic.Pointer[url.URL] // nil: not learnt yet
}

// elsewhere: this call is for the SDK, which goes on from what came back, if anything did.
type elsewhere struct {
	came bool
	resp *http.Response // its body not read, or as if
	err  error
}

func (e *elsewhere) Error() string { return "not this way" }

// attemptKey marks a context whose first attempt was made already: the value is an *elsewhere.
type attemptKey struct{}

// afterAttempt is a client whose first answer to a call is what came the short way.
type afterAttempt struct{ kms.HTTPClient }

// Do is part of kms.HTTPClient.
func (a afterAttempt) Do(r *http.Request) (*http.Response, error) {
	if e, _ := r.Context().Value(attemptKey{}).(*elsewhere); e != nil && e.came {
		e.came = false
		return e.resp, e.err
	}
	return a.HTTPClient.Do(r)
}

// call is a request's content; field names are the API's.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
type call struct {
	KeyId             *string `json:",omitempty"`
	EncryptionContext map[string]string
	KeySpec           string `json:",omitempty"`
	NumberOfBytes     *int32 `json:",omitempty"`
	CiphertextBlob    []byte `json:",omitempty"`
}

// reply is what is read of an answer. Its slices are its own.
type reply struct {
	KeyId                     *string
	Plaintext, CiphertextBlob []byte
}

func newDirect(client *kms.Client) *direct {
	o := client.Options()
	return &direct{client: o.HTTPClient, creds: o.Credentials, region: o.Region, signer: credentials.NewSigner()}
}

// learn has one call of the SDK's, to the client's own region, show where to ask.
func (d *direct) learn(o *kms.Options) {
	if d.url.Load() != nil || o.Region != d.region {
		return
	}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("LearnAddress",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				out, meta, err := next.HandleFinalize(ctx, in)
				if r, ok := in.Request.(*smithyhttp.Request); ok && err == nil {
					u := *r.URL
					d.url.Store(&u)
				}
				return out, meta, err
			}), middleware.After)
	})
}

// ask makes a call; an *elsewhere if the SDK is to make it.
func (d *direct) ask(ctx context.Context, operation string, c call) (reply, *elsewhere) {
	to := d.url.Load()
	if to == nil {
		return reply{}, &elsewhere{}
	}
	r, err := d.request(ctx, to, operation, c)
	if err != nil {
		return reply{}, &elsewhere{}
	}
	resp, err := d.client.Do(r)
	if err != nil {
		return reply{}, &elsewhere{came: true, err: err}
	}
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 0 || resp.ContentLength > maxAnswer {
		return reply{}, &elsewhere{came: true, resp: resp}
	}
	return readReply(resp)
}

// request is a signed one.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (d *direct) request(ctx context.Context, to *url.URL, operation string, c call) (*http.Request, error) {
	creds, err := d.creds.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService."+operation)
	sum := sha256.Sum256(content)
	return r, d.signer.SignHTTP(ctx, creds, r, hex.EncodeToString(sum[:]), "kms", d.region, time.Now())
}

// readReply wipes what it has read the answer into: that holds a data key.
func readReply(resp *http.Response) (answer reply, e *elsewhere) {
	content := make([]byte, resp.ContentLength)
	_, err := io.ReadFull(resp.Body, content)
	_ = resp.Body.Close()
	if err != nil {
		clear(content)
		return reply{}, &elsewhere{came: true, err: err}
	}
	if json.Unmarshal(content, &answer) != nil {
		clear(answer.Plaintext)
		resp.Body = io.NopCloser(bytes.NewReader(content))
		return reply{}, &elsewhere{came: true, resp: resp}
	}
	clear(content)
	return answer, nil
}

// generateDataKey asks the short way first.
func (k *KMS) generateDataKey(ctx context.Context, in *kms.GenerateDataKeyInput) (reply, error) {
	r, e := k.direct.ask(ctx, "GenerateDataKey", call{
		KeyId: in.KeyId, EncryptionContext: in.EncryptionContext, KeySpec: string(in.KeySpec), NumberOfBytes: in.NumberOfBytes,
	})
	if e == nil {
		return r, nil
	}
	out, err := k.client.GenerateDataKey(context.WithValue(ctx, attemptKey{}, e), in, k.direct.learn)
	if err != nil {
		return reply{}, err
	}
	return reply{KeyId: out.KeyId, Plaintext: out.Plaintext, CiphertextBlob: out.CiphertextBlob}, nil
}

// decrypt asks the short way first, if the key is of the region that it knows.
func (k *KMS) decrypt(ctx context.Context, in *kms.DecryptInput) (reply, error) {
	keyID := aws.ToString(in.KeyId)
	e := &elsewhere{}
	if r := arnRegion(keyID); r == "" || r == k.region || k.fixed {
		var answer reply
		if answer, e = k.direct.ask(ctx, "Decrypt", call{KeyId: in.KeyId, EncryptionContext: in.EncryptionContext, CiphertextBlob: in.CiphertextBlob}); e == nil {
			return answer, nil
		}
	}
	out, err := k.client.Decrypt(context.WithValue(ctx, attemptKey{}, e), in, k.toRegionOf(keyID), k.direct.learn)
	if err != nil {
		return reply{}, err
	}
	return reply{KeyId: out.KeyId, Plaintext: out.Plaintext}, nil
}
