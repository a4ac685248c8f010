package mediaconverttest

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// A request that was not signed for this service is refused.
func TestSignature(t *testing.T) {
	s := Start(t, Options{})
	send := func(change func(*mediaconvert.Options)) error {
		c := mediaconvert.NewFromConfig(s.Config(), func(o *mediaconvert.Options) { o.BaseEndpoint = aws.String(s.URL) }, change)
		_, err := c.GetQueue(t.Context(), &mediaconvert.GetQueueInput{Name: aws.String("Default")})
		return err
	}
	if err := send(func(*mediaconvert.Options) {}); err != nil {
		t.Fatal(err)
	}
	secret := func(ctx context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: s.opts.AccessKey, SecretAccessKey: "another"}, nil
	}
	for name, change := range map[string]func(*mediaconvert.Options){
		"region": func(o *mediaconvert.Options) { o.Region = "eu-west-1" },
		"secret": func(o *mediaconvert.Options) { o.Credentials = aws.CredentialsProviderFunc(secret) },
		"altered": func(o *mediaconvert.Options) {
			o.HTTPClient = altering{func(r *http.Request) { r.URL.RawQuery = "x=y" }}
		},
		"more": func(o *mediaconvert.Options) {
			o.HTTPClient = altering{func(r *http.Request) { r.Header.Set("X-Amz-More", "1") }}
		},
		"unsigned": func(o *mediaconvert.Options) {
			o.HTTPClient = altering{func(r *http.Request) { r.Header.Del("Authorization") }}
		},
		"yesterday": func(o *mediaconvert.Options) {
			o.HTTPClient = altering{func(r *http.Request) { r.Header.Set("X-Amz-Date", "20250102T030405Z") }}
		},
	} {
		var bad *types.ForbiddenException
		if err := send(change); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
		if len(s.TakeViolations()) != 1 {
			t.Errorf("%s is no violation", name)
		}
	}
}

// altering is a client that changes what was signed.
type altering struct{ change func(*http.Request) }

func (a altering) Do(r *http.Request) (*http.Response, error) {
	a.change(r)
	return http.DefaultClient.Do(r)
}
