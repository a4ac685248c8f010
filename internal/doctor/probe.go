package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"mcfs/store"
)

// Probe is a key below which the store is tried. Clean removes it.
type Probe struct {
	st   store.Store
	key  string
	body []byte

	mu      sync.Mutex
	begun   bool // something may be there
	unclear bool // a write was not answered: it may take effect yet

	Settle time.Duration // for which Clean looks for such a write
	pause  time.Duration // between two looks
}

const (
	probeStart = ".mcfs-doctor-"
	// settle is longer than a server carries on with a request whose client has left.
	settle = 15 * time.Second
	pause  = 250 * time.Millisecond
	// forgotten is how old a probe is that nobody will remove any more.
	forgotten = time.Hour
	cleanTime = 30 * time.Second
)

// NewProbe makes a probe; nothing is written yet.
func NewProbe(st store.Store) *Probe {
	key := probeStart + strings.ToLower(rand.Text())
	return &Probe{st: st, key: key, body: []byte("mcfs doctor tries the store: " + key + "\n"), Settle: settle, pause: pause}
}

// checks are those of the store: each of what a mount does to objects.
func (p *Probe) checks() []Check {
	after := func(names ...string) []string { return append([]string{"bucket"}, names...) }
	return []Check{
		{Name: "put", Needs: after(), Run: p.put},
		{Name: "get", Needs: after("put"), Run: p.get},
		{Name: "missing objects", Needs: after("get"), Run: p.missing},
		{Name: "list", Needs: after("put"), Run: p.list},
		{Name: "conditional write", Needs: after("put"), Run: p.conditional},
		{Name: "multipart upload", Needs: after(), Run: p.multipart},
		{Name: "delete", Needs: after("put"), Run: p.remove},
	}
}

// Key is what all keys begin with that Clean removes.
func (p *Probe) Key() string { return p.key }

// Wrote notes what became of a write below Key. It may be called from several goroutines.
func (p *Probe) Wrote(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = true
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		p.unclear = true
	}
	return err
}

func (p *Probe) content() store.Body {
	return store.Body{ReadSeeker: bytes.NewReader(p.body), Size: int64(len(p.body)), CRC32C: crc32.Checksum(p.body, crc32.MakeTable(crc32.Castagnoli))}
}

// missing: S3 says 404 only to who may list the bucket, also without a prefix.
func (p *Probe) missing(ctx context.Context) Finding {
	_, err := p.st.Head(ctx, p.key+"-none")
	switch {
	case errors.Is(err, store.ErrNotExist):
		return ok("are told from those that may not be read")
	case errors.Is(err, store.ErrDenied):
		return fail("allow s3:ListBucket without a condition that needs a prefix: mcfs policy mount prints it", "the store does not say that an object is not there: %v", err)
	case err == nil:
		return fail("check store.endpoint", "the store has an object that nobody has made")
	}
	return fail(storeCure(err, "s3:GetObject"), "%v", err)
}

func (p *Probe) put(ctx context.Context) Finding {
	_, err := p.st.Put(ctx, p.key, p.content(), store.Attributes{ContentType: "text/plain"}, store.Condition{})
	if p.Wrote(err) != nil {
		return fail(storeCure(err, "s3:PutObject"), "%v", err)
	}
	return ok("an object was stored")
}

