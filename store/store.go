// Package store says what mcfs asks of a place where objects live.
//
// Two rooms implement it: s3 (Amazon S3 and compatible servers) and dir (a
// local directory). One conformance suite, storetest, holds both to the
// contract written here. A store sees ciphertext and metadata only; it knows
// nothing of keys, files or versions. This package imports nothing of ours.
//
// Every call takes a context and ends soon after it does: with
// context.Canceled alone when the caller gave up, with ErrUnavailable as well
// when the caller's deadline passed. Each implementation has a deadline of its
// own for a call without progress, reported as ErrUnavailable. Calls may come
// from any number of goroutines.
//
// A store may repeat a request whose answer was lost. So ErrPrecondition can
// be the echo of the caller's own write that did take effect, and ErrNoUpload
// that of a Complete that did: who must know looks (Head).
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// What a caller can decide upon; test with errors.Is. Whatever is none of
// these is permanent and not understood.
var (
	// ErrNotExist: no such object.
	ErrNotExist = errors.New("no such object")
	// ErrNoBucket: the bucket, or the directory, is not there. Never mistaken for a missing object.
	ErrNoBucket = errors.New("no such bucket")
	// ErrPrecondition: a condition did not hold (412): somebody else's version is there.
	ErrPrecondition = errors.New("object changed meanwhile")
	// ErrConflict: a competing operation was under way (409); look, then try again.
	ErrConflict = errors.New("competing operation")
	// ErrNoUpload: the upload id is gone: aborted, completed or expired. Start over under a fresh key.
	ErrNoUpload = errors.New("no such upload")
	// ErrDenied: credentials missing, expired or not allowed.
	ErrDenied = errors.New("access denied")
	// ErrUnavailable: network, timeout, throttling or 5xx, after the store's own retries. Whether the request took effect is unknown.
	ErrUnavailable = errors.New("store unavailable")
	// ErrChecksum: what arrived is not what was sent.
	ErrChecksum = errors.New("checksum mismatch")
)

// Info describes one object.
type Info struct {
	Key         string // relative to the store's prefix
	Size        int64
	ETag        string            // opaque, with quotes; the same string from every call that tells it
	Modified    time.Time         // from a write: the store's clock when it answered; Head and List may say a little else (S3: when a multipart upload began)
	Answered    time.Time         // from Head: the store's clock when it answered
	ContentType string            // not from List
	Metadata    map[string]string // user metadata, keys in lower case without x-amz-meta-; not from List
}

// Condition guards a write. The zero value is none. At most one field is set.
type Condition struct {
	IfMatch string // the object exists with this ETag
	IfNone  bool   // no object exists under the key
}

// Attributes are what an object is born with.
type Attributes struct {
	ContentType string
	Metadata    map[string]string // at most MaxMetadata bytes in all; see Check
}

// Upload names an unfinished multipart upload.
type Upload struct {
	Key       string
	ID        string
	Initiated time.Time // from Uploads only
}

// Part is a part that the store has acknowledged.
type Part struct {
	Number int // from 1; at most 10,000
	ETag   string
	Size   int64
	CRC32C uint32 // 0 from Parts where the store keeps none
}

// Body is the content of one put or part. The store reads it from offset 0,
// seeks back there to retry, and never touches it after the call. Size bytes
// exactly are read; fewer are an error, more are left alone. CRC32C (Castagnoli) of those bytes is given by the
// caller, who computes it in the pass that encrypts.
type Body struct {
	io.ReadSeeker
	Size   int64
	CRC32C uint32
}

// Range is Length bytes from Offset; Length 0 means to the end.
type Range struct {
	Offset, Length int64
}

// Page is one page of a listing; objects and prefixes are each in the order of
// the keys' bytes, and all of them sort before those of the next page.
type Page struct {
	Objects  []Info
	Prefixes []string // common prefixes, delimiter included
	Next     string   // token of the next page; empty at the end
}

