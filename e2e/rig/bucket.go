package rig

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"mcfs/store/s3/s3test"
)

// SidecarSuffix is what the name of a sidecar adds to its file's.
const SidecarSuffix = ".settings.json"

// Object is what S3 holds under a key.
type Object struct {
	Body []byte
	Meta map[string]string
	ETag string
}

// client speaks to the server behind the proxy, so that what a test looks at is
// not counted.
func (r *Rig) client() *awss3.Client {
	return awss3.NewFromConfig(r.S3.AWS(), func(o *awss3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(r.S3.Direct), true
	})
}

func (r *Rig) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// Keys are all keys of the bucket, whole and sorted.
func (r *Rig) Keys() []string {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	var keys []string
	pages := awss3.NewListObjectsV2Paginator(r.client(), &awss3.ListObjectsV2Input{Bucket: &r.S3.Bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			r.tb.Fatalf("list the bucket: %v", err)
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return slices.Sorted(slices.Values(keys))
}

// Uploads are the keys of unfinished multipart uploads.
func (r *Rig) Uploads() []string {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	out, err := r.client().ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &r.S3.Bucket})
	if err != nil {
		r.tb.Fatalf("list uploads: %v", err)
	}
	var keys []string
	for _, u := range out.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys
}

// Get is one object, whole in memory.
func (r *Rig) Get(key string) Object {
	r.tb.Helper()
	var body bytes.Buffer
	o := r.get(key, &body)
	o.Body = body.Bytes()
	return o
}

// Find is Get for an object that may not be there.
func (r *Rig) Find(key string) (Object, bool) {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	out, err := r.client().GetObject(ctx, &awss3.GetObjectInput{Bucket: &r.S3.Bucket, Key: &key})
	if _, absent := errors.AsType[*types.NoSuchKey](err); absent {
		return Object{}, false
	}
	if err != nil {
		r.tb.Fatalf("get %s: %v", key, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		r.tb.Fatalf("get %s: %v", key, err)
	}
	return Object{Body: body, Meta: out.Metadata, ETag: aws.ToString(out.ETag)}, true
}

// Begin begins a multipart upload, as somebody else's program would.
func (r *Rig) Begin(key string) {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	if _, err := r.client().CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &r.S3.Bucket, Key: &key}); err != nil {
		r.tb.Fatalf("begin %s: %v", key, err)
	}
}

// Download writes an object's bytes to a file and returns the rest of it.
func (r *Rig) Download(key, path string) Object {
	r.tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer f.Close()
	return r.get(key, f)
}

func (r *Rig) get(key string, to io.Writer) Object {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	out, err := r.client().GetObject(ctx, &awss3.GetObjectInput{Bucket: &r.S3.Bucket, Key: &key})
	if err != nil {
		r.tb.Fatalf("get %s: %v", key, err)
	}
	defer out.Body.Close()
	if _, err := io.Copy(to, out.Body); err != nil {
		r.tb.Fatalf("get %s: %v", key, err)
	}
	return Object{Meta: out.Metadata, ETag: aws.ToString(out.ETag)}
}

// Head is the metadata of an object.
func (r *Rig) Head(key string) map[string]string {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	out, err := r.client().HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &r.S3.Bucket, Key: &key})
	if err != nil {
		r.tb.Fatalf("head %s: %v", key, err)
	}
	return out.Metadata
}

// Put stores an object as somebody else's program would.
func (r *Rig) Put(key string, o Object) {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	_, err := r.client().PutObject(ctx, &awss3.PutObjectInput{
		Bucket: &r.S3.Bucket, Key: &key, Body: bytes.NewReader(o.Body), Metadata: maps.Clone(o.Meta),
	})
	if err != nil {
		r.tb.Fatalf("put %s: %v", key, err)
	}
}

// Delete removes an object as somebody else's program would.
func (r *Rig) Delete(key string) {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	if _, err := r.client().DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &r.S3.Bucket, Key: &key}); err != nil {
		r.tb.Fatalf("delete %s: %v", key, err)
	}
}

