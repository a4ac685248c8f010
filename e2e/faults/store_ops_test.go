package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"mcfs/store"
	"mcfs/store/storetest"
)

// operation is one column of the store's table: a call, and where the fault
// strikes it.
type operation struct {
	name    string // of the column
	method  string // of store.Store
	hit     string // the request that the fault strikes, as S3 calls it
	prepare func(c *storeCase)
	call    func(c *storeCase, s store.Store) error // an error, too, if what it gives is not right
	after   string                                  // what S3 has once it took effect; empty: what it had before
	echo    string                                  // the word that a second call may have for one that took effect unseen
	warm    bool                                    // the store has been asked something before
	orphan  bool                                    // an upload begun without an answer stays: the caller looks for it
}

var (
	oldBytes = storetest.Random(200_000, 1)
	newBytes = storetest.Random(300_001, 2)
	attrs    = store.Attributes{ContentType: "application/octet-stream", Metadata: map[string]string{"a": "b"}}
)

// errBytes: a call succeeded, and gave other bytes than those stored. S3's
// protocol cannot tell; the layer above does (P9).
var errBytes = errors.New("other bytes")

var ifNone = store.Condition{IfNone: true}

// operations are all calls that go to the network.
var operations = []operation{
	{name: "Put", method: "Put", hit: "PutObject", prepare: putOld, after: "k=new",
		call: func(c *storeCase, s store.Store) error { return c.put(s, store.Condition{}) }},
	{name: "PutNone", method: "Put", hit: "PutObject", after: "k=new", echo: "cond",
		call: func(c *storeCase, s store.Store) error { return c.put(s, ifNone) }},
	{name: "PutMatch", method: "Put", hit: "PutObject", prepare: putOld, after: "k=new", echo: "cond",
		call: func(c *storeCase, s store.Store) error { return c.put(s, store.Condition{IfMatch: c.old.ETag}) }},
	{name: "Begin", method: "Begin", hit: "CreateMultipartUpload", after: "upload",
		call: func(c *storeCase, s store.Store) error {
			up, err := s.Begin(c.ctx, "k", attrs)
			if err == nil && (up.ID == "" || up.Key != "k") {
				err = fmt.Errorf("upload %+v", up)
			}
			return err
		}},
	{name: "PutPart", method: "PutPart", hit: "UploadPart", prepare: begin, after: "upload[1=new]",
		call: func(c *storeCase, s store.Store) error { return c.putPart(s) }},
	{name: "Complete", method: "Complete", hit: "CompleteMultipartUpload", prepare: putOldAndPart, after: "k=new", echo: "lost",
		call: func(c *storeCase, s store.Store) error { return c.complete(s, store.Condition{IfMatch: c.old.ETag}) }},
	{name: "CompleteNone", method: "Complete", hit: "CompleteMultipartUpload", prepare: beginAndPut, after: "k=new", echo: "lost cond",
		call: func(c *storeCase, s store.Store) error { return c.complete(s, ifNone) }},
	{name: "Abort", method: "Abort", hit: "AbortMultipartUpload", prepare: beginAndPut, after: "nothing",
		call: func(c *storeCase, s store.Store) error { return s.Abort(c.ctx, c.up) }},
	{name: "Uploads", method: "Uploads", hit: "ListMultipartUploads", prepare: begin,
		call: func(c *storeCase, s store.Store) error {
			ups, err := s.Uploads(c.ctx, "")
			if err == nil && (len(ups) != 1 || ups[0].ID != c.up.ID || ups[0].Key != "k") {
				err = fmt.Errorf("uploads %+v", ups)
			}
			return err
		}},
	{name: "Parts", method: "Parts", hit: "ListParts", prepare: beginAndPut,
		call: func(c *storeCase, s store.Store) error {
			parts, err := s.Parts(c.ctx, c.up)
			if err == nil && (len(parts) != 1 || parts[0] != c.part) {
				err = fmt.Errorf("parts %+v", parts)
			}
			return err
		}},
	{name: "Get", method: "Get", hit: "GetObject", prepare: putOld,
		call: func(c *storeCase, s store.Store) error { return c.get(s, store.Range{}, oldBytes) }},
	{name: "GetRange", method: "Get", hit: "GetObject", prepare: putOld,
		call: func(c *storeCase, s store.Store) error {
			return c.get(s, store.Range{Offset: 1000, Length: 100_000}, oldBytes[1000:101_000])
		}},
	{name: "Head", method: "Head", hit: "HeadObject", prepare: putOld,
		call: func(c *storeCase, s store.Store) error { return c.head(s) }},
	// Once a request was answered, PUT, GET, HEAD, DELETE and LIST go a shorter way.
	{name: "PutShort", method: "Put", hit: "PutObject", prepare: putOld, warm: true, after: "k=new",
		call: func(c *storeCase, s store.Store) error { return c.put(s, store.Condition{}) }},
	{name: "PutMatchShort", method: "Put", hit: "PutObject", prepare: putOld, warm: true, after: "k=new", echo: "cond",
		call: func(c *storeCase, s store.Store) error { return c.put(s, store.Condition{IfMatch: c.old.ETag}) }},
	{name: "DeleteShort", method: "Delete", hit: "DeleteObject", prepare: putOld, warm: true, after: "nothing",
		call: func(c *storeCase, s store.Store) error { return s.Delete(c.ctx, "k", store.Condition{}) }},
	{name: "DeleteMatchShort", method: "Delete", hit: "DeleteObject", prepare: putOld, warm: true, after: "nothing",
		call: func(c *storeCase, s store.Store) error {
			return s.Delete(c.ctx, "k", store.Condition{IfMatch: c.old.ETag})
		}},
	{name: "GetShort", method: "Get", hit: "GetObject", prepare: putOld, warm: true,
		call: func(c *storeCase, s store.Store) error { return c.get(s, store.Range{}, oldBytes) }},
	{name: "HeadShort", method: "Head", hit: "HeadObject", prepare: putOld, warm: true,
		call: func(c *storeCase, s store.Store) error { return c.head(s) }},
	{name: "List", method: "List", hit: "ListObjectsV2", prepare: putOld,
		call: func(c *storeCase, s store.Store) error { return c.list(s) }},
	{name: "ListShort", method: "List", hit: "ListObjectsV2", prepare: putOld, warm: true,
		call: func(c *storeCase, s store.Store) error { return c.list(s) }},
	{name: "Copy", method: "Copy", hit: "CopyObject", prepare: putOld, after: "k=old to=old",
		call: func(c *storeCase, s store.Store) error { return c.copy(s, store.Condition{}) }},
	{name: "CopyBegin", method: "Copy", hit: "CreateMultipartUpload", prepare: putOld, after: "k=old to=old", echo: "cond", orphan: true,
		call: func(c *storeCase, s store.Store) error { return c.copy(s, ifNone) }},
	{name: "CopyPart", method: "Copy", hit: "UploadPartCopy", prepare: putOld, after: "k=old to=old", echo: "cond",
		call: func(c *storeCase, s store.Store) error { return c.copy(s, ifNone) }},
	{name: "CopyEnd", method: "Copy", hit: "CompleteMultipartUpload", prepare: putOld, after: "k=old to=old", echo: "cond",
		call: func(c *storeCase, s store.Store) error { return c.copy(s, ifNone) }},
	{name: "CopyEmptyGet", method: "Copy", hit: "GetObject", prepare: putEmpty, after: "k=empty to=empty", echo: "cond",
		call: func(c *storeCase, s store.Store) error { return c.copy(s, ifNone) }},
	{name: "CopyEmptyPut", method: "Copy", hit: "PutObject", prepare: putEmpty, after: "k=empty to=empty", echo: "cond",
		call: func(c *storeCase, s store.Store) error { return c.copy(s, ifNone) }},
	{name: "Delete", method: "Delete", hit: "DeleteObject", prepare: putOld, after: "nothing",
		call: func(c *storeCase, s store.Store) error { return s.Delete(c.ctx, "k", store.Condition{}) }},
	{name: "DeleteMatch", method: "Delete", hit: "DeleteObject", prepare: putOld, after: "nothing",
		call: func(c *storeCase, s store.Store) error {
			return s.Delete(c.ctx, "k", store.Condition{IfMatch: c.old.ETag})
		}},
	{name: "Check", method: "Check", hit: "ListObjectsV2",
		call: func(c *storeCase, s store.Store) error { return s.Check(c.ctx) }},
}

