package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Journal is an open journal. One goroutine, for which Close waits, writes all transactions.
// Calls that come while the disk syncs one share the next, so that under load each costs a
// fraction of a sync.
type Journal struct {
	dir   string
	disk  Disk
	slog  *slog.Logger
	lock  *lock
	state *state

	log     *logFile    // only the goroutine uses these three
	next    *checkpoint // under way; nil: none
	retryAt int64       // how long the log has to be before a checkpoint that failed is tried again

	mu     sync.Mutex
	queue  []*job
	closed bool
	busy   bool          // a batch is being written
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

var errClosed = errors.New("the journal is closed")

// Update runs f in a transaction that is durable when it returns; concurrent calls share
// its sync. An error of f undoes what it did, and nothing else. f must not call the Journal.
func (j *Journal) Update(f func(*Tx) error) error {
	b := &job{f: f, result: make(chan error, 1)}
	if !j.add(b) {
		return errClosed
	}
	return <-b.result
}

// Later runs f in a transaction within 100 ms, in order, and before any Update that comes
// after it. It is for what a crash may lose; Close runs what is pending. Its error is logged.
func (j *Journal) Later(f func(*Tx) error) {
	if !j.add(&job{f: f, due: time.Now().Add(laterDelay)}) {
		j.slog.Error("journal: a late change came after close")
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

func (j *Journal) drawn(seq uint64) bool { return seq > 0 && seq <= j.drawnSoFar() }

func (j *Journal) drawnSoFar() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
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
		select { // also under load, when there is always a batch
		case err := <-j.written():
			j.goOn(err)
		default:
		}
		batch, wait := j.take()
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
		case err := <-j.written():
			j.goOn(err)
		case <-j.quit:
			return // take found the queue empty after closed was set, or finds it so below
		}
	}
}

// written receives when a part of a checkpoint is on the disk; nil, for ever, without one.
func (j *Journal) written() chan error {
	if j.next == nil {
		return nil
	}
	return j.next.written
}

// take returns the jobs to run now, which are all of the queue, or how long the first may
// still wait.
func (j *Journal) take() (batch []*job, wait time.Duration) {
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

// commit runs jobs and writes what they put, with one sync. One that fails gets its error,
// and has put nothing.
func (j *Journal) commit(batch []*job) {
	var txs [][]op
	failed := make(map[*job]error)
	for _, b := range batch {
		t := &Tx{j: j}
		if err := b.f(t); err != nil {
			failed[b] = err
		} else if len(t.ops) > 0 {
			txs = append(txs, t.ops)
		}
	}
	err := j.write(txs)
	for _, b := range batch {
		if own := failed[b]; own != nil {
			j.tell(b, own)
		} else {
			j.tell(b, err)
		}
	}
}

func (j *Journal) tell(b *job, err error) {
	if b.result != nil {
		b.result <- err
	} else if err != nil {
		j.slog.Error("journal: a late change failed", "err", err)
	}
}

// write makes transactions durable, and then true for who reads.
func (j *Journal) write(txs [][]op) error {
	if len(txs) == 0 {
		return nil
	}
	if j.log.doubtful {
		if err := j.replace(); err != nil {
			return err
		}
	}
	if err := j.log.append(txs); err != nil {
		if j.log.doubtful { // a kill must not bring back what has failed
			if again := j.replace(); again != nil {
				j.slog.Error("the journal can neither be written nor written anew: until it can, nothing is promised", "cause", again)
			}
		}
		return err
	}
	for _, tx := range txs {
		for _, o := range tx {
			j.state.apply(o)
		}
	}
	if j.next != nil {
		j.next.tail = append(j.next.tail, txs...)
	} else if j.due() {
		j.begin()
	}
	return nil
}

// Close runs what is queued, and lets go of the journal. A log of which much is superseded
// is written anew, so that what lies on the disk is what counts.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	close(j.quit)
	j.done.Wait()
	if batch, _ := j.take(); len(batch) > 0 {
		j.commit(batch)
	}
	if live := j.state.size(); j.next != nil || j.log.doubtful || j.log.end-firstFrame > live+live/4 {
		if err := j.replace(); err != nil {
			j.slog.Warn("the journal could not be written anew, and stays as it is", "cause", err)
		}
	}
	j.done.Wait()
	err := j.log.file.Close()
	if err != nil {
		err = fmt.Errorf("close journal: %w", err)
	}
	return errors.Join(err, j.lock.release())
}