// Settle waits until the bucket holds exactly these files below the volume's
// prefix, each with its sidecar unless its name ends in "/" or it is listed in
// bare, and no upload is unfinished.
func (r *Rig) Settle(limit time.Duration, files []string, bare ...string) {
	r.tb.Helper()
	r.settle(limit, time.Now().Add(limit), wanted(files, bare))
}

// SettleBehind is Settle of what was left to be done behind, however much that is: as long as the
// store is asked for something, the limit begins anew.
func (r *Rig) SettleBehind(limit time.Duration, files []string, bare ...string) {
	r.tb.Helper()
	const most = 5 // times the limit: what is tried for ever does not settle
	r.settle(limit, time.Now().Add(most*limit), wanted(files, bare))
}

func wanted(files, bare []string) (want []string) {
	for _, f := range files {
		want = append(want, Prefix+f)
		if !strings.HasSuffix(f, "/") {
			want = append(want, Prefix+f+SidecarSuffix)
		}
	}
	for _, f := range bare {
		want = append(want, Prefix+f)
	}
	slices.Sort(want)
	return want
}

// settle gives up when the store has not been asked for anything for the limit, or at the end.
func (r *Rig) settle(limit time.Duration, end time.Time, want []string) {
	r.tb.Helper()
	asked, last := 0, time.Now()
	for ; ; time.Sleep(20 * time.Millisecond) {
		keys, uploads := r.Keys(), r.Uploads()
		if slices.Equal(keys, want) && len(uploads) == 0 {
			return
		}
		now := time.Now()
		if n := r.S3.Proxy.Count(""); n != asked {
			asked, last = n, now
		}
		if now.After(end) || now.After(last.Add(limit)) {
			r.tb.Errorf("the bucket did not settle in %v: missing %q, too many %q, unfinished uploads %q", limit, without(want, keys), without(keys, want), uploads)
			return
		}
	}
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// Writes counts the successful requests of each operation that make or remove
// something, by key relative to the prefix.
func (r *Rig) Writes() map[string]map[string]int {
	all := make(map[string]map[string]int)
	for _, q := range r.S3.Proxy.Requests() {
		if !changes(q) || q.Status >= 300 {
			continue
		}
		key := strings.TrimPrefix(q.Path, "/"+r.S3.Bucket+"/")
		key = strings.TrimPrefix(key, Prefix)
		if all[key] == nil {
			all[key] = make(map[string]int)
		}
		all[key][q.Op]++
	}
	return all
}

// Begun returns the requests that began an object with an IV of its own. An upload that the
// server failed to create has begun nothing: the same is asked again.
func (r *Rig) Begun() []s3test.Request {
	var begun []s3test.Request
	for _, q := range r.S3.Proxy.Requests() {
		create := q.Op == "CreateMultipartUpload"
		if q.Header.Get("X-Amz-Meta-Mcfs-Iv") == "" || q.Op != "PutObject" && !create || create && q.Status >= 500 {
			continue
		}
		begun = append(begun, q)
	}
	return begun
}

func changes(q s3test.Request) bool {
	switch q.Op {
	case "PutObject", "CopyObject", "DeleteObject", "CreateMultipartUpload", "CompleteMultipartUpload", "AbortMultipartUpload":
		return true
	}
	return false
}

// CopyOnto copies an object onto itself in parts, as a tool that changes its
// storage class does: its content stays, and its ETag does not.
func (r *Rig) CopyOnto(key string) {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	c, o := r.client(), r.Get(key)
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &r.S3.Bucket, Key: &key, Metadata: maps.Clone(o.Meta)})
	if err != nil {
		r.tb.Fatalf("copy %s: %v", key, err)
	}
	part, err := c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
		Bucket: &r.S3.Bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String(r.S3.Bucket + "/" + key),
	})
	if err != nil {
		r.tb.Fatalf("copy %s: %v", key, err)
	}
	_, err = c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: &r.S3.Bucket, Key: &key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.CopyPartResult.ETag, PartNumber: aws.Int32(1)}}},
	})
	if err != nil {
		r.tb.Fatalf("copy %s: %v", key, err)
	}
}
