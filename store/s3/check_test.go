package s3_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
)

// TestCheck: one line, with the cure.
func TestCheck(t *testing.T) {
	server := s3test.Start(t, s3test.WithProxy())
	static := func(access, secret string) aws.CredentialsProvider {
		return credentials.NewStaticCredentialsProvider(access, secret, "")
	}
	for name, tt := range map[string]struct {
		change func(*s3.Options)
		fault  s3test.Fault
		want   error
		text   string
	}{
		"well":           {},
		"no bucket":      {change: func(o *s3.Options) { o.Bucket = "absent" }, want: store.ErrNoBucket, text: "aws s3 mb s3://absent"},
		"no credentials": {change: func(o *s3.Options) { o.AWS.Credentials = nil }, want: store.ErrDenied, text: "AWS_PROFILE"},
		"failing source": {change: func(o *s3.Options) { o.AWS.Credentials = source{errors.New("no role")} }, want: store.ErrDenied, text: "no role"},
		"unknown key":    {change: func(o *s3.Options) { o.AWS.Credentials = static("x", "y") }, want: store.ErrDenied, text: "access key"},
		"wrong secret":   {change: func(o *s3.Options) { o.AWS.Credentials = static(server.AccessKey, "y") }, want: store.ErrDenied, text: "secret"},
		"not allowed":    {fault: s3test.Fault{Status: 403, Code: "AccessDenied"}, want: store.ErrDenied, text: "s3:ListBucket"},
		"expired":        {fault: s3test.Fault{Status: 400, Code: "ExpiredToken"}, want: store.ErrDenied, text: "aws sso login"},
		"clock":          {fault: s3test.Fault{Status: 403, Code: "RequestTimeTooSkewed"}, want: store.ErrDenied, text: "clock"},
		"other region": {
			fault: s3test.Fault{Status: 301, Code: "PermanentRedirect", Header: http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}},
			text:  `store.region = "eu-west-1"`,
		},
		"some other region": {fault: s3test.Fault{Status: 301, Code: "PermanentRedirect"}, text: "set store.region"},
		"hanging":           {change: func(o *s3.Options) { o.Timeout = 200 * time.Millisecond }, fault: s3test.Fault{Hang: true}, want: store.ErrUnavailable, text: "check the network"},
		"no host":           {change: func(o *s3.Options) { o.Endpoint = "https://absent.invalid" }, want: store.ErrUnavailable, text: "store.endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			server.Proxy.Reset()
			if tt.fault.Status != 0 || tt.fault.Hang {
				server.Proxy.Fail("", -1, tt.fault)
			}
			start := time.Now()
			err := open(t, server, tt.change).Check(t.Context())
			if took := time.Since(start); took > 11*time.Second {
				t.Errorf("took %v", took)
			}
			if tt.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || (tt.want != nil && !errors.Is(err, tt.want)) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			t.Log(err)
		})
	}
}

type source struct{ err error }

func (s source) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials{}, s.err }