// Copy describes a server-side copy.
type Copy struct {
	Source        string
	SourceIfMatch string // required: the source is pinned
	Target        string
	Size          int64      // of the source in the version SourceIfMatch names; trusted
	Attributes    Attributes // restated in full: nothing is inherited
	Condition     Condition  // on the target; honoured even where CopyObject ignores it (by a multipart copy, or a look where the server has none)

	// Begun, if not nil, is told of the upload of a multipart copy before its first
	// part leaves; its error ends the copy. Moved, if not nil, of the bytes copied,
	// part by part, from several goroutines.
	Begun func(Upload) error
	Moved func(bytes int64)
}

// Store is where objects live. Keys are relative to the store's prefix, UTF-8,
// non-empty, at most 1,024 bytes with the prefix. A store on a file system, be
// it ours or a server's, may refuse a key of which no path can be made.
type Store interface {
	// Put stores a whole object, atomically.
	Put(ctx context.Context, key string, body Body, attr Attributes, cond Condition) (Info, error)

	// Begin starts a multipart upload. Nothing is visible until Complete.
	Begin(ctx context.Context, key string, attr Attributes) (Upload, error)
	// PutPart stores one part; parts may come in any order and at once.
	// A part but the last has at least 5 MiB.
	PutPart(ctx context.Context, up Upload, number int, body Body) (Part, error)
	// Complete makes the object of the parts, given in ascending order. After
	// ErrPrecondition the upload still exists: complete it otherwise, or abort it.
	// A second Complete gives ErrNoUpload, or the first one's answer again.
	Complete(ctx context.Context, up Upload, parts []Part, cond Condition) (Info, error)
	// Abort forgets an upload; one that is gone already is no error.
	Abort(ctx context.Context, up Upload) error
	// Uploads lists the unfinished uploads below a prefix of keys.
	Uploads(ctx context.Context, prefix string) ([]Upload, error)
	// Parts lists what an unfinished upload has so far, in ascending order.
	Parts(ctx context.Context, up Upload) ([]Part, error)

	// Get reads a range of the object, pinned to an ETag if one is given
	// (ErrPrecondition if it is another now). The Info is that of the whole
	// object, as far as a GET tells. A body that ends early is an error of
	// its Read, never a silent EOF. The caller closes the body. A range that
	// begins at or after the end gives an empty body. The body belongs to ctx:
	// it ends when ctx does.
	Get(ctx context.Context, key string, r Range, ifMatch string) (io.ReadCloser, Info, error)
	// Head describes one object.
	Head(ctx context.Context, key string) (Info, error)
	// List gives one page of at most max (0: 1,000) keys below prefix; with
	// delimiter "/" keys beyond it fold into Prefixes, which count toward max. token is a Page.Next.
	List(ctx context.Context, prefix, delimiter, token string, max int) (Page, error)

	// Copy copies within the store, by multipart above 5 GiB or where the
	// condition needs it, if the server can. A source that is gone is ErrNotExist or
	// ErrPrecondition, one that was replaced ErrPrecondition.
	Copy(ctx context.Context, c Copy) (Info, error)
	// Delete removes an object; one that does not exist is no error, with a
	// condition neither. With cond.IfMatch, ErrPrecondition if it is another
	// now (a server that ignores the condition, or checks it beside a running
	// write, may remove the newer one). IfNone makes no sense here and is refused.
	Delete(ctx context.Context, key string, cond Condition) error

	// Now is what the clock shows by which the store tells times, as far as its answers
	// let that be known; before the first it is this machine's.
	Now() Span
	// CheckKey says why no object can ever have this key, as each call with it would:
	// it is too long with the store's prefix, or none; nil: it can.
	CheckKey(key string) error
	// Address is the URL under which others know the key ("s3://bucket/prefix/key"; empty if none).
	Address(key string) string
	// Check proves at start that the place exists and can be listed; its
	// error names the thing and the cure in one line.
	Check(ctx context.Context) error
	// Close lets go of connections.
	Close() error
}