// offline are the methods that touch no network.
var offline = []string{"Address", "CheckKey", "Close", "Now"}

func putOld(c *storeCase)   { c.old = c.store("k", oldBytes) }
func putEmpty(c *storeCase) { c.old = c.store("k", nil) }

func putOldAndPart(c *storeCase) {
	putOld(c)
	beginAndPut(c)
}

func begin(c *storeCase) {
	up, err := c.direct.Begin(c.ctx, "k", attrs)
	c.must(err)
	c.up = up
}

func beginAndPut(c *storeCase) {
	begin(c)
	part, err := c.direct.PutPart(c.ctx, c.up, 1, storetest.BodyOf(newBytes))
	c.must(err)
	c.part = part
}

func (c *storeCase) store(key string, p []byte) store.Info {
	info, err := c.direct.Put(c.ctx, key, storetest.BodyOf(p), attrs, store.Condition{})
	c.must(err)
	return info
}

func (c *storeCase) put(s store.Store, cond store.Condition) error {
	info, err := s.Put(c.ctx, "k", storetest.BodyOf(newBytes), attrs, cond)
	if err == nil && (info.ETag == "" || info.Size != int64(len(newBytes))) {
		err = fmt.Errorf("put gave %+v", info)
	}
	return err
}

func (c *storeCase) putPart(s store.Store) error {
	part, err := s.PutPart(c.ctx, c.up, 1, storetest.BodyOf(newBytes))
	if err == nil && part.ETag == "" {
		err = fmt.Errorf("put part gave %+v", part)
	}
	return err
}

