package compatibility

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mcfs/keys"
	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
)

// server is the one that is asked.
type server struct {
	store          *s3.Store
	client         *awss3.Client
	bucket, prefix string
}

// TestServer asks the server of MCFS_ENDPOINT, with the credentials of AWS_ACCESS_KEY_ID
// and AWS_SECRET_ACCESS_KEY, in the bucket MCFS_BUCKET; without one, that of the tests. What
// it finds of that one must be what the page says. Of any other it prints a column.
func TestServer(t *testing.T) {
	options, known := thatOfTheTests, "versitygw 1.8.0"
	if os.Getenv("MCFS_ENDPOINT") != "" {
		options, known = named, ""
	}
	s := open(t, options(t))
	found, column := make(map[string]string), []string{}
	note := func(name, answer string) {
		found[name] = answer
		column = append(column, fmt.Sprintf("| %s | %s |", name, answer))
	}
	for _, f := range features {
		note(f.name, f.ask(t.Context(), s))
	}
	keeper, err := keys.CreateLocal(filepath.Join(private(t), "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range deeds {
		answer := "works"
		if err := d.try(t, s, keeper, fmt.Sprintf("d%d", i)); err != nil {
			answer = "fails"
			t.Logf("%s: %v", d.name, err)
		}
		note(d.name, answer)
	}
	if known == "" {
		fmt.Println(strings.Join(column, "\n"))
		return
	}
	if told := onPage(t, known); strings.Join(told, "\n") != strings.Join(column, "\n") {
		t.Errorf("the page says of %s\n%s\nand found was\n%s", known, strings.Join(told, "\n"), strings.Join(column, "\n"))
	}
}

// onPage is what docs/compatibility.md has of a server: a line for each row.
func onPage(t *testing.T, name string) []string {
	t.Helper()
	page, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	at := -1
	for line := range strings.Lines(string(page)) {
		if at > 0 && !strings.HasPrefix(line, "|") {
			break // the table ends
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			if cells[i] = strings.TrimSpace(cells[i]); cells[i] == name {
				at = i
			}
		}
		if at > 0 && at < len(cells) && cells[at] != name && !strings.HasPrefix(cells[0], "-") {
			lines = append(lines, fmt.Sprintf("| %s | %s |", cells[0], cells[at]))
		}
	}
	return lines
}

func private(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func thatOfTheTests(t *testing.T) s3.Options {
	return s3test.Start(t).Options("")
}

func named(t *testing.T) s3.Options {
	return s3.Options{
		AWS: aws.Config{Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"))},
		Endpoint: os.Getenv("MCFS_ENDPOINT"), Bucket: cmp.Or(os.Getenv("MCFS_BUCKET"), "mcfs-compatibility"),
		Region: cmp.Or(os.Getenv("AWS_REGION"), "us-east-1"), PathStyle: true, InsecureHTTP: true,
		Checksum: cmp.Or(os.Getenv("MCFS_CHECKSUM"), s3.ChecksumCRC32C), Timeout: 20 * time.Second,
	}
}

// open makes the bucket, if it is not there, and opens a prefix in it that is emptied in the end.
func open(t *testing.T, o s3.Options) *server {
	t.Helper()
	o.Prefix = fmt.Sprintf("mcfs-%d/", time.Now().UnixNano())
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	client := awss3.New(awss3.Options{
		Region: cmp.Or(o.Region, "us-east-1"), BaseEndpoint: &o.Endpoint, UsePathStyle: true, Credentials: o.AWS.Credentials,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	if _, err := client.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: &o.Bucket}); err != nil {
		if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &o.Bucket}); err != nil {
			t.Fatal(err)
		}
	}
	st, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{store: st, client: client, bucket: o.Bucket, prefix: o.Prefix}
	t.Cleanup(func() {
		if err := errors.Join(s.empty(context.Background()), st.Close()); err != nil {
			t.Errorf("emptying the prefix: %v", err)
		}
	})
	if err := st.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) empty(ctx context.Context) error {
	for {
		page, err := s.store.List(ctx, "", "", "", 0)
		if err != nil || len(page.Objects) == 0 {
			return err
		}
		for _, o := range page.Objects {
			if err := s.store.Delete(ctx, o.Key, store.Condition{}); err != nil {
				return err
			}
		}
	}
}

// statusOf is the HTTP status of the SDK's error, 0 if the server did not answer.
func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