func (p *Probe) get(ctx context.Context) Finding {
	body, _, err := p.st.Get(ctx, p.key, store.Range{}, "")
	if err != nil {
		return fail(storeCure(err, "s3:GetObject"), "%v", err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	switch {
	case err != nil:
		return fail(storeCure(err, "s3:GetObject"), "%v", err)
	case !bytes.Equal(got, p.body):
		return fail("check what lies between here and the store", "what comes back is not what was stored")
	}
	return ok("what comes back is what was stored")
}

func (p *Probe) list(ctx context.Context) Finding {
	page, err := p.st.List(ctx, p.key, "", "", 0)
	if err != nil {
		return fail(storeCure(err, "s3:ListBucket"), "%v", err)
	}
	if len(page.Objects) != 1 || page.Objects[0].Size != int64(len(p.body)) {
		return fail("use a store whose listings are current", "an object that was stored is not listed")
	}
	return ok("what was stored is listed")
}

// conditional: two machines that save one file at once tell it by this.
func (p *Probe) conditional(ctx context.Context) Finding {
	for _, c := range []store.Condition{{IfNone: true}, {IfMatch: `"00000000000000000000000000000000"`}} {
		_, err := p.st.Put(ctx, p.key, p.content(), store.Attributes{}, c)
		if p.Wrote(err) == nil {
			return fail("use a server that keeps conditions: docs/compatibility.md", "the store writes although the condition does not hold: two machines could overwrite each other's files")
		}
		if !errors.Is(err, store.ErrPrecondition) {
			return fail(storeCure(err, "s3:PutObject and s3:GetObject"), "%v", err)
		}
	}
	return ok("a write whose condition does not hold is refused")
}

// multipart finishes one upload, and gives another one up.
func (p *Probe) multipart(ctx context.Context) Finding {
	key := p.key + "-parts"
	up, part, err := p.upload(ctx, key)
	if err == nil {
		_, err = p.st.Complete(ctx, up, []store.Part{part}, store.Condition{})
		err = p.Wrote(err)
	}
	if err != nil {
		return fail(storeCure(err, "s3:PutObject"), "%v", err)
	}
	if up, _, err = p.upload(ctx, key); err != nil {
		return fail(storeCure(err, "s3:PutObject"), "%v", err)
	}
	if list, err := p.st.Uploads(ctx, key); err != nil || len(list) != 1 {
		return fail(storeCure(err, "s3:ListBucketMultipartUploads"), "an upload that was begun is not found: %v", err)
	}
	if _, err := p.st.Parts(ctx, up); err != nil {
		return fail(storeCure(err, "s3:ListMultipartUploadParts"), "%v", err)
	}
	if err := p.st.Abort(ctx, up); err != nil {
		return fail(storeCure(err, "s3:AbortMultipartUpload"), "%v", err)
	}
	return ok("one was finished, one was found and given up")
}

func (p *Probe) upload(ctx context.Context, key string) (store.Upload, store.Part, error) {
	up, err := p.st.Begin(ctx, key, store.Attributes{})
	if p.Wrote(err) != nil {
		return up, store.Part{}, err
	}
	part, err := p.st.PutPart(ctx, up, 1, p.content())
	return up, part, p.Wrote(err)
}

func (p *Probe) remove(ctx context.Context) Finding {
	if err := p.st.Delete(ctx, p.key, store.Condition{}); err != nil {
		return fail(storeCure(err, "s3:DeleteObject"), "%v", err)
	}
	page, err := p.st.List(ctx, p.key, "", "", 0)
	if err == nil && len(page.Objects) > 0 && page.Objects[0].Key == p.key {
		return fail("remove the bucket policy, object lock or hold that keeps it", "an object that was removed is still there")
	}
	return ok("an object was removed")
}

// Clean removes what the checks have written, and probes that were left an hour ago. It goes on
// although ctx has ended. A write that was not answered may take effect later: it looks for that a
// while. Its error names what may be left, and how to remove it.
func (p *Probe) Clean(ctx context.Context) error {
	if p == nil || !p.begun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(cleanTime, 2*p.Settle))
	defer cancel()
	err := p.sweep(ctx)
	for until := time.Now().Add(p.Settle); p.unclear && time.Now().Before(until); {
		select {
		case <-time.After(p.pause):
		case <-ctx.Done():
		}
		err = p.sweep(ctx)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s may be left (%w): remove it with aws s3 rm --recursive, and --exclude '*' --include '%s*'", p.st.Address(p.key), err, probeStart)
}

var probes = regexp.MustCompile(`^` + regexp.QuoteMeta(probeStart) + `[a-z2-7]{26}(-[A-Za-z0-9.-]+)?$`)

// sweep removes the objects and uploads of this probe, and those of forgotten ones.
func (p *Probe) sweep(ctx context.Context) error {
	var errs []error
	now := p.st.Now().From
	page, err := p.st.List(ctx, probeStart, "", "", 0)
	if err != nil {
		// What cannot be listed can be removed by its name.
		return errors.Join(err, p.st.Delete(ctx, p.key, store.Condition{}), p.st.Delete(ctx, p.key+"-parts", store.Condition{}))
	}
	for _, o := range page.Objects {
		if strings.HasPrefix(o.Key, p.key) || probes.MatchString(o.Key) && now.Sub(o.Modified) > forgotten {
			errs = append(errs, p.st.Delete(ctx, o.Key, store.Condition{}))
		}
	}
	list, err := p.st.Uploads(ctx, probeStart)
	errs = append(errs, err)
	for _, up := range list {
		if strings.HasPrefix(up.Key, p.key) || probes.MatchString(up.Key) && now.Sub(up.Initiated) > forgotten {
			errs = append(errs, p.st.Abort(ctx, up))
		}
	}
	return errors.Join(errs...)
}