func (c *storeCase) complete(s store.Store, cond store.Condition) error {
	info, err := s.Complete(c.ctx, c.up, []store.Part{c.part}, cond)
	if err != nil {
		return err
	}
	if there, err := c.direct.Head(c.ctx, "k"); err != nil || there.ETag != info.ETag {
		return fmt.Errorf("complete gave %+v, and there is %+v (%w)", info, there, err)
	}
	return nil
}

func (c *storeCase) get(s store.Store, r store.Range, want []byte) error {
	body, info, err := s.Get(c.ctx, "k", r, c.old.ETag)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(body)
	_ = body.Close()
	switch {
	case err != nil:
		return err
	case !bytes.Equal(got, want):
		return errBytes
	case info.ETag != c.old.ETag:
		return fmt.Errorf("get gave %+v", info)
	}
	return nil
}

func (c *storeCase) head(s store.Store) error {
	info, err := s.Head(c.ctx, "k")
	if err == nil && (info.Size != int64(len(oldBytes)) || info.ETag != c.old.ETag || info.Metadata["a"] != "b") {
		err = fmt.Errorf("head %+v", info)
	}
	return err
}

func (c *storeCase) list(s store.Store) error {
	page, err := s.List(c.ctx, "", "/", "", 0)
	if err == nil && (len(page.Objects) != 1 || page.Objects[0].Key != "k" || page.Objects[0].ETag != c.old.ETag) {
		err = fmt.Errorf("list %+v", page)
	}
	return err
}

func (c *storeCase) copy(s store.Store, cond store.Condition) error {
	info, err := s.Copy(c.ctx, store.Copy{
		Source: "k", SourceIfMatch: c.old.ETag, Target: "to", Size: c.old.Size, Attributes: attrs, Condition: cond,
	})
	if err != nil {
		return err
	}
	if there, err := c.direct.Head(c.ctx, "to"); err != nil || there.ETag != info.ETag {
		return fmt.Errorf("copy gave %+v, and there is %+v (%w)", info, there, err)
	}
	return nil
}

// look says in a few words what S3 has below the case's prefix: objects by
// their content, and unfinished uploads with their parts.
func (c *storeCase) look() string {
	page, err := c.direct.List(c.ctx, "", "", "", 0)
	c.must(err)
	var words []string
	for _, o := range page.Objects {
		body, info, err := c.direct.Get(c.ctx, o.Key, store.Range{}, "")
		c.must(err)
		p, err := io.ReadAll(body)
		c.must(errors.Join(err, body.Close()))
		what := contentName(p)
		if info.Metadata["a"] != "b" || info.ContentType != attrs.ContentType {
			what += " without its metadata"
		}
		words = append(words, o.Key+"="+what)
	}
	ups, err := c.direct.Uploads(c.ctx, "")
	c.must(err)
	for _, up := range ups {
		word := "upload"
		parts, err := c.direct.Parts(c.ctx, up)
		c.must(err)
		for _, p := range parts {
			what := "other"
			if p.Size == int64(len(newBytes)) && p.CRC32C == storetest.BodyOf(newBytes).CRC32C {
				what = "new"
			}
			word += fmt.Sprintf("[%d=%s]", p.Number, what)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, " ")
}

func contentName(p []byte) string {
	switch {
	case bytes.Equal(p, oldBytes):
		return "old"
	case bytes.Equal(p, newBytes):
		return "new"
	case len(p) == 0:
		return "empty"
	}
	return fmt.Sprintf("%d bytes of something else", len(p))
}
