package dir

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"mcfs/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Put stores a whole object.
func (s *Store) Put(ctx context.Context, key string, b store.Body, attr store.Attributes, cond store.Condition) (store.Info, error) {
	if err := s.start(ctx, "put", key, attr, cond); err != nil {
		return store.Info{}, err
	}
	out, err := s.write(ctx, newMeta(key, attr), cond, nil, func(tmp *os.File) error { return copyBody(ctx, tmp, b) })
	return out, failure("put", key, err)
}

// write fills a new file, and commits it as the object m.Key. taken may be nil.
func (s *Store) write(ctx context.Context, m meta, cond store.Condition, taken *claim, fill func(*os.File) error) (store.Info, error) {
	if _, err := path(m.Key); err != nil {
		return store.Info{}, err
	}
	tmp, err := os.OpenFile(s.hidden("tmp", unique()), os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return store.Info{}, s.lost(err)
	}
	defer tmp.Close()
	defer os.Remove(tmp.Name()) // after the commit it is not there any more
	if err := fill(tmp); err != nil {
		return store.Info{}, err
	}
	metaPath, fi, err := s.writeMeta(tmp, m)
	if err != nil {
		return store.Info{}, s.lost(err)
	}
	if err := s.commit(ctx, tmp.Name(), m.Key, cond, taken); err != nil {
		if !errors.Is(err, errNotDurable) {
			_ = os.Remove(metaPath)
		}
		return store.Info{}, err
	}
	return info(m.Key, fi, m), nil
}

// lost tells the absence of the whole directory from other failures.
func (s *Store) lost(err error) error {
	if absent(err) {
		if missing := s.missing(); errors.Is(missing, store.ErrNoBucket) {
			return missing
		}
	}
	return err
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// copyBody writes exactly the body's bytes and checks their sum.
func copyBody(ctx context.Context, w io.Writer, b store.Body) error {
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var sum uint32
	for left := b.Size; left > 0; {
		if err := store.Ended(ctx); err != nil {
			return err
		}
		p := (*buf)[:min(left, int64(len(*buf)))]
		n, err := io.ReadFull(b, p)
		if err != nil {
			return fmt.Errorf("body is %d bytes shorter than its size: %w", left-int64(n), err)
		}
		sum = crc32.Update(sum, castagnoli, p)
		if _, err := w.Write(p); err != nil {
			return err
		}
		left -= int64(n)
	}
	if sum != b.CRC32C {
		return fmt.Errorf("%w: CRC-32C is %08x, not %08x", store.ErrChecksum, sum, b.CRC32C)
	}
	return store.Ended(ctx)
}

// Head describes one object.
func (s *Store) Head(ctx context.Context, key string) (store.Info, error) {
	if err := s.start(ctx, "head", key, store.Attributes{}, store.Condition{}); err != nil {
		return store.Info{}, err
	}
	o, err := s.find(key)
	if err != nil {
		return store.Info{}, failure("head", key, err)
	}
	i := info(key, o.fi, o.meta)
	i.Answered = time.Now()
	return i, nil
}

// Get reads a range of an object.
func (s *Store) Get(ctx context.Context, key string, r store.Range, ifMatch string) (io.ReadCloser, store.Info, error) {
	if err := s.start(ctx, "get", key, store.Attributes{}, store.Condition{}); err != nil {
		return nil, store.Info{}, err
	}
	if r.Offset < 0 || r.Length < 0 {
		return nil, store.Info{}, fmt.Errorf("get %s: range %d+%d is negative", key, r.Offset, r.Length)
	}
	f, o, err := s.openFound(key)
	if err != nil {
		return nil, store.Info{}, failure("get", key, err)
	}
	if ifMatch != "" && o.meta.ETag != ifMatch {
		_ = f.Close()
		return nil, store.Info{}, failure("get", key, store.ErrPrecondition)
	}
	left := max(o.fi.Size()-r.Offset, 0)
	if r.Length > 0 {
		left = min(left, r.Length)
	}
	return &body{ctx: ctx, key: key, f: f, off: r.Offset, left: left}, info(key, o.fi, o.meta), nil
}

// body reads a stretch of an object's file, and takes no end before its own.
type body struct {
	ctx  context.Context
	key  string
	f    *os.File
	off  int64
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if err := store.Ended(b.ctx); err != nil {
		return 0, failure("read", b.key, err)
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.f.ReadAt(p[:min(int64(len(p)), b.left)], b.off)
	b.off, b.left = b.off+int64(n), b.left-int64(n)
	switch {
	case errors.Is(err, io.EOF) && b.left > 0: // somebody cut the file
		return n, fmt.Errorf("read %s: %d bytes missing: %w", b.key, b.left, io.ErrUnexpectedEOF)
	case errors.Is(err, io.EOF):
		err = nil
	}
	return n, failure("read", b.key, err)
}

func (b *body) Close() error { return b.f.Close() }

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	if err := s.start(ctx, "delete", key, store.Attributes{}, cond); err != nil {
		return err
	}
	if cond.IfNone {
		return fmt.Errorf("delete %s: a condition that the object is absent makes no sense", key)
	}
	out, err := s.remove(ctx, key, cond.IfMatch)
	if err != nil {
		return failure("delete", key, err)
	}
	if out.changed == "" {
		return nil
	}
	if err := durable(out.changed); err != nil {
		return failure("delete", key, err)
	}
	_ = os.Remove(out.meta) // only now: a crash must not bring back the bytes without it
	return nil
}

// gone is what a deleted object leaves to be done.
type gone struct{ meta, changed string }

func (s *Store) remove(ctx context.Context, key, ifMatch string) (gone, error) {
	unlock, err := s.lock.acquire(ctx)
	if err != nil {
		return gone{}, err
	}
	defer unlock()
	o, err := s.find(key)
	if errors.Is(err, store.ErrNotExist) {
		return gone{}, nil
	}
	if err != nil && !errors.Is(err, errDamaged) {
		return gone{}, err
	}
	if ifMatch != "" && o.meta.ETag != ifMatch {
		return gone{}, store.ErrPrecondition
	}
	if err := os.Remove(o.path); err != nil {
		return gone{}, err
	}
	return gone{meta: s.metaPath(key, o.fi), changed: s.prune(o.path)}, nil
}
