package compatibility

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"mcfs/store"
	"mcfs/store/storetest"
)

// feature is a row of the table: what mcfs asks of a server, and how to find out whether
// it has it.
type feature struct {
	name string
	has  func(context.Context, *server) (bool, error)
}

var features = []feature{
	{"a PUT that must not replace", putsOnlyNew},
	{"a PUT that replaces one version only", putsOverOne},
	{"a multipart upload that must not replace", completesOnlyNew},
	{"a DELETE of one version only", deletesOne},
	{"a GET of one version only", getsOne},
	{"UploadPartCopy", copiesParts},
	{"CopyObject that must not replace", copiesOnlyNew},
	{"CopyObject of one version only", copiesOne},
	{"CopyObject with other metadata", copiesMetadata},
	{"CRC-32C is checked", checksSums},
	{"uploads and their parts are listed", listsUploads},
	{"every name comes back", keepsNames},
}

// heeded reports whether a write under a condition that does not hold was refused for that.
func heeded(err error) (bool, error) {
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, store.ErrPrecondition), errors.Is(err, store.ErrConflict):
		return true, nil
	}
	return false, err
}

const noETag = `"00000000000000000000000000000000"`

func (s *server) put(ctx context.Context, key, text string, cond store.Condition) (store.Info, error) {
	return s.store.Put(ctx, key, storetest.BodyOf([]byte(text)), store.Attributes{Metadata: map[string]string{"was": "put"}}, cond)
}

func putsOnlyNew(ctx context.Context, s *server) (bool, error) {
	_, first := s.put(ctx, "new", "a", store.Condition{IfNone: true})
	_, err := s.put(ctx, "new", "b", store.Condition{IfNone: true})
	if first != nil {
		return false, first
	}
	return heeded(err)
}

func putsOverOne(ctx context.Context, s *server) (bool, error) {
	info, first := s.put(ctx, "over", "a", store.Condition{})
	_, err := s.put(ctx, "over", "b", store.Condition{IfMatch: noETag})
	if ok, err := heeded(err); first != nil || !ok {
		return false, errors.Join(first, err)
	}
	_, err = s.put(ctx, "over", "c", store.Condition{IfMatch: info.ETag})
	return err == nil, err
}

// begin starts an upload of one part.
func (s *server) begin(ctx context.Context, key string) (store.Upload, store.Part, error) {
	up, err := s.store.Begin(ctx, key, store.Attributes{})
	if err != nil {
		return up, store.Part{}, err
	}
	part, err := s.store.PutPart(ctx, up, 1, storetest.BodyOf([]byte("part")))
	return up, part, err
}

func completesOnlyNew(ctx context.Context, s *server) (bool, error) {
	_, first := s.put(ctx, "made", "a", store.Condition{})
	up, part, err := s.begin(ctx, "made")
	if err = errors.Join(first, err); err != nil {
		return false, err
	}
	_, err = s.store.Complete(ctx, up, []store.Part{part}, store.Condition{IfNone: true})
	ok, err := heeded(err)
	if ok {
		err = s.store.Abort(ctx, up)
	}
	return ok, err
}

func deletesOne(ctx context.Context, s *server) (bool, error) {
	_, first := s.put(ctx, "gone", "a", store.Condition{})
	if err := errors.Join(first, s.store.Delete(ctx, "gone", store.Condition{IfMatch: noETag})); err != nil {
		return heeded(err)
	}
	return false, nil
}

func getsOne(ctx context.Context, s *server) (bool, error) {
	if _, err := s.put(ctx, "got", "a", store.Condition{}); err != nil {
		return false, err
	}
	out, err := s.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: &s.bucket, Key: s.key("got"), IfMatch: aws.String(noETag)})
	if err == nil {
		_ = out.Body.Close()
	}
	return refused(err), nil
}

func (s *server) source(key string) *string { return aws.String(s.bucket + "/" + s.prefix + key) }
func (s *server) key(key string) *string    { return aws.String(s.prefix + key) }

// refused reports whether the SDK's error says that a condition did not hold; any other
// answer than that and success says that the server does not know it.
func refused(err error) bool {
	return err != nil && statusOf(err) == 412
}

