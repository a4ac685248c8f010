package rig

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

// Prefix is the volume's in the bucket: what lies outside it must stay as it is.
const Prefix = "camera-a/"

// Rig is one volume: a bucket, a KMS, and a folder for everything else.
type Rig struct {
	S3  *s3test.Server  // with the counting proxy; nil with a sink
	KMS *kmstest.Server // signs with the same credentials as the bucket's
	Dir string          // of mountpoints, spools, logs; private

	// Before is a program with arguments that starts the daemons of later
	// mounts, as setpriv: it must execute what follows, so that the process stays.
	Before []string

	tb     testing.TB
	env    []string
	config map[string]string
	mounts int
}

// Settings are keys of the configuration with their values in TOML, as
// "upload.timeout": `"5s"`. They go over those of the rig.
type Settings map[string]string

// New starts the servers.
func New(tb testing.TB, s Settings) *Rig {
	tb.Helper()
	return newWith(tb, s)
}

func newWith(tb testing.TB, s Settings, o ...s3test.Option) *Rig {
	tb.Helper()
	server := s3test.Start(tb, append(o, s3test.WithProxy())...)
	r := newRig(tb, s, server.URL, server.Bucket, server.Environ(), server.AccessKey, server.SecretKey)
	r.S3 = server
	return r
}

// NewSmall is New with parts and a spool of so many bytes, so that files of a megabyte
// are larger than the spool; the server takes such parts.
func NewSmall(tb testing.TB, s Settings, part, spool int64) *Rig {
	tb.Helper()
	s = maps.Clone(s)
	s["upload.part_size"], s["spool.max_size"] = fmt.Sprint(part), fmt.Sprint(spool)
	return newWith(tb, s, s3test.WithMinPart(part))
}

// NewAt is New with an S3 server of the caller's.
func NewAt(tb testing.TB, s Settings, endpoint, bucket string) *Rig {
	tb.Helper()
	const access, secret = "AKIASINKSINKSINKSINK", "sink/secret/sink/secret/sink/secret/sink"
	return newRig(tb, s, endpoint, bucket, []string{
		"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_EC2_METADATA_DISABLED=true",
	}, access, secret)
}

func newRig(tb testing.TB, s Settings, endpoint, bucket string, env []string, access, secret string) *Rig {
	tb.Helper()
	kms := kmstest.Start(tb, kmstest.Options{AccessKey: access, SecretKey: secret})
	r := &Rig{KMS: kms, Dir: tb.TempDir(), tb: tb}
	for _, dir := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(r.Dir, dir), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	r.env = append(env,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_SESSION_TOKEN=",
		"HOME="+filepath.Join(r.Dir, "home"), "TMPDIR="+filepath.Join(r.Dir, "tmp"),
		"XDG_STATE_HOME=", "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "MCFS_CONFIG=",
		"GORACE=halt_on_error=0 exitcode=66 atexit_sleep_ms=50")
	r.config = map[string]string{
		"store.kind": `"s3"`, "store.bucket": quote(bucket), "store.prefix": quote(Prefix),
		"store.region": `"us-east-1"`, "store.endpoint": quote(endpoint), "store.path_style": "true",
		"keys.kind": `"kms"`, "keys.key_id": quote(kms.ARN(0)), "keys.endpoint": quote(kms.URL),
		"upload.part_size": `"5MiB"`, "spool.max_size": `"4GiB"`, "log.level": `"info"`,
	}
	maps.Copy(r.config, s)
	return r
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// Spool is the spool folder of the name.
func (r *Rig) Spool(name string) string { return filepath.Join(r.Dir, "spool-"+name) }

// writeConfig makes a configuration whose spool is the named one.
func (r *Rig) writeConfig(path, spool string) {
	r.tb.Helper()
	all := maps.Clone(r.config)
	all["spool.dir"] = quote(r.Spool(spool))
	var text strings.Builder
	section := ""
	for _, key := range slices.Sorted(maps.Keys(all)) {
		s, name, _ := strings.Cut(key, ".")
		if s != section {
			section = s
			fmt.Fprintf(&text, "[%s]\n", s)
		}
		fmt.Fprintf(&text, "%s = %s\n", name, all[key])
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		r.tb.Fatal(err)
	}
}
