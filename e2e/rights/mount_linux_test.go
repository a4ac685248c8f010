package rights

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/keys/kmstest"
	"mcfs/policy"
	"mcfs/policy/policytest"
	"mcfs/store/s3/s3test"
)

// need is an action that a request needs.
type need struct {
	action, resource string
	keys             map[string]string
}

// ofObjects are the actions of requests for one object.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
var ofObjects = map[string]string{
	"PutObject": "s3:PutObject", "CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject",
	"CompleteMultipartUpload": "s3:PutObject", "CopyObject": "s3:PutObject", "UploadPartCopy": "s3:PutObject",
	"GetObject": "s3:GetObject", "HeadObject": "s3:GetObject", "DeleteObject": "s3:DeleteObject",
	"AbortMultipartUpload": "s3:AbortMultipartUpload", "ListParts": "s3:ListMultipartUploadParts",
}

// ofBuckets are those of requests for a bucket.
var ofBuckets = map[string]string{"ListObjectsV2": "s3:ListBucket", "ListMultipartUploads": "s3:ListBucketMultipartUploads"}

// needs are the actions that S3 would ask IAM for.
func needs(r s3test.Request) []need {
	const arn = "arn:aws:s3:::"
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	if action, ok := ofBuckets[r.Op]; ok {
		keys := map[string]string{}
		if r.Query.Has("prefix") {
			keys["s3:prefix"] = r.Query.Get("prefix")
		}
		return []need{{action, arn + bucket, keys}}
	}
	list := []need{{ofObjects[r.Op], arn + bucket + "/" + key, nil}}
	if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
		list = append(list, need{"s3:GetObject", arn + strings.TrimPrefix(source, "/"), nil})
	}
	if r.Header.Get("If-Match") != "" {
		list = append(list, need{"s3:GetObject", arn + bucket + "/" + key, nil})
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead { // else 403 says that an object is not there
		list = append(list, need{"s3:ListBucket", arn + bucket, nil})
	}
	return list
}

// guard is S3's question to IAM.
type guard struct {
	allowed policy.Document
	mu      sync.Mutex
	used    map[string]bool
	refused []string
}

func (g *guard) ask(r s3test.Request) s3test.Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range needs(r) {
		if !policytest.Allows(g.allowed, n.action, n.resource, n.keys) {
			g.refused = append(g.refused, r.Op+" needs "+n.action+" on "+n.resource)
			return s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		}
		g.used[n.action] = true
	}
	return s3test.Fault{}
}

func (g *guard) state() (used, refused []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for action := range g.used {
		used = append(used, action)
	}
	return used, slices.Clone(g.refused)
}

// TestMountPolicy: a volume works under its mount's policy alone, whatever is done to files and
// after a crash; and each action of the policy is used by then. The same for a key that wraps
// what is made here.
func TestMountPolicy(t *testing.T) {
	for _, how := range []string{"generate", "encrypt"} {
		t.Run(how, func(t *testing.T) {
			r := rig.New(t, rig.Settings{"keys.data_key": `"` + how + `"`})
			p, err := policy.Make(policy.Mount, policy.Facts{
				Volume: policy.Place{Bucket: r.S3.Bucket, Prefix: rig.Prefix}, KeyID: r.KMS.ARN(0), Encrypts: how == "encrypt",
			})
			if err != nil {
				t.Fatal(err)
			}
			g := &guard{allowed: p.Document, used: make(map[string]bool)}
			r.S3.Proxy.Hook(g.ask)
			doAll(t, r, g)
			used, refused := g.state()
			for _, c := range r.KMS.Calls() {
				used = append(used, "kms:"+c.Action)
				if !allowsCall(p.Document, c) {
					refused = append(refused, "kms:"+c.Action)
				}
			}
			if len(refused) > 0 {
				t.Errorf("the policy does not allow %q", slices.Compact(refused))
			}
			slices.Sort(used)
			if used = slices.Compact(used); !slices.Equal(used, p.Document.Actions()) {
				t.Errorf("used is %q, and allowed %q", used, p.Document.Actions())
			}
		})
	}
}

// allowsCall reports whether a policy allows a call of KMS.
func allowsCall(d policy.Document, c kmstest.Call) bool {
	keys := map[string]string{}
	for name, value := range c.Context {
		keys["kms:EncryptionContext:"+name] = value
		keys["kms:EncryptionContextKeys"] = name
	}
	return policytest.Allows(d, "kms:"+c.Action, c.ARN, keys)
}

// doAll does to files what needs each kind of request, with crashes in the middle of uploads.
func doAll(t *testing.T, r *rig.Rig, g *guard) {
	m := r.Mount("a")
	big := make([]byte, 24<<20)
	rand.Read(big)
	save(t, m, "small.txt", []byte("small"))
	save(t, m, "big.bin", big)
	save(t, m, "small.txt", []byte("again"))
	check(t, os.Rename(m.Path("big.bin"), m.Path("moved.bin")))
	check(t, os.Rename(m.Path("moved.bin"), m.Path("small.txt")))
	check(t, os.Mkdir(m.Path("dir"), 0o755))
	save(t, m, "dir/gone.txt", []byte("gone"))
	check(t, os.Remove(m.Path("dir/gone.txt")))
	if _, err := os.Stat(m.Path("nothing")); !os.IsNotExist(err) {
		t.Errorf("stat of nothing: %v", err)
	}
	if out, err := m.Mcfs(time.Minute, "sync", m.Dir); err != nil {
		t.Fatalf("sync: %v\n%s", err, out)
	}
	crash(t, r, m, big, "UploadPart")
	m.Bury()
	m = m.Again()
	r.S3.Proxy.Fail("CreateMultipartUpload", -1, s3test.Fault{Lose: true})
	crash(t, r, m, big, "CreateMultipartUpload")
	r.S3.Proxy.Reset()
	r.S3.Proxy.Hook(g.ask)
	m.Bury()
	m = m.Again()
	r.S3.Proxy.Wait(t, "ListMultipartUploads", 1) // for the upload whose answer was lost
	if got, err := os.ReadFile(m.Path("small.txt")); err != nil || !bytes.Equal(got, big) {
		t.Errorf("read: %v, %d bytes", err, len(got))
	}
	m.Unmount()
	other := r.Mount("b") // knows nothing, and reads from the store
	if got, err := os.ReadFile(other.Path("small.txt")); err != nil || !bytes.Equal(got, big) {
		t.Errorf("read elsewhere: %v, %d bytes", err, len(got))
	}
	other.Unmount()
}

// crash kills the mount while a file's upload is under way, once it has asked for op.
func crash(t *testing.T, r *rig.Rig, m *rig.Mount, big []byte, op string) {
	before := r.S3.Proxy.Count(op)
	f, err := os.Create(m.Path("crashed.bin"))
	check(t, err)
	defer f.Close()
	_, err = f.Write(big)
	check(t, err)
	r.S3.Proxy.Wait(t, op, before+1)
	m.Kill()
}

func save(t *testing.T, m *rig.Mount, name string, text []byte) {
	t.Helper()
	check(t, os.WriteFile(m.Path(name), text, 0o644))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