func copiesParts(ctx context.Context, s *server) (bool, error) {
	if _, err := s.put(ctx, "source", "parts", store.Condition{}); err != nil {
		return false, err
	}
	begun, err := s.client.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: s.key("parts")})
	if err != nil {
		return false, err
	}
	up := store.Upload{Key: "parts", ID: aws.ToString(begun.UploadId)}
	out, failed := s.client.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
		Bucket: &s.bucket, Key: s.key("parts"), UploadId: &up.ID, PartNumber: aws.Int32(1), CopySource: s.source("source"),
		CopySourceRange: aws.String("bytes=0-4"),
	})
	return failed == nil && out.CopyPartResult != nil, s.store.Abort(ctx, up)
}

func copiesOnlyNew(ctx context.Context, s *server) (bool, error) {
	_, err := s.put(ctx, "source", "a", store.Condition{})
	_, err2 := s.put(ctx, "target", "b", store.Condition{})
	if err := errors.Join(err, err2); err != nil {
		return false, err
	}
	_, err = s.client.CopyObject(ctx, &awss3.CopyObjectInput{
		Bucket: &s.bucket, Key: s.key("target"), CopySource: s.source("source"), IfNoneMatch: aws.String("*"),
	})
	return refused(err), nil
}

func copiesOne(ctx context.Context, s *server) (bool, error) {
	if _, err := s.put(ctx, "source", "a", store.Condition{}); err != nil {
		return false, err
	}
	_, err := s.client.CopyObject(ctx, &awss3.CopyObjectInput{
		Bucket: &s.bucket, Key: s.key("copied"), CopySource: s.source("source"), CopySourceIfMatch: aws.String(noETag),
	})
	return refused(err), nil
}

func copiesMetadata(ctx context.Context, s *server) (bool, error) {
	if _, err := s.put(ctx, "source", "a", store.Condition{}); err != nil {
		return false, err
	}
	_, err := s.client.CopyObject(ctx, &awss3.CopyObjectInput{
		Bucket: &s.bucket, Key: s.key("other"), CopySource: s.source("source"),
		MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"other": "yes"},
	})
	if err != nil {
		return false, nil
	}
	info, err := s.store.Head(ctx, "other")
	return info.Metadata["other"] == "yes" && info.Metadata["was"] == "", err
}

func checksSums(ctx context.Context, s *server) (bool, error) {
	text := []byte("text")
	_, err := s.store.Put(ctx, "sum", store.Body{ReadSeeker: bytes.NewReader(text), Size: 4, CRC32C: ^crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))},
		store.Attributes{}, store.Condition{})
	return err != nil, nil
}

func listsUploads(ctx context.Context, s *server) (bool, error) {
	up, part, err := s.begin(ctx, "unfinished")
	if err != nil {
		return false, err
	}
	ups, err := s.store.Uploads(ctx, "unfinished")
	parts, err2 := s.store.Parts(ctx, up)
	ok := err == nil && err2 == nil && len(ups) == 1 && ups[0].ID == up.ID && len(parts) == 1 && parts[0].ETag == part.ETag
	return ok, s.store.Abort(ctx, up)
}

// hostile names are those that servers and their libraries have been known to spoil.
var hostile = []string{"a b", "a+b", "a%2Fb", "ü", "日本", "a&b", "a'b\"", "#1?", "dot.", "~x", "a=b;c", "emoji-\U0001F3AC"}

func keepsNames(ctx context.Context, s *server) (bool, error) {
	for _, name := range hostile {
		if _, err := s.put(ctx, "names/"+name, name, store.Condition{}); err != nil {
			return false, nil
		}
	}
	listed := make(map[string]bool)
	page, err := s.store.List(ctx, "names/", "", "", 0)
	for _, o := range page.Objects {
		listed[o.Key] = true
	}
	for _, name := range hostile {
		if !listed["names/"+name] {
			return false, err
		}
		body, _, err := s.store.Get(ctx, "names/"+name, store.Range{}, "")
		if err != nil {
			return false, nil
		}
		text, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil || string(text) != name {
			return false, err
		}
	}
	return len(listed) == len(hostile), err
}

// ask finds out about one feature: "yes", "no", or what went wrong.
func (f feature) ask(ctx context.Context, s *server) string {
	ok, err := f.has(ctx, s)
	switch {
	case err != nil:
		return fmt.Sprintf("fails: %v", err)
	case ok:
		return "yes"
	}
	return "no"
}
