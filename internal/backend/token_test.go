package backend

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

// connecting is a proxy that refuses to connect, and notes whereto.
func connecting(t *testing.T) (use func(*awsconfig.LoadOptions) error, hosts func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r.Host)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = http.ProxyURL(to) })
	return awsconfig.WithHTTPClient(client), func() []string {
		mu.Lock()
		defer mu.Unlock()
		got := all
		all = nil
		return got
	}
}

// TestToken: the arguments come as they are, whatever a shell would make of them.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	program, seen, made := filepath.Join(dir, "otp"), filepath.Join(dir, "seen"), filepath.Join(dir, "made")
	write(t, program, "#!/bin/sh\nprintf %s \"$2\" > \"$1\"\necho 123456\n", 0o700)
	hostile := "; touch " + made + " $(touch " + made + ") `touch " + made + "` *"
	got, err := token(t.Context(), []string{program, seen, hostile})
	if err != nil || got != "123456" {
		t.Errorf("%q, %v", got, err)
	}
	if text, err := os.ReadFile(seen); string(text) != hostile {
		t.Errorf("the argument came as %q, %v", text, err)
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("a shell has read the argument")
	}
}

// TestNoToken: what goes wrong is told with the command, and never what it has printed as a token.
func TestNoToken(t *testing.T) {
	script := func(text string) []string {
		path := filepath.Join(t.TempDir(), "otp")
		write(t, path, "#!/bin/sh\n"+text+"\n", 0o700)
		return []string{path}
	}
	for what, c := range map[string]struct {
		command []string
		want    string
	}{
		"none":     {nil, "set store.mfa_command"},
		"missing":  {[]string{"/nowhere/otp"}, "store.mfa_command: /nowhere/otp: "},
		"fails":    {script("echo 123456; echo 'no key' >&2; exit 3"), "exit status 3: no key"},
		"words":    {script("echo code 123456"), "no token of six digits"},
		"nothing":  {script(":"), "no token of six digits (0 bytes)"},
		"endless":  {script("yes 1234567 | head -c 1000000"), "no token of six digits (4096 bytes)"},
		"has read": {script("cat"), "no token of six digits (0 bytes)"}, // its input is empty, and no terminal
	} {
		got, err := token(t.Context(), c.command)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "123456") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// TestTokenTakesTooLong: the command is ended, and so is waiting for what it has started.
func TestTokenTakesTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "otp")
	write(t, path, "#!/bin/sh\nsleep 600 & sleep 600\n", 0o700)
	_, err := tokenWithin(t.Context(), []string{path}, 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "it has not ended within 50ms") {
		t.Error(err)
	}
}

// TestTokenOfNobody: when nobody wants the token any more the command ends, and with it what it has started.
func TestTokenOfNobody(t *testing.T) {
	dir := t.TempDir()
	program, pipe := filepath.Join(dir, "otp"), filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, program, "#!/bin/sh\nexec 3>\"$1\"\necho begun >&3\nsleep 600 & sleep 600\n", 0o700)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := token(ctx, []string{program, pipe})
		failed <- err
	}()
	held, err := os.Open(pipe) // waits for the command
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := io.ReadFull(held, make([]byte, len("begun\n"))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := held.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := held.Read(make([]byte, 1)); n != 0 || err != io.EOF { // once the last has ended that could write there
		t.Errorf("something still runs: %d, %v", n, err)
	}
}
