package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testHome gives the test an environment of its own and returns its home folder.
func testHome(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	for _, v := range []string{"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", EnvFile} {
		t.Setenv(v, "")
	}
	return dir
}

const minimal = "store.bucket = 'ingest'\nkeys.key_id = 'alias/media'\n"

func mustParse(t *testing.T, text string) Config {
	t.Helper()
	c, err := Parse([]byte(text), "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsOfEveryKey(t *testing.T) {
	home := testHome(t)
	c := mustParse(t, minimal)
	want := Config{
		Source:  "config.toml",
		Store:   Store{Kind: "s3", Bucket: "ingest", Access: Access{MFACommand: []string{}}, Marks: Marks{Tags: []string{}}},
		Keys:    Keys{Kind: "kms", KeyID: "alias/media", DataKey: "generate", Bits: 256},
		Crypt:   Crypt{Mode: "CTR", IVBytes: 16, GCMReads: "verified"},
		Spool:   Spool{Dir: filepath.Join(home, ".local/state/mcfs", c.VolumeID()), MaxSize: 20 << 30, Keep: KeepAuto},
		Upload:  Upload{PartSize: 8 << 20, Concurrency: 8, Timeout: time.Minute, Checksum: "crc32c", RateLimit: "off"},
		Mount:   Mount{Sidecars: "listed", Durability: "upload", LocalOnly: []string{}, CommitOnFsync: []string{}, Grace: 30 * time.Second, Fresh: 5 * time.Second},
		Job:     Job{Making: Making{Tags: []string{}}, Case: "pascal", Jobs: 4},
		Log:     Log{Level: "info", Format: "text"},
		Metrics: Metrics{},
		Notify:  Notify{Desktop: "failures"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestBuiltInDefaultStaysOnThisMachine(t *testing.T) {
	home := testHome(t)
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if c.Store.Kind != StoreDir || c.Keys.Kind != KeysLocal {
		t.Errorf("kinds %q and %q", c.Store.Kind, c.Keys.Kind)
	}
	if got, want := c.Store.Path, filepath.Join(home, ".local/share/mcfs/store"); got != want {
		t.Errorf("store.path %q, want %q", got, want)
	}
	if got, want := c.Keys.Path, filepath.Join(home, ".local/share/mcfs/keyring"); got != want {
		t.Errorf("keys.path %q, want %q", got, want)
	}
	if got, want := c.Spool.Dir, filepath.Join(home, ".local/state/mcfs", c.VolumeID()); got != want {
		t.Errorf("spool.dir %q, want %q", got, want)
	}
}

func TestXDGVariables(t *testing.T) {
	home := testHome(t)
	t.Setenv("XDG_DATA_HOME", "/data")
	t.Setenv("XDG_STATE_HOME", "/state")
	c, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	if c.Store.Path != "/data/mcfs/store" || c.Keys.Path != "/data/mcfs/keyring" || c.Spool.Dir != "/state/mcfs/"+c.VolumeID() {
		t.Errorf("%+v %+v %+v", c.Store, c.Keys, c.Spool)
	}
	t.Setenv("XDG_DATA_HOME", "relative") // the specification: to be ignored
	if c, err = Default(); err != nil || c.Store.Path != filepath.Join(home, ".local/share/mcfs/store") {
		t.Errorf("%q, %v", c.Store.Path, err)
	}
	t.Setenv("HOME", "")
	if _, err = Default(); err == nil || !strings.Contains(err.Error(), "XDG_DATA_HOME") {
		t.Errorf("without $HOME: %v", err)
	}
}

func TestTilde(t *testing.T) {
	home := testHome(t)
	c := mustParse(t, "store.kind='dir'\nstore.path='~/a/../b'\nkeys.kind='local'\nkeys.path='~/k'\nspool.dir='~/s/'")
	if c.Store.Path != home+"/b" || c.Keys.Path != home+"/k" || c.Spool.Dir != home+"/s" {
		t.Errorf("%q %q %q", c.Store.Path, c.Keys.Path, c.Spool.Dir)
	}
}

func TestFind(t *testing.T) {
	home := testHome(t)
	if path, found, err := Find(); found || err != nil {
		t.Errorf("in an empty home: %q, %v, %v", path, found, err)
	}
	c, err := Load("")
	if err != nil || c.Source != "built-in default" {
		t.Errorf("Load: %q, %v", c.Source, err)
	}

	place := filepath.Join(home, ".config/mcfs/config.toml")
	write(t, place, minimal)
	if path, found, err := Find(); path != place || !found || err != nil {
		t.Errorf("%q, %v, %v", path, found, err)
	}
	if c, err := Load(""); err != nil || c.Source != place || c.Store.Bucket != "ingest" {
		t.Errorf("Load: %+v, %v", c, err)
	}

	other := filepath.Join(home, "xdg")
	t.Setenv("XDG_CONFIG_HOME", other)
	if _, found, err := Find(); found || err != nil {
		t.Errorf("with another XDG_CONFIG_HOME: %v, %v", found, err)
	}
	write(t, filepath.Join(other, "mcfs/config.toml"), minimal)
	if path, found, err := Find(); path != other+"/mcfs/config.toml" || !found || err != nil {
		t.Errorf("%q, %v, %v", path, found, err)
	}

	t.Setenv(EnvFile, filepath.Join(home, "missing.toml"))
	if _, found, err := Find(); found || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("$%s names nothing: %v, %v", EnvFile, found, err)
	}
	t.Setenv(EnvFile, place)
	if path, found, err := Find(); path != place || !found || err != nil {
		t.Errorf("%q, %v, %v", path, found, err)
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	testHome(t)
	path := filepath.Join(t.TempDir(), "my.toml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	write(t, path, "[crypt]\nmode = 'XTS'\n")
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path+":2: crypt.mode: ") {
		t.Errorf("%v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVolumeID(t *testing.T) {
	testHome(t)
	base := mustParse(t, minimal)
	// Fixed for ever: the spool's folder, with drafts in it, is named so.
	if got := base.VolumeID(); got != "16dc24a92d99985ab98bbfd4c7b6db93" {
		t.Errorf("VolumeID %s", got)
	}
	same := []string{
		minimal + "store.region='eu-west-1'\nstore.endpoint=''\ncrypt.mode='GCM'\nstore.path='/elsewhere'",
		"store.bucket = 'ingest'\nkeys.kind='local'",
	}
	for _, text := range same {
		if c := mustParse(t, text); c.VolumeID() != base.VolumeID() {
			t.Errorf("another id for\n%s", text)
		}
	}
	seen := map[string]string{base.VolumeID(): minimal}
	for _, text := range []string{
		minimal + "store.prefix='a'",
		minimal + "store.prefix='a/b'",
		minimal + "store.endpoint='https://s3.example.com'",
		"store.bucket = 'ingest2'\nkeys.kind='local'",
		"store.kind='dir'\nkeys.kind='local'",
		"store.kind='dir'\nstore.path='/x'\nkeys.kind='local'",
	} {
		id := mustParse(t, text).VolumeID()
		if before, ok := seen[id]; ok {
			t.Errorf("one id for\n%s\nand\n%s", before, text)
		}
		seen[id] = text
	}
	if a, b := mustParse(t, minimal+"store.prefix='a'"), mustParse(t, minimal+"store.prefix='a/'"); a.VolumeID() != b.VolumeID() || a.Store.Prefix != "a/" {
		t.Errorf("prefix %q and %q", a.Store.Prefix, b.Store.Prefix)
	}
	if a, b := mustParse(t, minimal+"store.endpoint='https://s3.example.com'"), mustParse(t, minimal+"store.endpoint='https://s3.example.com/'"); a.VolumeID() != b.VolumeID() {
		t.Error("the slash at an endpoint's end makes another volume")
	}
}

// The example explains every key, and says the truth about the defaults.
func TestExample(t *testing.T) {
	testHome(t)
	text, err := os.ReadFile("../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	example, err := Parse(text, "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	plain := mustParse(t, "store.bucket = '"+example.Store.Bucket+"'\nkeys.key_id = '"+example.Keys.KeyID+"'")
	if diff := cmp.Diff(plain, example); diff != "" {
		t.Errorf("the example differs from the defaults:\n%s", diff)
	}

	var set []string
	section := ""
	lines := strings.Split(withWatch(string(text)), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
		if name, _, ok := strings.Cut(line, " = "); ok && !strings.HasPrefix(line, "#") {
			set = append(set, section+"."+name)
			if !strings.HasPrefix(lines[i-1], "# ") {
				t.Errorf("%s is not explained", section+"."+name)
			}
		}
	}
	if diff := cmp.Diff(allKeys(), set); diff != "" {
		t.Errorf("keys of the program (-) and of the example (+), in order:\n%s", diff)
	}
}

// withWatch is the example with the section [[watch]], which is a comment there.
func withWatch(text string) string {
	return regexp.MustCompile(`(?m)^#(\[\[watch\]\]|[a-z_]+ = )`).ReplaceAllString(text, "$1")
}

// TestExampleOfWatch: the section [[watch]] of the example can be used as it stands, and says the
// truth about the defaults.
func TestExampleOfWatch(t *testing.T) {
	testHome(t)
	text, err := os.ReadFile("../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, withWatch(string(text)))
	plain := mustParse(t, minimal+"[[watch]]\noutput = '"+c.Watch[0].Output+"'\nrole = '"+c.Watch[0].Role+"'\npath = 'day1'\nmatch = ['*.mov']")
	if diff := cmp.Diff(plain.Watch, c.Watch); diff != "" {
		t.Errorf("the example differs from the defaults:\n%s", diff)
	}
}

func TestEveryFieldCanBeSet(t *testing.T) {
	testHome(t)
	c := mustParse(t, `
[store]
kind = "dir"
path = "/p"
bucket = "my.bucket-1"
prefix = "a/b"
region = "eu-central-1"
endpoint = "http://127.0.0.1:9000/"
insecure_http = true
path_style = true
storage_class = "STANDARD_IA"
sse = "aws:kms"
sse_kms_key_id = "alias/aws/s3"
request_payer = "requester"
profile = "studio"
role_arn = "arn:aws:iam::111122223333:role/Ingest"
role_external_id = "x-1"
role_session_name = "cart-3"
mfa_serial = "arn:aws:iam::111122223333:mfa/anna"
mfa_command = ["otp", "aws"]
tags = ["project=show7"]
[keys]
kind = "local"
path = "/k"
key_id = "1234abcd-12ab-34cd-56ef-1234567890ab"
region = "eu-central-1"
endpoint = "https://kms.example.com"
data_key = "encrypt"
bits = 192
[crypt]
mode = "GCM"
iv_bytes = 16
gcm_reads = "streaming"
[spool]
dir = "/s"
max_size = "1GB"
keep = "all"
[upload]
part_size = 5242880
concurrency = 64
timeout = "1m30s"
checksum = "none"
rate_limit = "08:00,512KiB 18:00,off"
[mount]
sidecars = "hidden"
durability = "spool"
local_only = ["*.part", "!*~"]
commit_on_fsync = ["*.aup3"]
grace = "45s"
fresh = "0s"
allow_other = true
unchecked_symlinks = true
[job]
preset = "hls"
output = "s3://deliver/"
sse = "kms:arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
no_audio = true
allow_plain = true
role = "arn:aws:iam::111122223333:role/MediaConvert"
queue = "Fast"
region = "eu-west-1"
kms_region = "us-west-2"
priority = -3
tags = ["show=7"]
acceleration = "preferred"
case = "camel"
submit = true
detach = true
poll = "30s"
timeout = "2h"
endpoint = "https://mediaconvert.example.com/"
jobs = 9
[log]
level = "debug"
format = "json"
[metrics]
listen = "127.0.0.1:9464"
[web]
listen = "127.0.0.1:9465"
[notify]
desktop = "off"
`)
	want := Config{
		Source: "config.toml",
		Store: Store{Kind: StoreDir, Path: "/p", Bucket: "my.bucket-1", Prefix: "a/b/", Region: "eu-central-1",
			Endpoint: "http://127.0.0.1:9000", InsecureHTTP: true, PathStyle: true, StorageClass: "STANDARD_IA",
			SSE: SSEKMS, SSEKMSKeyID: "alias/aws/s3", RequestPayer: PayerRequester,
			Access: Access{Profile: "studio", RoleARN: "arn:aws:iam::111122223333:role/Ingest", RoleExternalID: "x-1", RoleSessionName: "cart-3",
				MFASerial: "arn:aws:iam::111122223333:mfa/anna", MFACommand: []string{"otp", "aws"}},
			Marks: Marks{Tags: []string{"project=show7"}}},
		Keys: Keys{Kind: KeysLocal, Path: "/k", KeyID: "1234abcd-12ab-34cd-56ef-1234567890ab", Region: "eu-central-1",
			Endpoint: "https://kms.example.com", DataKey: DataKeyEncrypt, Bits: 192},
		Crypt:  Crypt{Mode: GCM, IVBytes: 16, GCMReads: ReadsStreaming},
		Spool:  Spool{Dir: "/s", MaxSize: 1e9, Keep: KeepAll},
		Upload: Upload{PartSize: 5 << 20, Concurrency: 64, Timeout: 90 * time.Second, Checksum: ChecksumNone, RateLimit: "08:00,512KiB 18:00,off"},
		Mount: Mount{Sidecars: SidecarsHidden, Durability: DurabilitySpool, LocalOnly: []string{"*.part", "!*~"}, CommitOnFsync: []string{"*.aup3"}, Grace: 45 * time.Second, AllowOther: true,
			UncheckedSymlinks: true},
		Job: Job{Making: Making{Preset: PresetHLS, Output: "s3://deliver/", SSE: "kms:arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
			NoAudio: true, Role: "arn:aws:iam::111122223333:role/MediaConvert", Queue: "Fast", Region: "eu-west-1", KMSRegion: "us-west-2", Priority: -3,
			Tags: []string{"show=7"}, Acceleration: AccelerationPreferred, Poll: 30 * time.Second, Endpoint: "https://mediaconvert.example.com"},
			AllowPlain: true, Case: CaseCamel, Submit: true, Detach: true, Timeout: 2 * time.Hour, Jobs: 9},
		Log:     Log{Level: LevelDebug, Format: FormatJSON},
		Metrics: Metrics{Listen: "127.0.0.1:9464"},
		Web:     Web{Listen: "127.0.0.1:9465"},
		Notify:  Notify{Desktop: DesktopOff},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	// A field that was forgotten above, or that no code sets, shows here.
	elsewhere := []string{"Store.Endpoints.DualStack", "Store.Endpoints.FIPS", "Store.Endpoints.Accelerate", "Store.Marks.ObjectLockMode", "Store.Marks.ObjectLockDays"} // TestAccessAccepted
	everyFieldIsSet(t, "", reflect.ValueOf(c), append(elsewhere, "Mount.Fresh", "Job.Making.Template" /* TestTemplateOfJob */, "Watch" /* TestWatch */)...)
}

// everyFieldIsSet demands that no field is zero, but for some.
func everyFieldIsSet(t *testing.T, of string, v reflect.Value, but ...string) {
	t.Helper()
	for i := range v.NumField() {
		name, field := of+v.Type().Field(i).Name, v.Field(i)
		switch {
		case field.Kind() == reflect.Struct:
			everyFieldIsSet(t, name+".", field, but...)
		case field.IsZero() && !slices.Contains(but, name):
			t.Errorf("%s is not tested", name)
		}
	}
}
