package keys

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// TestKMSAddresses: each call goes to the address that was chosen, also on the short way, which
// learns it from the first.
func TestKMSAddresses(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"} {
		t.Setenv(name, "")
	}
	var mu sync.Mutex
	var hosts, scopes []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		hosts, scopes = append(hosts, r.Host), append(scopes, r.Header.Get("Authorization"))
		key := base64.StdEncoding.EncodeToString(make([]byte, 32))
		fmt.Fprintf(w, `{"KeyId":"arn:aws:kms:us-west-2:111122223333:key/k","Plaintext":%q,"CiphertextBlob":%[1]q}`, key)
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // its certificate has another name
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}}
	for host, o := range map[string]KMSOptions{
		"kms.us-west-2.amazonaws.com":      {},
		"kms-fips.us-west-2.amazonaws.com": {FIPS: true},
		"kms.us-west-2.api.aws":            {DualStack: true},
		"kms-fips.us-west-2.api.aws":       {FIPS: true, DualStack: true},
	} {
		hosts, scopes = nil, nil
		o.KeyID = "arn:aws:kms:us-west-2:111122223333:key/k"
		o.AWS = aws.Config{HTTPClient: client, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")}
		k, err := NewKMS(o)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := k.New(t.Context(), 256); err != nil {
				t.Fatal(err)
			}
		}
		if len(hosts) != 2 || hosts[0] != host || hosts[1] != host || !strings.Contains(scopes[1], "/us-west-2/kms/") {
			t.Errorf("%s: asked %q, signed %q", host, hosts, scopes)
		}
	}
}
