package dir

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"mcfs/store"
)

// An upload is a directory, ROOT/.mcfs/uploads/ID, with upload.json and a file
// per part: its bytes, then a trailer. So one rename stores or replaces a part.
const (
	uploadFile  = "upload.json"
	partMagic   = "mcfspart"
	trailerSize = len(partMagic) + 16 + 4 // magic, ETag, CRC-32C (big-endian)
)

type uploadMeta struct {
	Key         string            `json:"key"`
	Initiated   time.Time         `json:"initiated"`
	ContentType string            `json:"content_type,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// Begin starts a multipart upload.
func (s *Store) Begin(ctx context.Context, key string, attr store.Attributes) (store.Upload, error) {
	if err := s.start(ctx, "begin", key, attr, store.Condition{}); err != nil {
		return store.Upload{}, err
	}
	up := store.Upload{Key: key, ID: unique(), Initiated: time.Now()}
	err := s.makeUpload(up, attr)
	return up, failure("begin", key, err)
}

func (s *Store) makeUpload(up store.Upload, attr store.Attributes) error {
	if _, err := path(up.Key); err != nil {
		return err
	}
	p, err := json.Marshal(uploadMeta{up.Key, up.Initiated, attr.ContentType, attr.Metadata})
	if err != nil {
		return err
	}
	made := s.hidden("tmp", up.ID) // an upload appears with its description, or not at all
	if err := os.Mkdir(made, dirMode); err != nil {
		return s.lost(err)
	}
	f, err := os.OpenFile(filepath.Join(made, uploadFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(append(p, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close(), syncDir(made)); err != nil {
		return err
	}
	if err := os.Rename(made, s.hidden("uploads", up.ID)); err != nil {
		return err
	}
	return syncDir(s.hidden("uploads"))
}

// upload reads the description of an unfinished upload.
func (s *Store) upload(up store.Upload) (uploadMeta, error) {
	if id, err := hex.DecodeString(up.ID); err != nil || len(id) != 16 { // never a path
		return uploadMeta{}, store.ErrNoUpload
	}
	p, err := os.ReadFile(s.hidden("uploads", up.ID, uploadFile))
	if absent(err) {
		return uploadMeta{}, s.noUpload()
	}
	if err != nil {
		return uploadMeta{}, err
	}
	var m uploadMeta
	if err := json.Unmarshal(p, &m); err != nil {
		return uploadMeta{}, fmt.Errorf("upload %s is damaged: %w", up.ID, err)
	}
	if m.Key != up.Key {
		return uploadMeta{}, store.ErrNoUpload
	}
	return m, nil
}

func (s *Store) noUpload() error {
	if err := s.missing(); !errors.Is(err, store.ErrNotExist) {
		return err
	}
	return store.ErrNoUpload
}

func (s *Store) partPath(id string, number int) string {
	return s.hidden("uploads", id, fmt.Sprintf("%05d", number))
}

// PutPart stores one part.
func (s *Store) PutPart(ctx context.Context, up store.Upload, number int, b store.Body) (store.Part, error) {
	op := fmt.Sprintf("put part %d of", number)
	if err := s.start(ctx, op, up.Key, store.Attributes{}, store.Condition{}); err != nil {
		return store.Part{}, err
	}
	if number < 1 || number > store.MaxParts {
		return store.Part{}, fmt.Errorf("%s %s: numbers go from 1 to %d", op, up.Key, store.MaxParts)
	}
	part, err := s.putPart(ctx, up, number, b)
	return part, failure(op, up.Key, err)
}

func (s *Store) putPart(ctx context.Context, up store.Upload, number int, b store.Body) (store.Part, error) {
	if _, err := s.upload(up); err != nil {
		return store.Part{}, err
	}
	tmp, err := os.OpenFile(s.hidden("tmp", unique()), os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return store.Part{}, s.lost(err)
	}
	defer tmp.Close()
	defer os.Remove(tmp.Name())
	if err := copyBody(ctx, tmp, b); err != nil {
		return store.Part{}, err
	}
	etag := unique()
	id, _ := hex.DecodeString(etag)
	trailer := binary.BigEndian.AppendUint32(append([]byte(partMagic), id...), b.CRC32C)
	if _, err := tmp.Write(trailer); err != nil {
		return store.Part{}, err
	}
	if err := tmp.Sync(); err != nil {
		return store.Part{}, err
	}
	err = os.Rename(tmp.Name(), s.partPath(up.ID, number))
	if err == nil {
		err = syncDir(s.hidden("uploads", up.ID))
	}
	if absent(err) { // aborted meanwhile
		return store.Part{}, s.noUpload()
	}
	return store.Part{Number: number, ETag: `"` + etag + `"`, Size: b.Size, CRC32C: b.CRC32C}, err
}

// openPart opens a stored part, with its bytes before the file's position 0
// to part.Size. fs.ErrNotExist if there is none.
func (s *Store) openPart(id string, number int) (*os.File, store.Part, error) {
	f, err := os.Open(s.partPath(id, number))
	if err != nil {
		return nil, store.Part{}, err
	}
	part, err := readTrailer(f)
	if err != nil {
		_ = f.Close()
		return nil, store.Part{}, fmt.Errorf("part %d: %w", number, err)
	}
	part.Number = number
	return f, part, nil
}

func readTrailer(f *os.File) (store.Part, error) {
	fi, err := f.Stat()
	if err != nil {
		return store.Part{}, err
	}
	size := fi.Size() - int64(trailerSize)
	t := make([]byte, trailerSize)
	if size < 0 {
		return store.Part{}, errors.New("damaged: too short")
	}
	if _, err := f.ReadAt(t, size); err != nil {
		return store.Part{}, err
	}
	id, ok := bytes.CutPrefix(t, []byte(partMagic))
	if !ok {
		return store.Part{}, errors.New("damaged: no trailer")
	}
	return store.Part{ETag: fmt.Sprintf(`"%x"`, id[:16]), Size: size, CRC32C: binary.BigEndian.Uint32(id[16:])}, nil
}

// Complete makes the object.
func (s *Store) Complete(ctx context.Context, up store.Upload, parts []store.Part, cond store.Condition) (store.Info, error) {
	if err := s.start(ctx, "complete", up.Key, store.Attributes{}, cond); err != nil {
		return store.Info{}, err
	}
	if err := store.CheckParts(parts); err != nil {
		return store.Info{}, fmt.Errorf("complete %s: %w", up.Key, err)
	}
	info, err := s.complete(ctx, up, parts, cond)
	return info, failure("complete", up.Key, err)
}

func (s *Store) complete(ctx context.Context, up store.Upload, parts []store.Part, cond store.Condition) (store.Info, error) {
	m, err := s.upload(up)
	if err != nil {
		return store.Info{}, err
	}
	// The upload is used up under the lock, so of two Completes one finds it gone.
	taken := &claim{
		check: func() error { _, err := s.upload(up); return err },
		use:   func() { _ = s.discard(up.ID) }, // what stays is listed by Uploads, and can be aborted
	}
	obj := newMeta(up.Key, store.Attributes{ContentType: m.ContentType, Metadata: m.Metadata})
	return s.write(ctx, obj, cond, taken, func(tmp *os.File) error {
		for i, p := range parts {
			if err := s.appendPart(ctx, tmp, up.ID, p, i == len(parts)-1); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) appendPart(ctx context.Context, w *os.File, id string, want store.Part, last bool) error {
	f, part, err := s.openPart(id, want.Number)
	if absent(err) {
		if _, err := os.Lstat(s.hidden("uploads", id)); absent(err) {
			return s.noUpload()
		}
		return fmt.Errorf("part %d was never sent", want.Number)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if part.ETag != want.ETag {
		return fmt.Errorf("part %d is another than the one to be completed", want.Number)
	}
	if !last && part.Size < s.o.MinPart {
		return fmt.Errorf("part %d has %d bytes, each but the last needs %d", want.Number, part.Size, s.o.MinPart)
	}
	return copyFile(ctx, w, f, part.Size)
}

// copyFile appends n bytes, in the kernel where it can (on btrfs and XFS that
// shares the blocks).
func copyFile(ctx context.Context, w, r *os.File, n int64) error {
	const step = 64 << 20 // between two looks at the context
	for n > 0 {
		if err := store.Ended(ctx); err != nil {
			return err
		}
		done, err := io.CopyN(w, r, min(n, step))
		if err != nil {
			return err
		}
		n -= done
	}
	return store.Ended(ctx)
}

// Abort forgets an upload.
func (s *Store) Abort(ctx context.Context, up store.Upload) error {
	if err := s.start(ctx, "abort upload of", up.Key, store.Attributes{}, store.Condition{}); err != nil {
		return err
	}
	_, err := s.upload(up)
	if err == nil {
		err = s.discard(up.ID)
	}
	if errors.Is(err, store.ErrNoUpload) {
		return nil
	}
	return failure("abort upload of", up.Key, err)
}

// discard makes an upload vanish in one step, and then removes its parts.
func (s *Store) discard(id string) error {
	aside := s.hidden("tmp", unique())
	if err := os.Rename(s.hidden("uploads", id), aside); err != nil {
		if absent(err) {
			return s.noUpload()
		}
		return err
	}
	return errors.Join(os.RemoveAll(aside), syncDir(s.hidden("uploads")))
}
