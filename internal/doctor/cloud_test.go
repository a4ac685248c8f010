package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mcfs/keys"
	"mcfs/keys/kmstest"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
)

// world is an account in which all is well, but for what a test spoils.
type world struct {
	cloud   Cloud
	probe   *Probe
	files   *s3test.Proxy
	direct  *s3.Store // past the proxy
	kms     *kmstest.Server
	toKMS   *s3test.Proxy
	convert *mediaconverttest.Server
	sts     *identities
	spoil   func(s3test.Request) (s3test.Fault, bool)
}

const (
	lifecycleXML = `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>v</Prefix></Filter>` +
		`<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`
	offXML = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`
	onXML  = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`
)

func page(text string) s3test.Fault {
	return s3test.Fault{Status: http.StatusOK, Page: text, Header: http.Header{"Content-Type": {"application/xml"}}}
}

// newWorld starts an S3 server, a KMS, a MediaConvert and an STS. What the S3 server cannot tell
// of buckets is answered as Amazon's would.
func newWorld(t *testing.T, server *s3test.Server, spec string) *world {
	t.Helper()
	w := &world{files: s3test.StartProxy(t, server.URL), sts: startIdentities(t)}
	w.files.Hook(func(r s3test.Request) s3test.Fault {
		if w.spoil != nil {
			if f, spoilt := w.spoil(r); spoilt {
				return f
			}
		}
		switch {
		case r.Query.Has("versioning"):
			return page(offXML)
		case r.Query.Has("lifecycle"):
			return page(lifecycleXML)
		}
		return s3test.Fault{}
	})
	w.kms = kmstest.Start(t, kmstest.Options{AccessKey: server.AccessKey, SecretKey: server.SecretKey, Keys: []kmstest.Key{{Spec: spec}}})
	w.toKMS = s3test.StartProxy(t, w.kms.URL)
	w.convert = mediaconverttest.Start(t, mediaconverttest.Options{AccessKey: server.AccessKey, SecretKey: server.SecretKey, Reserved: []string{"Asleep"}, Paused: []string{"Asleep"}})
	o := server.Options(fmt.Sprintf("v%d/", time.Now().UnixNano()))
	o.Log = slog.New(slog.DiscardHandler)
	var err error
	if w.direct, err = s3.New(o); err != nil {
		t.Fatal(err)
	}
	o.Endpoint, o.Timeout = w.files.URL, 2*time.Second
	st, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.NewKMS(keys.KMSOptions{KeyID: w.kms.ARN(0), Endpoint: w.toKMS.URL, AWS: w.kms.Config(), MaxAttempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	w.probe = NewProbe(st)
	w.probe.Settle, w.probe.pause = 0, time.Millisecond
	w.cloud = Cloud{
		Credentials: server.AWS().Credentials, Store: st, Bucket: server.Bucket, Key: key, Queue: "Default", Now: time.Now,
		Identity: sts.NewFromConfig(w.convert.Config(), func(o *sts.Options) { o.BaseEndpoint, o.RetryMaxAttempts = &w.sts.URL, 1 }),
		Jobs:     mediaconvert.NewFromConfig(w.convert.Config(), func(o *mediaconvert.Options) { o.BaseEndpoint, o.RetryMaxAttempts = &w.convert.URL, 1 }),
	}
	t.Cleanup(func() {
		w.kms.TakeViolations() // Decrypt without the context is what is tried
		_ = errors.Join(st.Close(), w.direct.Close())
	})
	return w
}

// left are the objects and uploads in the store.
func (w *world) left(t *testing.T) (list []string) {
	t.Helper()
	page, err := w.direct.List(t.Context(), "", "", "", 0)
	must(t, err)
	for _, o := range page.Objects {
		list = append(list, o.Key)
	}
	ups, err := w.direct.Uploads(t.Context(), "")
	must(t, err)
	for _, u := range ups {
		list = append(list, "upload of "+u.Key)
	}
	return list
}

// on spoils the requests of an operation.
func on(op string, f s3test.Fault) func(*world) {
	return func(w *world) { w.spoil = func(r s3test.Request) (s3test.Fault, bool) { return f, r.Op == op } }
}

// asks spoils a question about the bucket.
func asks(what string, f s3test.Fault) func(*world) {
	return func(w *world) {
		w.spoil = func(r s3test.Request) (s3test.Fault, bool) { return f, r.Query.Has(what) }
	}
}

func onKMS(action string, f s3test.Fault) func(*world) {
	return func(w *world) { w.toKMS.Fail(action, -1, f) }
}

func credential(c aws.Credentials, err error) func(*world) {
	return func(w *world) {
		w.cloud.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, err })
	}
}

