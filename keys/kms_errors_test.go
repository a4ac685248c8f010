package keys

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mcfs/keys/kmstest"
)

// bothWays runs a test with keepers that know the short way, and with such that do not yet.
func bothWays(t *testing.T, test func(t *testing.T, srv *kmstest.Server, make func(*testing.T, KMSOptions) *KMS)) {
	t.Run("sdk", func(t *testing.T) {
		test(t, kmstest.Start(t, kmstest.Options{}), func(t *testing.T, o KMSOptions) *KMS { return newKMS(t, o) })
	})
	t.Run("short way", func(t *testing.T) {
		srv := kmstest.Start(t, kmstest.Options{})
		test(t, srv, func(t *testing.T, o KMSOptions) *KMS {
			k := newKMS(t, o)
			k.direct.url.Store(shown(t, srv))
			return k
		})
	})
}

// shown is what a keeper learns.
func shown(t *testing.T, srv *kmstest.Server) *url.URL {
	k := newKMS(t, kmsOptions(srv))
	fresh(t, k, 256)
	u := k.direct.url.Load()
	if u == nil {
		t.Fatal("nothing was learnt from a call that was answered")
	}
	return u
}

func TestKMSErrorKinds(t *testing.T) { bothWays(t, kmsErrorKinds) }

func kmsErrorKinds(t *testing.T, srv *kmstest.Server, make func(*testing.T, KMSOptions) *KMS) {
	o := kmsOptions(srv)
	o.MaxAttempts = 1
	k := make(t, o)
	kinds := []error{ErrMalformed, ErrOtherKeeper, ErrDenied, ErrKeyState, ErrUnavailable}
	for code, want := range map[string]error{
		"InvalidCiphertextException":  ErrMalformed,
		"IncorrectKeyException":       ErrOtherKeeper,
		"AccessDeniedException":       ErrDenied,
		"ExpiredTokenException":       ErrDenied,
		"UnrecognizedClientException": ErrDenied,
		"InvalidSignatureException":   ErrDenied,
		"DisabledException":           ErrKeyState,
		"KMSInvalidStateException":    ErrKeyState,
		"NotFoundException":           ErrKeyState,
		"InvalidKeyUsageException":    ErrKeyState,
		"KeyUnavailableException":     ErrUnavailable,
		"KMSInternalException":        ErrUnavailable,
		"DependencyTimeoutException":  ErrUnavailable,
		"ThrottlingException":         ErrUnavailable,
		"LimitExceededException":      ErrUnavailable,
		"SomethingNew":                ErrUnavailable,
		kmstest.DropConnection:        ErrUnavailable,
	} {
		srv.FailNext(1, code)
		_, err := k.New(t.Context(), 256)
		for _, kind := range kinds {
			if errors.Is(err, kind) != errors.Is(want, kind) {
				t.Errorf("%s: %v", code, err)
			}
		}
		if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), srv.ARN(0)) {
			t.Errorf("%s: not one line that names the key: %v", code, err)
		}
	}
}

func TestKMSRetries(t *testing.T) { bothWays(t, kmsRetries) }

func kmsRetries(t *testing.T, srv *kmstest.Server, make func(*testing.T, KMSOptions) *KMS) {
	o := kmsOptions(srv)
	o.Timeout = 2 * time.Second // and so waits of a quarter of a second between attempts
	k := make(t, o)
	for _, code := range []string{"ThrottlingException", "KMSInternalException", "KeyUnavailableException", kmstest.DropConnection} {
		srv.FailNext(1, code)
		if _, err := k.New(t.Context(), 256); err != nil {
			t.Errorf("%s is gone a moment later, yet: %v", code, err)
		}
	}
	before := srv.Count("")
	srv.FailNext(1, "AccessDeniedException")
	if _, err := k.New(t.Context(), 256); !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
	if n := srv.Count("") - before; n != 1 {
		t.Errorf("a denial was tried %d times", n)
	}
	o.AWS.RetryMaxAttempts, o.MaxAttempts, o.Timeout = 50, 3, time.Second
	k = make(t, o)
	before = srv.Count("")
	srv.FailNext(1000, "KMSInternalException")
	if _, err := k.New(t.Context(), 256); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if n := srv.Count("") - before; n != 3 {
		t.Errorf("%d attempts, not 3", n)
	}
}

