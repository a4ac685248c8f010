package dir

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"mcfs/store"
)

// meta is what is kept of one generation of an object beside its bytes.
type meta struct {
	Key         string            `json:"key"`
	ETag        string            `json:"etag"`
	ContentType string            `json:"content_type,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

func newMeta(key string, attr store.Attributes) meta {
	return meta{Key: key, ETag: `"` + unique() + `"`, ContentType: attr.ContentType, Metadata: attr.Metadata}
}

// metaPath is where the metadata of the key's generation fi is kept.
func (s *Store) metaPath(key string, fi fs.FileInfo) string {
	hash := sha256.Sum256([]byte(key))
	return s.hidden("meta", fmt.Sprintf("%02x", hash[0]),
		fmt.Sprintf("%x.%d-%d", hash[:], fi.Size(), fi.ModTime().UnixNano()))
}

// errDamaged: a file of metadata is not what was written. The object can be
// replaced and deleted, not read.
var errDamaged = errors.New("metadata is damaged")

// readMeta is fs.ErrNotExist for a generation that this store did not write.
func (s *Store) readMeta(key string, fi fs.FileInfo) (meta, error) {
	path := s.metaPath(key, fi)
	p, err := os.ReadFile(path)
	if err != nil {
		return meta{}, err
	}
	var m meta
	if err := json.Unmarshal(p, &m); err != nil || m.Key != key || m.ETag == "" {
		return meta{}, fmt.Errorf("%w: %s (%v)", errDamaged, path, err)
	}
	return m, nil
}

// writeMeta makes the metadata for the data in tmp durable, and gives the data
// a generation that no other write of the key has. It returns the path, to be
// removed if the write comes to nothing. tmp is made durable, too.
func (s *Store) writeMeta(tmp *os.File, m meta) (path string, fi fs.FileInfo, err error) {
	when, step := time.Now(), time.Nanosecond
	for {
		if err := os.Chtimes(tmp.Name(), when, when); err != nil {
			return "", nil, err
		}
		if fi, err = tmp.Stat(); err != nil {
			return "", nil, err
		}
		path = s.metaPath(m.Key, fi)
		err := s.createMeta(path, m)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", nil, err
		}
		when, step = when.Add(step), step*10 // a coarse clock, or one that was set back
	}
	if err := tmp.Sync(); err != nil {
		_ = os.Remove(path)
		return "", nil, err
	}
	return path, fi, nil
}

// createMeta fails with fs.ErrExist if the generation is taken. A crash may
// leave half a file; no data refers to it then.
func (s *Store) createMeta(path string, m meta) error {
	p, err := json.Marshal(m)
	if err != nil {
		return err
	}
	flags := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	f, err := os.OpenFile(path, flags, fileMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.Mkdir(filepath.Dir(path), dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(s.hidden("meta")); err != nil {
			return err
		}
		f, err = os.OpenFile(path, flags, fileMode)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(p, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		_ = os.Remove(path)
		return err
	}
	return nil
}

// info joins what the file and its metadata say.
func info(key string, fi fs.FileInfo, m meta) store.Info {
	return store.Info{
		Key: key, Size: fi.Size(), ETag: m.ETag, Modified: fi.ModTime(), ContentType: m.ContentType, Metadata: m.Metadata,
	}
}

// foreign is the metadata of a file that this store did not write as it is.
func foreign(key string, fi fs.FileInfo) meta {
	var inode uint64
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		inode = st.Ino
	}
	return meta{Key: key, ETag: fmt.Sprintf(`"file-%x-%x-%x"`, inode, fi.Size(), fi.ModTime().UnixNano())}
}
