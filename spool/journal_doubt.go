package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/fnv"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// Some damage bbolt does not report: it goes back by one transaction if the first of its
// two meta pages does not match its checksum, and a flipped bit in a page's head can make
// values vanish. So the journal keeps a sum over all its values, and checks both meta pages
// when it is opened. If something is gone, it is not known what: then sealed files that are
// not in the journal are brought back and not deleted.

var summed = [][]byte{bucketEntries, bucketChanges, bucketUploads}

// digest returns what one value adds to the sum.
func digest(bucket, key, value []byte) uint64 {
	name := crc32.Update(crc32.Checksum(bucket, castagnoli), castagnoli, key)
	return uint64(name)<<32 | uint64(crc32.Checksum(value, castagnoli))
}

// put stores a value in one of the summed buckets; nil deletes it. The sum is kept as the
// sequence number of the bucket of entries, which is written with each transaction anyway.
func (t *Tx) put(bucket, key, value []byte) error {
	b, entries := t.tx.Bucket(bucket), t.tx.Bucket(bucketEntries)
	sum := entries.Sequence()
	if old := b.Get(key); old != nil {
		sum -= digest(bucket, key, old)
	}
	if value != nil {
		sum += digest(bucket, key, value)
	}
	if err := entries.SetSequence(sum); err != nil {
		return err
	}
	if value == nil {
		return b.Delete(key)
	}
	return b.Put(key, value)
}

// checkSum reports whether values are missing, by the sum, and then corrects the sum. Values
// that do not parse do not count as missing: they are set aside when they are read.
func checkSum(db *bolt.DB) (gone bool, err error) {
	sum, bad, right := uint64(0), 0, false
	err = db.View(func(tx *bolt.Tx) error {
		for _, bucket := range summed {
			_ = tx.Bucket(bucket).ForEach(func(k, v []byte) error { // fails only where its function does
				sum += digest(bucket, k, v)
				if decodeValue(k, v, new(any)) != nil {
					bad++
				}
				return nil
			})
		}
		right = tx.Bucket(bucketEntries).Sequence() == sum
		return nil
	})
	if right || err != nil {
		return false, err
	}
	return bad == 0, db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketEntries).SetSequence(sum) })
}

// Where bbolt keeps its meta: behind a page's head of 16 bytes 56 bytes, the
// third number of four bytes the size of a page, and FNV-1a of them in eight.
const (
	pageHead = 16
	metaSize = 56
	metaPage = 8
)

// metasWhole reports whether both meta pages of a database match their checksums.
func metasWhole(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var meta [metaSize + 8]byte
	for _, at := range []int64{0, int64(os.Getpagesize())} {
		if _, err := f.ReadAt(meta[:], at+pageHead); err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, err
		}
		h := fnv.New64a()
		h.Write(meta[:metaSize])
		if h.Sum64() != binary.NativeEndian.Uint64(meta[metaSize:]) ||
			int(binary.NativeEndian.Uint32(meta[metaPage:])) != os.Getpagesize() {
			return false, nil
		}
	}
	return true, nil
}
