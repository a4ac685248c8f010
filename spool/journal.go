package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Journal is the durable memory of a volume: entries (one per sealed file that
// matters after a restart) and the queue of name changes. JSON values in bbolt.
//
// One goroutine, for which close waits, makes all transactions. Calls that come while the
// disk syncs one share the next, so that under load each costs a fraction of a sync.
type Journal struct {
	db  *bolt.DB
	log *slog.Logger
	// doubted is true if some of what was promised may be missing, and it is not known what.
	doubted bool

	mu     sync.Mutex
	queue  []*job
	closed bool
	busy   bool          // a batch is being committed
	number uint64        // the last that was drawn for a change
	wake   chan struct{} // one waiting token: there may be work
	quit   chan struct{}
	done   sync.WaitGroup
}

// job is one Update, or one Later (then result is nil).
type job struct {
	f      func(*Tx) error
	result chan error
	due    time.Time // for Later: when it must run
}

const (
	laterDelay = 50 * time.Millisecond
	laterMax   = 1024 // queued jobs that do not wait any longer
)

var errJournalClosed = errors.New("the journal is closed")

// openJournal opens the database, or makes it. The error is ErrCorrupt if it is not whole.
func openJournal(path string, log *slog.Logger) (*Journal, error) {
	if err := checkMode(path, false); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	whole, err := metasWhole(path)
	if errors.Is(err, os.ErrNotExist) {
		whole, err = true, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	db, err := openDB(path)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	j := &Journal{db: db, log: log, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	err = guard(func() (err error) {
		if j.doubted, err = checkSum(db); err != nil {
			return err
		}
		return db.View(func(tx *bolt.Tx) error {
			j.number = tx.Bucket(bucketChanges).Sequence()
			return nil
		})
	})
	j.doubted = j.doubted || !whole
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", path, err), db.Close())
	}
	j.done.Go(j.run)
	return j, nil
}

// openDB opens the database and reads every page once. bbolt trusts its pages, and would
// find damage only in the middle of a commit.
func openDB(path string) (db *bolt.DB, err error) {
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
		return err
	})
	if err != nil {
		return nil, openFailure(err)
	}
	err = checkDB(db, path)
	if err == nil {
		err = guard(func() error { return db.Update(makeBuckets) })
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// openFailure returns an error of bbolt's as ErrCorrupt, unless the system has refused
// something. For some damage ("file size too small") bbolt has no error of its own.
func openFailure(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) || errors.Is(err, bolterrors.ErrTimeout) || errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

func checkDB(db *bolt.DB, path string) error {
	return guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			// A page behind the file's end would be a fault of memory, in a goroutine of bbolt's own.
			fi, err := os.Stat(path)
			if err != nil {
				return err
			}
			fileSize := fi.Size()
			if fileSize < tx.Size() {
				return fmt.Errorf("%w: %d bytes of %d are there", ErrCorrupt, fileSize, tx.Size())
			}
			// bbolt's check runs in a goroutine of its own, where a wild page number
			// would end the program, and believes what a page says of its length,
			// billions of pages included: so these are looked at here first.
			if err := checkLengths(tx); err != nil {
				return err
			}
			if err := walk(tx, fileSize); err != nil {
				return err
			}
			var first error
			for err := range tx.Check() {
				if first == nil {
					first = fmt.Errorf("%w: %w", ErrCorrupt, err)
				}
			}
			return first
		})
	})
}

// checkLengths returns an error if a page reaches past the last one, or refers to what lies
// outside of it.
func checkLengths(tx *bolt.Tx) error {
	file, err := os.Open(tx.DB().Path())
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

func makeBuckets(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketEntries, bucketChanges, bucketUploads, bucketSettings, bucketUnreadable} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
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

// Update runs f in a transaction that is durable when it returns; concurrent
// calls share one (so f may run more than once: it must be repeatable).
// An error of f undoes what it did, and nothing else. f must not call the Journal.
func (j *Journal) Update(f func(*Tx) error) error {
	b := &job{f: f, result: make(chan error, 1)}
	if !j.add(b) {
		return errJournalClosed
	}
	return <-b.result
}

// Later runs f in a transaction within 100 ms, in order, and before any Update that comes
// after it. It is for what a crash may lose; Close runs what is pending. Its error is logged.
func (j *Journal) Later(f func(*Tx) error) {
	if !j.add(&job{f: f, due: time.Now().Add(laterDelay)}) {
		j.log.Error("journal: a late change came after close")
	}
}

func (j *Journal) add(b *job) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return false
	}
	j.queue = append(j.queue, b)
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return true
}

// Number returns a new number for a change that PutChange adds later.
func (j *Journal) Number() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.number++
	return j.number
}

// Flush makes all durable that was queued before.
func (j *Journal) Flush() error {
	j.mu.Lock()
	idle := len(j.queue) == 0 && !j.busy && !j.closed
	j.mu.Unlock()
	if idle {
		return nil
	}
	return j.Update(func(*Tx) error { return nil })
}

func (j *Journal) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		batch, wait := j.next()
		if len(batch) > 0 {
			j.commit(batch)
			continue
		}
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-j.wake:
		case <-timer.C:
		case <-j.quit:
			return // next found the queue empty after closed was set, or finds it so below
		}
	}
}

// next returns the jobs to run now, which are all of the queue, or how long the first may
// still wait.
func (j *Journal) next() (batch []*job, wait time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.busy = false
	if len(j.queue) == 0 {
		return nil, 0
	}
	urgent := j.closed || len(j.queue) >= laterMax
	for _, b := range j.queue {
		urgent = urgent || b.result != nil
	}
	wait = time.Until(j.queue[0].due)
	if !urgent && wait > 0 {
		return nil, wait
	}
	batch, j.queue, j.busy = j.queue, nil, true
	return batch, 0
}

// commit runs jobs in one transaction. One that fails gets its error, and the others run
// again without it.
func (j *Journal) commit(batch []*job) {
	for len(batch) > 0 {
		failed := -1
		var ferr error
		err := guard(func() error {
			return j.db.Update(func(tx *bolt.Tx) error {
				for k, b := range batch {
					if ferr = b.f(&Tx{tx, j}); ferr != nil {
						failed = k
						return ferr
					}
				}
				return nil
			})
		})
		if failed < 0 {
			for _, b := range batch {
				j.tell(b, err)
			}
			return
		}
		j.tell(batch[failed], ferr)
		batch = append(batch[:failed:failed], batch[failed+1:]...)
	}
}

func (j *Journal) tell(b *job, err error) {
	if b.result != nil {
		b.result <- err
	} else if err != nil {
		j.log.Error("journal: a late change failed", "err", err)
	}
}

// close runs what is queued and closes the database.
func (j *Journal) close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	close(j.quit)
	j.done.Wait()
	if batch, _ := j.next(); len(batch) > 0 {
		j.commit(batch)
	}
	return j.db.Close()
}
