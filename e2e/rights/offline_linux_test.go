package rights

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"mcfs/e2e/rig"
	"mcfs/keys/kmstest"
	"mcfs/policy"
	"mcfs/store/s3/s3test"
)

// offline is a folder with a tree and configurations, for commands that need no mount.
type offline struct {
	t       *testing.T
	dir     string
	s3      *s3test.Server
	kms     *kmstest.Server
	address string
}

func newOffline(t *testing.T) *offline {
	t.Helper()
	s3 := s3test.Start(t, s3test.WithProxy())
	o := &offline{t: t, dir: t.TempDir(), s3: s3, address: "s3://" + s3.Bucket + "/" + rig.Prefix}
	o.kms = kmstest.Start(t, kmstest.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Keys: []kmstest.Key{{}, {}}})
	for i, name := range []string{"a.toml", "b.toml"} {
		o.write(name, fmt.Appendf(nil, "[store]\nbucket = %q\nprefix = %q\nregion = 'us-east-1'\nendpoint = %q\npath_style = true\n[keys]\nkey_id = %q\nendpoint = %q\n[spool]\ndir = %q\n",
			s3.Bucket, rig.Prefix, s3.URL, o.kms.ARN(i), o.kms.URL, filepath.Join(o.dir, "spool")))
	}
	elsewhere, err := os.ReadFile(filepath.Join(o.dir, "b.toml"))
	check(t, err)
	elsewhere = bytes.Replace(elsewhere, []byte(rig.Prefix), []byte("elsewhere/"), 1)
	o.write("c.toml", bytes.Replace(elsewhere, []byte(`/spool"`), []byte(`/other"`), 1))
	o.write("local.toml", fmt.Appendf(nil, "store.kind = 'dir'\nstore.path = %q\nkeys.kind = 'local'\nkeys.path = %q\nspool.dir = %q\n",
		filepath.Join(o.dir, "store"), filepath.Join(o.dir, "keyring"), filepath.Join(o.dir, "spool2")))
	big := make([]byte, 24<<20)
	rand.Read(big)
	o.write("src/big.bin", big)
	o.write("src/d/small.txt", []byte("small"))
	return o
}

func (o *offline) write(name string, text []byte) {
	o.t.Helper()
	at := filepath.Join(o.dir, name)
	check(o.t, os.MkdirAll(filepath.Dir(at), 0o700))
	check(o.t, os.WriteFile(at, text, 0o600))
}

// command is mcfs in the folder.
func (o *offline) command(args ...string) *exec.Cmd {
	c := exec.Command(rig.Binary(o.t, false), args...)
	c.Dir = o.dir
	c.Env = append(os.Environ(), "HOME="+o.dir, "XDG_CONFIG_HOME="+o.dir, "XDG_STATE_HOME="+o.dir, "XDG_DATA_HOME="+o.dir,
		"AWS_ACCESS_KEY_ID="+o.s3.AccessKey, "AWS_SECRET_ACCESS_KEY="+o.s3.SecretKey, "AWS_EC2_METADATA_DISABLED=true")
	return c
}

