package keys

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mcfs/keys/kmstest"
)

// rotatedSource holds what it has read until it is asked to look again, as that of a file does.
type rotatedSource struct {
	mu        sync.Mutex
	held, new aws.Credentials
	looks     int
}

func (r *rotatedSource) Retrieve(context.Context) (aws.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held, nil
}

func (r *rotatedSource) Invalidate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = r.new
	r.looks++
}

// TestRotatedCredentials: KMS does not know the access key any more, or its secret, and
// others are there by now. Both kinds of call find them.
func TestRotatedCredentials(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	good, err := srv.Config().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	deleted, replaced := good, good
	deleted.AccessKeyID, replaced.SecretAccessKey = "AKIADELETED", "an older secret"
	for _, old := range []aws.Credentials{deleted, replaced} {
		source := &rotatedSource{held: old, new: good}
		o := kmsOptions(srv)
		o.AWS.Credentials = source
		k := newKMS(t, o)
		key := fresh(t, k, 256)
		k = newKMS(t, o)
		source.held = old
		unwraps(t, k, key.Wrapped, key.KeyID, key.Plain)
		srv.TakeViolations()
	}
}

// TestRefusedCredentials: where there are no others the source is not asked again and again.
func TestRefusedCredentials(t *testing.T) {
	srv := kmstest.Start(t, kmstest.Options{})
	bad, err := wrongSecret(srv).Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source := &rotatedSource{held: bad, new: bad}
	o := kmsOptions(srv)
	o.AWS.Credentials = source
	k := newKMS(t, o)
	for range 10 {
		if _, err := k.New(t.Context(), 256); !errors.Is(err, ErrDenied) {
			t.Fatal(err)
		}
	}
	if source.looks != 1 {
		t.Errorf("the source was asked anew %d times", source.looks)
	}
	srv.TakeViolations()
}