// A connection that died silently costs one attempt, not the call.
func TestKMSSilentConnection(t *testing.T) { bothWays(t, kmsSilentConnection) }

func kmsSilentConnection(t *testing.T, srv *kmstest.Server, make func(*testing.T, KMSOptions) *KMS) {
	o := kmsOptions(srv)
	o.Timeout = 1500 * time.Millisecond
	k := make(t, o)
	srv.FailNext(1, kmstest.Stall)
	if _, err := k.New(t.Context(), 256); err != nil {
		t.Error(err)
	}
}

func TestKMSDeadline(t *testing.T) { bothWays(t, kmsDeadline) }

func kmsDeadline(t *testing.T, srv *kmstest.Server, make func(*testing.T, KMSOptions) *KMS) {
	o := kmsOptions(srv)
	patient := make(t, o)
	o.Timeout = 300 * time.Millisecond
	o.AWS.HTTPClient = &http.Client{} // one without any timeout of its own
	hasty := make(t, o)
	srv.SetLatency(time.Minute)
	start := time.Now()
	_, err := hasty.New(t.Context(), 256)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "300ms") {
		t.Errorf("the keeper's deadline: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := patient.New(ctx, 256); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestKMSKeyStates(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	k := newKMS(t, kmsOptions(srv))
	key := fresh(t, k, 256)
	for state, cure := range map[string]string{kmstest.Disabled: "enable-key", kmstest.PendingDeletion: "cancel-key-deletion"} {
		srv.SetKeyState(srv.ARN(0), state)
		if _, err := k.Unwrap(t.Context(), key.Wrapped, key.KeyID); !errors.Is(err, ErrKeyState) {
			t.Errorf("%s: %v", state, err)
		}
		if err := k.Check(t.Context()); !errors.Is(err, ErrKeyState) || !strings.Contains(err.Error(), cure) {
			t.Errorf("%s: Check: %v", state, err)
		}
	}
	srv.SetKeyState(srv.ARN(0), kmstest.Enabled)
	unwraps(t, k, key.Wrapped, key.KeyID, key.Plain)
}

func TestKMSCheckNamesTheCure(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	for name, c := range map[string]struct {
		change func(*KMSOptions)
		kind   error
		cure   string
	}{
		"no provider":  {func(o *KMSOptions) { o.AWS.Credentials = nil }, ErrDenied, "aws sso login"},
		"anonymous":    {func(o *KMSOptions) { o.AWS.Credentials = aws.AnonymousCredentials{} }, ErrDenied, "aws sso login"},
		"bad provider": {func(o *KMSOptions) { o.AWS.Credentials = badProvider }, ErrDenied, "aws sso login"},
		"wrong secret": {func(o *KMSOptions) { o.AWS.Credentials = wrongSecret(srv) }, ErrDenied, "clock"},
		"no such key":  {func(o *KMSOptions) { o.KeyID = "alias/nothing" }, ErrKeyState, "keys.key_id"},
		"denied":       {func(*KMSOptions) { srv.FailNext(1, "AccessDeniedException") }, ErrDenied, "kms:GenerateDataKey"},
		"expired":      {func(*KMSOptions) { srv.FailNext(1, "ExpiredTokenException") }, ErrDenied, "renew"},
		"nobody there": {func(o *KMSOptions) { o.Endpoint = "http://127.0.0.1:1" }, ErrUnavailable, "keys.endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			o := kmsOptions(srv)
			o.Timeout = 2 * time.Second
			c.change(&o)
			err := newKMS(t, o).Check(t.Context())
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.cure) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
	if v := srv.TakeViolations(); len(v) != 1 || !strings.Contains(v[0], "signature") {
		t.Errorf("violations: %q", v)
	}
}

var badProvider = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("the session file is gone")
})

func wrongSecret(srv *kmstest.Server) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		c, err := srv.Config().Credentials.Retrieve(ctx)
		c.SecretAccessKey += "x"
		return c, err
	})
}
