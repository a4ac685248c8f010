package keys

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"mcfs/credentials"
)

const defaultAttempts = 4

// newKMSClient makes every choice explicit that the environment could make
// otherwise: retries, deadlines of one attempt, and that no body is logged.
func newKMSClient(o KMSOptions, creds *taggedCredentials, region string, timeout time.Duration) *kms.Client {
	attempts := o.MaxAttempts
	if attempts <= 0 {
		attempts = defaultAttempts
	}
	return kms.NewFromConfig(o.AWS.Copy(), func(c *kms.Options) {
		c.Region = region
		if o.Endpoint != "" {
			c.BaseEndpoint = &o.Endpoint
		}
		c.Credentials = creds
		c.HTTPSignerV4 = credentials.NewSigner()
		c.HTTPClient = boundAttempt(c.HTTPClient, timeout, strings.HasPrefix(aws.ToString(c.BaseEndpoint), "http:"))
		c.HTTPClient = afterAttempt{bounded{c.HTTPClient}}
		c.RetryMode = aws.RetryModeStandard
		c.RetryMaxAttempts = attempts
		c.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts = attempts
			s.MaxBackoff = timeout / 8
			s.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(creds.retryRefused)}, s.Retryables...)
		})
		// The bodies hold data keys.
		c.ClientLogMode.ClearRequestWithBody()
		c.ClientLogMode.ClearResponseWithBody()
		c.EndpointOptions.DisableHTTPS = false
		if o.DualStack {
			c.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
		if o.FIPS {
			c.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
	})
}

// boundAttempt gives one attempt a third of the call's time, so that a
// connection that died silently leaves time for another. In clear it connects to
// this machine alone, whatever a name server or a proxy makes of the endpoint. A
// client that is not the SDK's own is left as it is.
func boundAttempt(c kms.HTTPClient, timeout time.Duration, inClear bool) kms.HTTPClient {
	b, ok := c.(*awshttp.BuildableClient)
	if !ok {
		return c
	}
	return b.WithDialerOptions(func(d *net.Dialer) {
		d.Timeout = timeout / 3
		if inClear {
			d.Control = onlyLoopback
		}
	}).WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = timeout / 3
		t.TLSHandshakeTimeout = timeout / 3
		t.MaxIdleConnsPerHost = maxFetches
	})
}

// maxAnswer is more bytes than any answer of KMS has: a key of 32 bytes, a wrapped
// one of at most 6,144, an ARN, in base64 and JSON.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
const maxAnswer = 64 << 10

// bounded ends answers that would fill the memory, which the SDK reads whole.
type bounded struct{ kms.HTTPClient }

// Do is part of kms.HTTPClient.
func (b bounded) Do(r *http.Request) (*http.Response, error) {
	resp, err := b.HTTPClient.Do(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// taggedCredentials marks the errors of a provider as errors of credentials,
// which the SDK does not.
type taggedCredentials struct{ inner *credentials.Source } // nil: there are none

// Retrieve is part of aws.CredentialsProvider.
func (t *taggedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if t.inner == nil {
		return aws.Credentials{}, &credentialsError{errors.New("none are configured")}
	}
	c, err := t.inner.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		return c, &credentialsError{err}
	}
	if err == nil && !c.HasKeys() {
		return c, &credentialsError{errors.New("the provider gave none")}
	}
	return c, err
}

// retryRefused is the retryer's view of a refusal: try again if there are other credentials.
func (t *taggedCredentials) retryRefused(err error) aws.Ternary {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || t.inner == nil || !refusals[api.ErrorCode()] {
		return aws.UnknownTernary
	}
	return aws.BoolTernary(t.inner.Renewed())
}

type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "no AWS credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// chooseRegion: the configured one, else the ARN's, else the AWS configuration's.
func chooseRegion(keyID, configured, ambient string) (string, error) {
	if keyID == "" {
		return "", errors.New("keys.key_id is missing: give the KMS key's ARN, its id, or alias/NAME")
	}
	if strings.HasPrefix(keyID, "arn:") && arnRegion(keyID) == "" {
		return "", fmt.Errorf("keys.key_id %s is not the ARN of a KMS key or alias", keyID)
	}
	fromARN := arnRegion(keyID)
	switch {
	case configured == "" && fromARN != "":
		return fromARN, nil
	case configured == "" && ambient == "":
		return "", errors.New("no region for KMS: set keys.region or AWS_REGION, or give keys.key_id as an ARN")
	case configured == "":
		configured = ambient
	case fromARN != "" && fromARN != configured:
		return "", fmt.Errorf("keys.region is %s but keys.key_id lies in %s: remove keys.region", configured, fromARN)
	}
	if !regionName.MatchString(configured) {
		return "", fmt.Errorf("region %q is not a region's name, such as us-west-2", configured)
	}
	return configured, nil
}

// regionName keeps what comes from metadata, and becomes part of a host's
// name, from naming a host of its author's choice.
var regionName = regexp.MustCompile(`^[a-z]{2,8}(-[a-z0-9]{1,12}){1,4}$`)

// arnRegion is the region of a KMS key's or alias' ARN, empty if s is none.
func arnRegion(s string) string {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "kms" || !regionName.MatchString(a.Region) {
		return ""
	}
	if !strings.HasPrefix(a.Resource, "key/") && !strings.HasPrefix(a.Resource, "alias/") {
		return ""
	}
	return a.Region
}

// isKeyARN is true for the ARN of a key, not of an alias.
func isKeyARN(s string) bool {
	return arnRegion(s) != "" && strings.Contains(s, ":key/")
}

// checkEndpoint refuses to send data keys in clear to another machine.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("keys.endpoint: %w", err)
	}
	if u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("keys.endpoint %q is not a URL such as https://host:port", endpoint)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return fmt.Errorf("keys.endpoint %s would carry data keys in clear over the network: use https", endpoint)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// onlyLoopback refuses a connection to another machine.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err == nil && !to.Addr().Unmap().IsLoopback() {
		err = fmt.Errorf("%s is not on this machine, and keys.endpoint is http", to.Addr())
	}
	return err
}
