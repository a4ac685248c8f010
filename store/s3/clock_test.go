package s3_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/store/s3"
)

// TestServersClock: the store shows the clock of a server that is an hour away, and
// believes no date of a cache's.
func TestServersClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		age := ""
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			date := time.Now().Add(off)
			if age != "" {
				w.Header().Set("Age", age)
				date = date.Add(-24 * time.Hour)
			}
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusNotFound)
		}))
		t.Cleanup(srv.Close)
		s, err := s3.New(s3.Options{
			AWS:    aws.Config{Credentials: credentials.NewStaticCredentialsProvider("a", "s", "")},
			Bucket: "b", Endpoint: srv.URL, PathStyle: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, age = range []string{"", "86400"} {
			_, _ = s.Head(t.Context(), "a")
			now, there := s.Now(), time.Now().Add(off)
			if there.Sub(now.From).Abs() > time.Minute || there.Sub(now.To).Abs() > time.Minute {
				t.Errorf("off by %v, age %q: %v, there it is %v", off, age, now, there)
			}
		}
	}
}
