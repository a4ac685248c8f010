package backend

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mcfs/config"
)

// studio is an STS for tests, and the files of the AWS CLI. What it was asked it keeps.
type studio struct {
	mu    sync.Mutex
	forms []url.Values
	by    []string // who signed each
}

func (s *studio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	s.forms, s.by = append(s.forms, r.PostForm), append(s.by, r.Header.Get("Authorization"))
	n := len(s.forms)
	s.mu.Unlock()
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`, n, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config"), `[default]
region = eu-west-1
[profile cart]
region = us-west-2
[profile device]
role_arn = arn:aws:iam::111122223333:role/OfProfile
source_profile = cart
mfa_serial = arn:aws:iam::111122223333:mfa/anna
`, 0o600)
	write(t, filepath.Join(dir, "credentials"), "[cart]\naws_access_key_id = AKIACART\naws_secret_access_key = s\n", 0o600)
	for name, value := range map[string]string{
		"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "",
		"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s",
		"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
		"AWS_ENDPOINT_URL_STS": server.URL,
	} {
		t.Setenv(name, value)
	}
	return s
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// printing is a command that prints its argument, however that is spelled, and notes each run.
func printing(t *testing.T, token string) (command []string, runs func() int) {
	t.Helper()
	dir := t.TempDir()
	program, log := filepath.Join(dir, "otp"), filepath.Join(dir, "runs")
	write(t, program, "#!/bin/sh\nprintf . >> \"$1\"\nprintf '%s\\n' \"$2\"\n", 0o700)
	return []string{program, log, token}, func() int {
		text, _ := os.ReadFile(log)
		return len(text)
	}
}

func of(a config.Access) config.Config {
	return config.Config{Store: config.Store{Kind: config.StoreS3, Access: a}}
}

// asked is the access key with which AWS is asked under a configuration.
func asked(t *testing.T, c config.Config) string {
	t.Helper()
	a, err := LoadAWS(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got.AccessKeyID
}

// TestProfile: a profile that is configured goes before the environment's credentials, and
// has its own region.
func TestProfile(t *testing.T) {
	newStudio(t)
	if got := asked(t, of(config.Access{})); got != "AKIAENV" {
		t.Errorf("without a profile: %s", got)
	}
	a, err := LoadAWS(t.Context(), of(config.Access{Profile: "cart"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := asked(t, of(config.Access{Profile: "cart"})); got != "AKIACART" || a.Region != "us-west-2" {
		t.Errorf("%s in %s", got, a.Region)
	}
	if _, err := LoadAWS(t.Context(), of(config.Access{Profile: "none"})); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a profile that is not there: %v", err)
	}
}

// TestRole: what STS is asked, and by whom, and that its answer is used.
func TestRole(t *testing.T) {
	s := newStudio(t)
	plain := config.Access{RoleARN: "arn:aws:iam::111122223333:role/Ingest"}
	if got := asked(t, of(plain)); got != "ASIA1" {
		t.Errorf("asked by %s", got)
	}
	command, runs := printing(t, "123456")
	full := plain
	full.Profile, full.RoleExternalID, full.RoleSessionName = "cart", "x:1", "cart-3"
	full.MFASerial, full.MFACommand = "arn:aws:iam::111122223333:mfa/anna", command
	if got := asked(t, of(full)); got != "ASIA2" {
		t.Errorf("asked by %s", got)
	}
	form := func(more ...string) url.Values {
		v := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {plain.RoleARN}, "DurationSeconds": {"3600"}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	want := []url.Values{
		form("RoleSessionName", "mcfs"),
		form("RoleSessionName", "cart-3", "ExternalId", "x:1", "SerialNumber", full.MFASerial, "TokenCode", "123456"),
	}
	if diff := cmp.Diff(want, s.forms); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(s.by[0], "AKIAENV/") || !strings.Contains(s.by[0], "/eu-west-1/sts/") || !strings.Contains(s.by[1], "AKIACART/") || !strings.Contains(s.by[1], "/us-west-2/sts/") {
		t.Errorf("signed by %q", s.by)
	}
	// Store and keeper read the configuration each, and a token is taken once.
	if got := asked(t, of(full)); got != "ASIA2" || runs() != 1 {
		t.Errorf("asked by %s after %d tokens", got, runs())
	}
}

// TestNoTokenNoAccess: without a token nothing is opened, and the command is named.
func TestNoTokenNoAccess(t *testing.T) {
	newStudio(t)
	_, err := LoadAWS(t.Context(), of(config.Access{RoleARN: "arn:aws:iam::111122223333:role/Ingest", MFASerial: "arn:aws:iam::1:mfa/a", MFACommand: []string{"/nowhere/otp"}}))
	if err == nil || !strings.Contains(err.Error(), "store.mfa_command: /nowhere/otp: ") || !strings.Contains(err.Error(), "run store.mfa_command by hand") {
		t.Error(err)
	}
}

// TestRoleOfProfile: a role with a device that the profile names takes the token, too.
func TestRoleOfProfile(t *testing.T) {
	s := newStudio(t)
	command, _ := printing(t, "654321")
	if got := asked(t, of(config.Access{Profile: "device", MFACommand: command})); got != "ASIA1" {
		t.Errorf("asked by %s", got)
	}
	if f := s.forms[0]; f.Get("RoleArn") != "arn:aws:iam::111122223333:role/OfProfile" || f.Get("TokenCode") != "654321" {
		t.Errorf("%v", f)
	}
}

// TestRoleTakenOnAnew: after a refusal the role is taken on anew, with a token of its own.
func TestRoleTakenOnAnew(t *testing.T) {
	newStudio(t)
	command, runs := printing(t, "123456")
	a, err := LoadAWS(t.Context(), of(config.Access{RoleARN: "arn:aws:iam::111122223333:role/Ingest", MFASerial: "arn:aws:iam::1:mfa/a", MFACommand: command}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		got, err := a.Credentials.Retrieve(t.Context())
		if want := fmt.Sprintf("ASIA%d", i+1); err != nil || got.AccessKeyID != want || runs() != i+1 {
			t.Errorf("asked by %s after %d tokens, %v", got.AccessKeyID, runs(), err)
		}
		a.Credentials.(*Credentials).Invalidate()
	}
}

// TestRenew: another profile is taken over at once, and one that gives nothing is not.
func TestRenew(t *testing.T) {
	newStudio(t)
	a, err := LoadAWS(t.Context(), of(config.Access{}))
	if err != nil {
		t.Fatal(err)
	}
	c := a.Credentials.(*Credentials)
	expect := func(want string) {
		t.Helper()
		if got, err := a.Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != want {
			t.Errorf("asked by %s, not %s: %v", got.AccessKeyID, want, err)
		}
	}
	expect("AKIAENV")
	if err := c.Renew(t.Context(), config.Store{Access: config.Access{Profile: "cart"}}); err != nil {
		t.Error(err)
	}
	expect("AKIACART")
	for _, wrong := range []config.Access{{Profile: "none"}, {RoleARN: "arn:aws:iam::111122223333:role/Ingest", MFASerial: "arn:aws:iam::1:mfa/a", MFACommand: []string{"/nowhere/otp"}}} {
		if err := c.Renew(t.Context(), config.Store{Access: wrong}); err == nil {
			t.Errorf("%+v was taken over", wrong)
		}
		expect("AKIACART")
	}
	c.Invalidate() // and what is read after a refusal is what was taken over
	expect("AKIACART")
}

// TestAddressOfSTS: the one that was chosen, in the region of the AWS configuration, else the store's.
func TestAddressOfSTS(t *testing.T) {
	newStudio(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", "")
	proxy, hosts := connecting(t)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	for want, s := range map[string]config.Store{
		"sts.us-west-2.amazonaws.com:443":      {Region: "us-west-2"},
		"sts.us-east-1.amazonaws.com:443":      {Region: "auto", Endpoint: "https://s3.example.com"},
		"sts.eu-west-1.api.aws:443":            {Region: "eu-west-1", Endpoints: config.Endpoints{DualStack: true}},
		"sts-fips.us-west-1.amazonaws.com:443": {Region: "us-west-1", Endpoints: config.Endpoints{FIPS: true}},
	} {
		s.RoleARN = "arn:aws:iam::111122223333:role/Ingest"
		a, err := load(t.Context(), s, proxy)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Credentials.Retrieve(t.Context())
		if got := hosts(); err == nil || len(got) == 0 || got[0] != want {
			t.Errorf("asked %q for %s: %v", got, want, err)
		}
	}
}