var (
	denied    = s3test.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	kmsDenied = s3test.Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException"}
	cut       = s3test.Fault{Cut: true}
)

// remoteChecks is how many checks there are.
const remoteChecks = 16

// cloudFaults are faults, and the one line that each yields.
var cloudFaults = map[string]struct {
	spoil      func(*world)
	check      string
	verdict    Verdict
	what, cure string
}{
	"no credentials":     {credential(aws.Credentials{}, errors.New("no EC2 IMDS role found")), "credentials", Fail, "no EC2 IMDS role", "AWS_PROFILE"},
	"SSO over":           {credential(aws.Credentials{}, errors.New("the SSO session has expired or is invalid")), "credentials", Fail, "SSO session", "aws sso login"},
	"credentials over":   {credential(aws.Credentials{Source: "SSOProvider", CanExpire: true, Expires: time.Now().Add(-time.Hour)}, nil), "credentials", Fail, "SSOProvider have expired", "aws sso login"},
	"not accepted":       {func(w *world) { w.sts.set("GetCallerIdentity", 403, refusal("ExpiredToken")) }, "credentials", Fail, "ExpiredToken", "aws sso login"},
	"STS away":           {func(w *world) { w.sts.CloseClientConnections(); w.sts.Config.Handler = http.HandlerFunc(hangUp) }, "credentials", Warn, "whose they are is not known", "network"},
	"clock far off":      {func(w *world) { w.cloud.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) } }, "clock", Fail, "requests are refused for that", "timedatectl"},
	"clock off":          {func(w *world) { w.cloud.Now = func() time.Time { return time.Now().Add(time.Minute) } }, "clock", Warn, "differs from the store's by 1m", "timedatectl"},
	"no listing":         {on("ListObjectsV2", denied), "bucket", Fail, "may not be listed", "s3:ListBucket"},
	"no bucket":          {on("ListObjectsV2", s3test.Fault{Status: 404, Code: "NoSuchBucket"}), "bucket", Fail, "does not exist", "make the bucket"},
	"other region":       {on("ListObjectsV2", s3test.Fault{Status: 301, Code: "PermanentRedirect", Header: http.Header{"X-Amz-Bucket-Region": {"eu-west-1"}}}), "bucket", Fail, `set store.region = "eu-west-1"`, "[store]"},
	"store away":         {on("ListObjectsV2", cut), "bucket", Fail, "cannot be reached", "network"},
	"403 for 404":        {on("HeadObject", denied), "missing objects", Fail, "does not say that an object is not there", "s3:ListBucket"},
	"no put":             {func(w *world) { w.spoil = plainPut(denied) }, "put", Fail, "access denied", "s3:PutObject"},
	"no get":             {on("GetObject", denied), "get", Fail, "access denied", "s3:GetObject"},
	"other bytes":        {on("GetObject", s3test.Fault{Garble: s3test.ResponseBody}), "get", Fail, "not what was stored", "between here and the store"},
	"stale listing":      {probeListing(page(`<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>`)), "list", Fail, "not listed", "current"},
	"no conditions":      {conditionalPut(s3test.Fault{Status: 200, Code: "-", Header: http.Header{"Etag": {`"e"`}}}), "conditional write", Fail, "two machines", "docs/compatibility.md"},
	"conditions denied":  {conditionalPut(denied), "conditional write", Fail, "access denied", "s3:GetObject"},
	"no upload":          {on("CreateMultipartUpload", denied), "multipart upload", Fail, "access denied", "s3:PutObject"},
	"no part":            {on("UploadPart", denied), "multipart upload", Fail, "access denied", "s3:PutObject"},
	"no uploads listed":  {uploadsListed(denied), "multipart upload", Fail, "not found", "s3:ListBucketMultipartUploads"},
	"no parts listed":    {on("ListParts", denied), "multipart upload", Fail, "access denied", "s3:ListMultipartUploadParts"},
	"no abort":           {times(1, "AbortMultipartUpload", denied), "multipart upload", Fail, "access denied", "s3:AbortMultipartUpload"},
	"no delete":          {times(2, "DeleteObject", denied), "delete", Fail, "access denied", "s3:DeleteObject"},
	"versions stay":      {asks("versioning", page(onXML)), "versioning", Warn, "no rule removes", "NoncurrentVersionExpiration"},
	"versioning hidden":  {asks("versioning", denied), "versioning", Warn, "not known", "mcfs policy doctor"},
	"no rule":            {asks("lifecycle", s3test.Fault{Status: 404, Code: "NoSuchLifecycleConfiguration"}), "unfinished uploads", Warn, "no lifecycle rule", "AbortIncompleteMultipartUpload"},
	"another's rule":     {asks("lifecycle", page(strings.Replace(lifecycleXML, "<Prefix>v", "<Prefix>w", 1))), "unfinished uploads", Warn, "no lifecycle rule", "AbortIncompleteMultipartUpload"},
	"rules hidden":       {asks("lifecycle", denied), "unfinished uploads", Warn, "not known", "mcfs policy doctor"},
	"key disabled":       {func(w *world) { w.kms.SetKeyState(w.kms.ARN(0), kmstest.Disabled) }, "key", Fail, "state Disabled", "aws kms enable-key --region us-west-2"},
	"key to be deleted":  {func(w *world) { w.kms.SetKeyState(w.kms.ARN(0), kmstest.PendingDeletion) }, "key", Fail, "to be deleted", "cancel-key-deletion"},
	"key hidden":         {onKMS("DescribeKey", kmsDenied), "key", Warn, "may not be looked at", "mcfs policy doctor"},
	"no key":             {onKMS("DescribeKey", s3test.Fault{Status: 400, Code: "NotFoundException"}), "key", Fail, "NotFoundException", "keys.key_id"},
	"KMS away":           {onKMS("DescribeKey", cut), "key", Fail, "key service unavailable", "network"},
	"no data key":        {onKMS("GenerateDataKey", kmsDenied), "data key", Fail, "GenerateDataKey", "mcfs policy mount"},
	"no decryption":      {onKMS("Decrypt", kmsDenied), "data key", Fail, "Decrypt", "mcfs policy mount"},
	"context not asked":  {func(w *world) { w.kms.Unbind() }, "encryption context", Fail, "opens without its encryption context", "AWS KMS"},
	"queue paused":       {func(w *world) { w.cloud.Queue = "arn:aws:mediaconvert:us-west-2:111122223333:queues/Asleep" }, "MediaConvert", Fail, "paused", "update-queue --status ACTIVE"},
	"no queue":           {func(w *world) { w.cloud.Queue = "Nightly" }, "MediaConvert", Fail, "no queue Nightly", "--queue"},
	"queue hidden":       {func(w *world) { w.convert.FailNext(9, "GetQueue", "ForbiddenException") }, "MediaConvert", Warn, "may not be looked at", "mcfs policy doctor"},
	"MediaConvert away":  {func(w *world) { w.convert.FailNext(9, "GetQueue", mediaconverttest.DropConnection) }, "MediaConvert", Fail, "EOF", "network"},
	"MediaConvert amiss": {func(w *world) { w.convert.FailNext(9, "GetQueue", "InternalServerErrorException") }, "MediaConvert", Fail, "on demand", "network"},
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func isConditional(r s3test.Request) bool {
	return r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != ""
}

