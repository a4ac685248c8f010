package metacache

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	bucketEntries  = []byte("entries")
	bucketIdentity = []byte("identity")
)

// asideSuffix is what the name of a file that could not be read ends in.
const asideSuffix = ".unreadable"

// guard turns bbolt's panics, and faults in its mapped memory, into errors.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file is damaged: %v", r)
		}
	}()
	return f()
}

// openFile opens the database, at the second try a new one; nil if that fails too.
func (c *Cache) openFile(identity string) *bolt.DB {
	db, err := openDB(c.path, identity)
	if err == nil {
		return db
	}
	c.log.Warn("the metadata cache cannot be read: it is set aside and begun anew", "path", c.path, "cause", err)
	if err = os.Rename(c.path, c.path+asideSuffix); err == nil {
		db, err = openDB(c.path, identity)
	}
	if err != nil {
		c.log.Warn("going without a metadata cache", "path", c.path, "cause", err)
		return nil
	}
	return db
}

func openDB(path, identity string) (db *bolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
		return err
	})
	if err != nil {
		return nil, err
	}
	err = guard(func() error { return db.Update(func(tx *bolt.Tx) error { return begin(tx, path, identity) }) })
	if err != nil {
		_ = guard(db.Close)
		return nil, err
	}
	return db, nil
}

// begin makes the buckets, and empties that of entries if they are somebody else's.
func begin(tx *bolt.Tx, path, identity string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if fi.Size() < tx.Size() { // a page behind the end would be a fault of memory
		return fmt.Errorf("%d bytes of %d are there", fi.Size(), tx.Size())
	}
	who, err := tx.CreateBucketIfNotExists(bucketIdentity)
	if err != nil {
		return err
	}
	if known := who.Get(bucketIdentity); known != nil && string(known) != identity {
		if err := tx.DeleteBucket(bucketEntries); err != nil {
			return err
		}
	}
	if err := who.Put(bucketIdentity, []byte(identity)); err != nil {
		return err
	}
	_, err = tx.CreateBucketIfNotExists(bucketEntries)
	return err
}

// giveUp ends the use of a file that failed; the next Open deals with it.
func (c *Cache) giveUp(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == nil {
		return
	}
	c.db, c.failed = nil, c.db
	c.pending, c.writing, c.fallen, c.falling = make(map[string][]byte), nil, nil, nil
	c.log.Warn("the metadata cache failed; nothing more is remembered in this mount", "path", c.path, "cause", cause)
}

// run writes what is gathered, until Close.
func (c *Cache) run() {
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for {
		select {
		case <-c.wake:
		case <-c.quit:
			c.gathered()
			return
		}
		timer.Reset(gather)
		select {
		case <-timer.C:
		case <-c.full:
		case <-c.quit:
		}
		c.gathered()
	}
}

// gathered is write for the goroutine that gathers.
func (c *Cache) gathered() {
	c.writer.Lock()
	defer c.writer.Unlock()
	c.write()
}

// write puts what is pending into one transaction; c.writer is held.
func (c *Cache) write() {
	c.mu.Lock()
	db, batch, fallen := c.db, c.pending, c.fallen
	c.pending, c.writing, c.fallen, c.falling = make(map[string][]byte), batch, nil, fallen
	c.mu.Unlock()
	if db == nil || len(batch)+len(fallen) == 0 {
		return
	}
	var used int64
	err := guard(func() error {
		err := db.Update(func(tx *bolt.Tx) error { return apply(tx.Bucket(bucketEntries), batch, fallen) })
		used = usedBytes(db)
		return err
	})
	if err == nil && used > c.max {
		err = guard(func() error { return db.Update(thin) })
	}
	c.mu.Lock()
	c.writing, c.falling = nil, nil
	c.mu.Unlock()
	if err != nil {
		c.giveUp(err)
	}
}

// apply makes a batch's changes, in the order of the keys: that keeps them on few pages.
func apply(b *bolt.Bucket, batch map[string][]byte, fallen []string) error {
	for _, prefix := range fallen {
		if err := deletePrefix(b, []byte(prefix)); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(batch)) {
		var err error
		if value := batch[key]; value == nil {
			err = b.Delete([]byte(key))
		} else {
			err = b.Put([]byte(key), value)
		}
		if err != nil && !errors.Is(err, bolterrors.ErrKeyTooLarge) {
			return err
		}
	}
	return nil
}

func deletePrefix(b *bolt.Bucket, prefix []byte) error {
	cur := b.Cursor()
	for k, _ := cur.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = cur.Seek(prefix) {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func usedBytes(db *bolt.DB) int64 {
	var size int64
	_ = db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	stats := db.Stats()
	return size - int64(stats.FreePageN+stats.PendingPageN)*int64(db.Info().PageSize)
}

// thinning is the part of the entries, one of so many, that goes when there are too many.
const thinning = 4

// thin drops a run of entries that begins anywhere: nobody knows which will be
// asked for again, and only neighbours leave whole pages free.
func thin(tx *bolt.Tx) error {
	b := tx.Bucket(bucketEntries)
	all := 0
	if err := b.ForEach(func(_, _ []byte) error { all++; return nil }); err != nil || all == 0 {
		return err
	}
	at, first := 0, rand.IntN(all)
	var drop [][]byte
	err := b.ForEach(func(k, _ []byte) error {
		if (at-first+all)%all < all/thinning {
			drop = append(drop, bytes.Clone(k))
		}
		at++
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range drop {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
