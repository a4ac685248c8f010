package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mcfs/config"
)

// TestRenewedCredentials: a credentials file that was written anew is read when
// somebody says that the old ones have expired, and not before.
func TestRenewedCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	write := func(token string) {
		text := fmt.Sprintf("[default]\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = %s\n", token)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	a, err := LoadAWS(t.Context(), config.Config{Store: config.Store{Kind: config.StoreS3, Region: "us-east-1"}})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(token string) {
		t.Helper()
		if c, err := a.Credentials.Retrieve(t.Context()); err != nil || c.SessionToken != token {
			t.Errorf("the token is %q, not %q (%v)", c.SessionToken, token, err)
		}
	}
	expect("old")
	write("new")
	expect("old")
	a.Credentials.(interface{ Invalidate() }).Invalidate()
	expect("new")
}