func plainPut(f s3test.Fault) func(s3test.Request) (s3test.Fault, bool) {
	return func(r s3test.Request) (s3test.Fault, bool) { return f, r.Op == "PutObject" && !isConditional(r) }
}

func conditionalPut(f s3test.Fault) func(*world) {
	return func(w *world) {
		w.spoil = func(r s3test.Request) (s3test.Fault, bool) { return f, r.Op == "PutObject" && isConditional(r) }
	}
}

// probeListing spoils the listing of one probe.
func probeListing(f s3test.Fault) func(*world) {
	return func(w *world) {
		w.spoil = func(r s3test.Request) (s3test.Fault, bool) {
			return f, r.Op == "ListObjectsV2" && strings.HasSuffix(r.Query.Get("prefix"), w.probe.key)
		}
	}
}

func uploadsListed(f s3test.Fault) func(*world) {
	return func(w *world) {
		w.spoil = func(r s3test.Request) (s3test.Fault, bool) {
			return f, r.Op == "ListMultipartUploads" && strings.Contains(r.Query.Get("prefix"), w.probe.key)
		}
	}
}

// times spoils the first requests of an operation.
func times(n int, op string, f s3test.Fault) func(*world) {
	return func(w *world) { w.files.Fail(op, n, f) }
}

// TestCloudFaults: each fault is one line, with its cure, and there is no other; nothing is left
// in the store, and no secret is told.
func TestCloudFaults(t *testing.T) {
	server := s3test.Start(t)
	run := func(t *testing.T, w *world) []Finding {
		t.Helper()
		amiss, r := examine(t, Remote(w.cloud, w.probe), Options{})
		must(t, w.probe.Clean(t.Context()))
		if left := w.left(t); len(left) > 0 {
			t.Errorf("left in the store: %q", left)
		}
		if n := r.Count[OK] + len(amiss) + len(r.NotAsked); n != remoteChecks {
			t.Errorf("%d checks, not %d: %+v", n, remoteChecks, r)
		}
		for _, f := range amiss {
			for _, secret := range []string{server.AccessKey, server.SecretKey} {
				if strings.Contains(f.What+f.Cure, secret) {
					t.Errorf("%s tells a secret: %+v", f.Check, f)
				}
			}
		}
		return amiss
	}
	t.Run("none", func(t *testing.T) {
		if amiss := run(t, newWorld(t, server, "")); len(amiss) > 0 {
			t.Errorf("%+v", amiss)
		}
	})
	t.Run("asymmetric key", func(t *testing.T) {
		if amiss := run(t, newWorld(t, server, "RSA_2048")); len(amiss) != 1 || amiss[0].Check != "key" || !strings.Contains(amiss[0].Cure, "symmetric") {
			t.Errorf("%+v", amiss)
		}
	})
	for name, c := range cloudFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, "")
			c.spoil(w)
			amiss := run(t, w)
			if len(amiss) != 1 {
				t.Fatalf("%d lines: %+v", len(amiss), amiss)
			}
			if f := amiss[0]; f.Check != c.check || f.Verdict != c.verdict || !strings.Contains(f.What, c.what) || !strings.Contains(f.Cure, c.cure) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestClean: the probe is removed also after an interrupt, when a write is answered late, and what
