package backend

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"mcfs/config"
	"mcfs/store"
	"mcfs/store/storetest"
)

// TestRateLimit: the store of a configuration sends no faster than that says, and upload.timeout,
// which is shorter than the whole takes, does not end it.
func TestRateLimit(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"e"`)
	}))
	t.Cleanup(server.Close)
	c, err := config.Parse(fmt.Appendf(nil, "[store]\nbucket = 'ingest'\nendpoint = %q\npath_style = true\n"+
		"[keys]\nkind = 'local'\n[upload]\nrate_limit = '00:00,64KiB'\ntimeout = '1s'\n", server.URL), "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	a := aws.Config{Credentials: credentials.NewStaticCredentialsProvider("a", "s", "")}
	st, err := OpenStore(a, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	began := time.Now()
	if _, err := st.Put(t.Context(), "k", storetest.BodyOf(storetest.Random(192<<10, 1)), store.Attributes{}, store.Condition{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("192 KiB at 64 KiB a second took %v", took)
	}
}