func (o *offline) must(args ...string) {
	o.t.Helper()
	if out, err := o.command(args...).CombinedOutput(); err != nil {
		o.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// exact demands that all that was asked is allowed, and that all that is allowed was asked.
func (o *offline) exact(p policy.Policy, g *guard, calls int) {
	o.t.Helper()
	used, refused := g.state()
	for _, c := range o.kms.Calls()[calls:] {
		for _, call := range parts(c) {
			used = append(used, "kms:"+call.Action)
			if !allowsCall(p.Document, call) {
				refused = append(refused, "kms:"+call.Action+" with "+call.ARN)
			}
		}
	}
	if len(refused) > 0 {
		o.t.Errorf("the policy does not allow %q", slices.Compact(refused))
	}
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(used, p.Document.Actions()) {
		o.t.Errorf("used is %q, and allowed %q", used, p.Document.Actions())
	}
}

// parts are the actions that IAM is asked for a call: two keys take part in a ReEncrypt.
func parts(c kmstest.Call) []kmstest.Call {
	if c.Action != "ReEncrypt" {
		return []kmstest.Call{c}
	}
	from, to := c, c
	from.Action, from.ARN, to.Action = "ReEncryptFrom", c.Source, "ReEncryptTo"
	return []kmstest.Call{from, to}
}

// TestRewrapPolicy: data keys go to another key under the policy alone, and each action of it is used.
func TestRewrapPolicy(t *testing.T) {
	o := newOffline(t)
	o.must("encrypt", "src", o.address, "--config", "a.toml")
	p, err := policy.Make(policy.Rewrap, policy.Facts{
		Volume: policy.Place{Bucket: o.s3.Bucket, Prefix: rig.Prefix}, KeyID: o.kms.ARN(1), From: policy.Source{KeyID: o.kms.ARN(0)},
	})
	check(t, err)
	g := &guard{allowed: p.Document, used: make(map[string]bool)}
	o.s3.Proxy.Hook(g.ask)
	calls := len(o.kms.Calls())
	o.must("rewrap", o.address, "--config", "b.toml")
	o.exact(p, g, calls)
}

// TestPromotePolicy: what was made on this machine goes to S3 and KMS under the policy alone, over a
// kill, a lost answer and what is there already; and each action of it is used.
func TestPromotePolicy(t *testing.T) {
	o := newOffline(t)
	o.must("encrypt", "src", "store", "--config", "local.toml")
	p, err := policy.Make(policy.Promote, policy.Facts{Volume: policy.Place{Bucket: o.s3.Bucket, Prefix: rig.Prefix}, KeyID: o.kms.ARN(0)})
	check(t, err)
	g := &guard{allowed: p.Document, used: make(map[string]bool)}
	o.s3.Proxy.Hook(g.ask)
	for _, op := range []string{"UploadPart", "CreateMultipartUpload"} {
		if op == "CreateMultipartUpload" {
			o.s3.Proxy.Fail(op, -1, s3test.Fault{Lose: true})
		}
		before := o.s3.Proxy.Count(op)
		c := o.command("promote", "--from", "local.toml", "store", "--config", "a.toml")
		var said bytes.Buffer
		c.Stderr = &said
		check(t, c.Start())
		o.s3.Proxy.Wait(t, op, before+1)
		check(t, c.Process.Kill())
		_ = c.Wait()
		o.s3.Proxy.Reset()
		o.s3.Proxy.Hook(g.ask)
	}
	o.must("promote", "--from", "local.toml", "store", "--config", "a.toml")
	o.write("src/d/small.txt", []byte("another"))
	o.must("encrypt", "--force", "src", "store", "--config", "local.toml")
	o.must("promote", "--force", "--from", "local.toml", "store", "--config", "a.toml")
	o.exact(p, g, 0)
}

// TestPromoteFromS3Policy: so it does from one volume in S3 to another.
func TestPromoteFromS3Policy(t *testing.T) {
	o := newOffline(t)
	o.must("encrypt", "src", o.address, "--config", "a.toml")
	p, err := policy.Make(policy.Promote, policy.Facts{
		Volume: policy.Place{Bucket: o.s3.Bucket, Prefix: "elsewhere/"}, KeyID: o.kms.ARN(1),
		From: policy.Source{Volume: policy.Place{Bucket: o.s3.Bucket, Prefix: rig.Prefix}, KeyID: o.kms.ARN(0)},
	})
	check(t, err)
	g := &guard{allowed: p.Document, used: make(map[string]bool)}
	o.s3.Proxy.Hook(g.ask)
	calls := len(o.kms.Calls())
	o.must("promote", "--from", "a.toml", o.address, "--config", "c.toml")
	_, refused := g.state()
	for _, c := range o.kms.Calls()[calls:] {
		if !allowsCall(p.Document, c) {
			refused = append(refused, "kms:"+c.Action+" with "+c.ARN)
		}
	}
	if len(refused) > 0 {
		t.Errorf("the policy does not allow %q", slices.Compact(refused))
	}
}
