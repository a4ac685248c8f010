package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Left is what is in the folder of a spool that no mount has open.
type Left struct {
	Entries []Entry
	Changes []Change
	Used    int64 // bytes on disk of sealed files
}

// peekTimeout is how long Peek waits for the journal's lock. A mount that begins meanwhile
// waits longer for Peek.
const peekTimeout = 200 * time.Millisecond

// Peek reads a spool's journal and changes nothing. The error is ErrLocked if a mount has
// it, fs.ErrNotExist if there is none. Values that do not parse are left out.
func Peek(dir string) (l Left, err error) {
	path := filepath.Join(dir, journalName)
	info, err := os.Stat(path)
	if err != nil {
		return l, err
	}
	if info.Size() == 0 {
		return l, nil // its first mount was killed while it made it
	}
	err = guard(func() error {
		db, err := bolt.Open(path, 0, &bolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: peekTimeout})
		if err != nil {
			return openFailure(err)
		}
		defer db.Close()
		return db.View(func(tx *bolt.Tx) error { return l.read(tx, info.Size()) })
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = ErrLocked
	}
	if err != nil {
		return Left{}, fmt.Errorf("read journal %s: %w", path, err)
	}
	l.Used = sealedBytes(dir)
	return l, nil
}

func (l *Left) read(tx *bolt.Tx, fileSize int64) error {
	if err := errors.Join(checkLengths(tx), walk(tx, fileSize)); err != nil {
		return err
	}
	l.Entries = peekAll(tx, bucketEntries, decodeEntry)
	l.Changes = peekAll(tx, bucketChanges, decodeChange)
	return nil
}

func peekAll[T any](tx *bolt.Tx, bucket []byte, decode func(k, v []byte) (T, error)) (list []T) {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil
	}
	_ = b.ForEach(func(k, v []byte) error { // fails only where its function does
		if x, err := decode(k, v); err == nil {
			list = append(list, x)
		}
		return nil
	})
	return list
}

func sealedBytes(dir string) (sum int64) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if _, err := ParseID(strings.TrimSuffix(e.Name(), mapSuffix)); err == nil {
			sum += diskBytes(filepath.Join(dir, e.Name()))
		}
	}
	return sum
}
