package legacy

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrCorrupt is returned if nothing of the journal can be trusted.
	ErrCorrupt = errors.New("the older program's journal is corrupt")
	// ErrLocked is returned if a process has the journal.
	ErrLocked = errors.New("an older program has the journal")
)

// Value is one value, by its key within a bucket.
type Value struct {
	Key     string
	Text    []byte // JSON, or what was put as a setting
	Damaged bool   // it does not match its checksum
	// Misplaced is true if it is not even known whether the value belongs to the key.
	Misplaced bool
}

// Journal is what was in it.
type Journal struct {
	Values map[string][]Value // by bucket
	Number uint64             // the highest of a change
	// Doubted is true if some of what was promised may be missing, and it is not known what.
	Doubted bool
}

// lockTimeout is how long Read waits for the older program's lock.
const lockTimeout = 200 * time.Millisecond

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	bucketEntries    = []byte("entries")
	bucketChanges    = []byte("changes")
	bucketUnreadable = []byte("unreadable")
	// summed are the buckets of values with checksums, over which there is also one sum.
	summed = [][]byte{bucketEntries, bucketChanges, []byte("uploads")}
	plain  = [][]byte{[]byte("settings"), bucketUnreadable}
)

// Read reads a journal. The error is fs.ErrNotExist if there is none.
func Read(path string) (*Journal, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	j := &Journal{Values: make(map[string][]Value)}
	if info.Size() == 0 { // its first mount was killed while it made it, or it was emptied
		j.Doubted = true
		return j, nil
	}
	whole, err := metasWhole(path)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	j.Doubted = !whole
	err = guard(func() error {
		db, err := bolt.Open(path, 0, &bolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: lockTimeout, FreelistType: bolt.FreelistMapType})
		if err != nil {
			return openFailure(err)
		}
		defer db.Close()
		return db.View(func(tx *bolt.Tx) error {
			if err := check(tx, path); err != nil {
				return err
			}
			return j.read(tx)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

// openFailure returns an error of bbolt's as ErrCorrupt, unless the system has refused
// something. For some damage ("file size too small") bbolt has no error of its own.
func openFailure(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case errors.As(err, &errno), errors.Is(err, ErrCorrupt):
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// guard turns bbolt's panics, and faults in its mapped memory, into ErrCorrupt.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, r)
		}
	}()
	return f()
}

// check looks at every page.
func check(tx *bolt.Tx, path string) error {
	// A page behind the file's end would be a fault of memory, in a goroutine of bbolt's own.
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if fi.Size() < tx.Size() {
		return fmt.Errorf("%w: %d bytes of %d are there", ErrCorrupt, fi.Size(), tx.Size())
	}
	// bbolt's check runs in a goroutine of its own, where a wild page number would end the
	// program, and believes what a page says of its length, billions of pages included: so
	// these are looked at here first.
	if err := checkLengths(tx, path); err != nil {
		return err
	}
	if err := walk(tx, fi.Size()); err != nil {
		return err
	}
	var first error
	for err := range tx.Check() {
		if first == nil {
			first = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return first
}

// checkLengths returns an error if a page reaches past the last one, or refers to what lies
// outside of it.
func checkLengths(tx *bolt.Tx, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	pageSize := tx.DB().Info().PageSize
	high := int(tx.Size()) / pageSize
	tree := newBranches()
	for id := 2; id < high; {
		p, err := tx.Page(id)
		if err != nil {
			return err
		}
		if p.Type == "free" { // what a free page says of itself is old
			id++
			continue
		}
		if p.OverflowCount < 0 || p.OverflowCount >= high-id {
			return fmt.Errorf("%w: page %d of %d says that %d more belong to it", ErrCorrupt, id, high, p.OverflowCount)
		}
		if err := checkPage(file, id, p.OverflowCount+1, pageSize, tree); err != nil {
			return err
		}
		id += p.OverflowCount + 1
	}
	return tree.check()
}

// walk reads every key and value. Damaged pages can form a circle, so it gives up when it
// has read more than the file has.
func walk(tx *bolt.Tx, fileSize int64) error {
	var read int64
	return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			sum := crc32.Update(crc32.Checksum(k, castagnoli), castagnoli, v) // touches every byte
			if read += int64(len(k)+len(v)) + 16; read > fileSize {
				return fmt.Errorf("%w: pages form a circle (%08x)", ErrCorrupt, sum)
			}
			return nil
		})
	})
}

// read reads the values. A sum over them, which the older program kept as the sequence
// number of the bucket of entries, tells whether one has vanished: some damage of a page's
// head does that. Values that are there and do not match their checksums do not count.
func (j *Journal) read(tx *bolt.Tx) error {
	var sum uint64
	bad := 0
	for _, name := range summed {
		b := tx.Bucket(name)
		if b == nil {
			j.Doubted = true
			continue
		}
		_ = b.ForEach(func(k, v []byte) error { // fails only where its function does
			sum += digest(name, k, v)
			x := unpack(k, v)
			if x.Damaged {
				bad++
			}
			j.Values[string(name)] = append(j.Values[string(name)], x)
			return nil
		})
	}
	for _, name := range plain {
		b := tx.Bucket(name)
		if b == nil {
			j.Doubted = true
			continue
		}
		_ = b.ForEach(func(k, v []byte) error {
			x := Value{Key: string(k), Text: append([]byte{}, v...)}
			if string(name) == string(bucketUnreadable) { // set aside already
				x = unpack(k, v)
				x.Damaged = false
			}
			j.Values[string(name)] = append(j.Values[string(name)], x)
			return nil
		})
	}
	if b := tx.Bucket(bucketEntries); b != nil && b.Sequence() != sum && bad == 0 {
		j.Doubted = true
	}
	if b := tx.Bucket(bucketChanges); b != nil {
		j.Number = b.Sequence()
	}
	return nil
}

// digest returns what one value adds to the sum.
func digest(bucket, key, value []byte) uint64 {
	name := crc32.Update(crc32.Checksum(bucket, castagnoli), castagnoli, key)
	return uint64(name)<<32 | uint64(crc32.Checksum(value, castagnoli))
}

// A value is a byte for its format, a CRC-32C of key and JSON, and the JSON. bbolt has no
// checksum over its values, and one flipped bit could make another path or size of it.
const (
	valueFormat = 1
	valueHead   = 1 + 4
)

func valueSum(key, text []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, text)
}

// unpack returns a copy of a value.
func unpack(key, v []byte) Value {
	if len(v) < valueHead || v[0] != valueFormat {
		return Value{Key: string(key), Text: append([]byte{}, v...), Damaged: true, Misplaced: true}
	}
	text := append([]byte{}, v[valueHead:]...)
	whole := binary.BigEndian.Uint32(v[1:]) == valueSum(key, text) && json.Valid(text)
	return Value{Key: string(key), Text: text, Damaged: !whole}
}

// Where bbolt keeps its meta: behind a page's head of 16 bytes 56 bytes, the third number of
// four bytes the size of a page, and FNV-1a of them in eight. bbolt goes back by one
// transaction if the first of its two does not match, and says nothing.
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