// cannot be removed is named. A probe that somebody left long ago goes too, a fresh one stays.
func TestClean(t *testing.T) {
	server := s3test.Start(t)
	t.Run("interrupt", func(t *testing.T) {
		w := newWorld(t, server, "")
		ctx, cancel := context.WithCancel(t.Context())
		w.spoil = func(r s3test.Request) (s3test.Fault, bool) {
			if r.Op == "CompleteMultipartUpload" {
				cancel() // by now there is an object, and an upload
			}
			return s3test.Fault{Hang: true}, r.Op == "CompleteMultipartUpload"
		}
		r := Examine(ctx, Remote(w.cloud, w.probe), Options{}, func(f Finding) {
			if f.Verdict != OK {
				t.Errorf("blamed: %+v", f)
			}
		})
		if len(w.left(t)) != 2 {
			t.Errorf("before: %q, %+v", w.left(t), r)
		}
		must(t, w.probe.Clean(ctx))
		if left := w.left(t); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
	t.Run("late", func(t *testing.T) {
		w := newWorld(t, server, "")
		release := make(chan struct{})
		swept := false
		w.spoil = func(r s3test.Request) (s3test.Fault, bool) {
			if r.Op == "DeleteObject" || r.Op == "ListMultipartUploads" && !swept { // Clean has looked once
				if !swept && w.probe.unclear {
					swept = true
					close(release)
				}
			}
			return s3test.Fault{Straggle: release}, r.Op == "PutObject" && !isConditional(r)
		}
		w.probe.Settle = 3 * time.Second
		f := w.probe.put(limited(t, 300*time.Millisecond))
		if f.Verdict != Fail || !w.probe.unclear {
			t.Fatalf("%+v", f)
		}
		must(t, w.probe.Clean(t.Context()))
		w.files.Settle(t)
		if left := w.left(t); len(left) > 0 || !swept {
			t.Errorf("left: %q, %v", left, swept)
		}
	})
	t.Run("stuck", func(t *testing.T) {
		w := newWorld(t, server, "")
		on("DeleteObject", denied)(w)
		examine(t, Remote(w.cloud, w.probe), Options{})
		if err := w.probe.Clean(t.Context()); err == nil || !strings.Contains(err.Error(), w.probe.key) || !strings.Contains(err.Error(), "aws s3 rm") {
			t.Errorf("%v", err)
		}
		w.spoil = nil
		must(t, w.probe.Clean(t.Context()))
		if left := w.left(t); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
	t.Run("others", func(t *testing.T) {
		w := newWorld(t, server, "")
		old, fresh := NewProbe(w.direct), NewProbe(w.direct)
		for _, p := range []*Probe{old, fresh} {
			if f := p.put(t.Context()); f.Verdict != OK {
				t.Fatalf("%+v", f)
			}
		}
		w.probe.begun, w.probe.st = true, aged{w.probe.st, old.key}
		must(t, w.probe.Clean(t.Context()))
		if left := w.left(t); len(left) != 1 || left[0] != fresh.key {
			t.Errorf("left: %q", left)
		}
	})
}

func limited(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// aged is a store in which one object is old.
type aged struct {
	store.Store
	key string
}

func (a aged) List(ctx context.Context, prefix, delimiter, token string, most int) (store.Page, error) {
	page, err := a.Store.List(ctx, prefix, delimiter, token, most)
	for i := range page.Objects {
		if page.Objects[i].Key == a.key {
			page.Objects[i].Modified = page.Objects[i].Modified.Add(-2 * forgotten)
		}
	}
	return page, err
}
