package journal

import (
	"fmt"
	"path/filepath"
)

// checkpoint is a log that is being written to take the place of the one in use: first all
// values, by a goroutine of its own, then the transactions that have come meanwhile.
type checkpoint struct {
	file    *logFile
	tail    [][]op     // transactions since the values were listed
	written chan error // one: the values are on the disk
}

const (
	// slack is how much more than twice the values a log may have.
	slack = 1 << 20
	// mostTail is how much of a tail is written while transactions wait.
	mostTail = 1 << 20
)

// due reports whether the log has grown well past the values.
func (j *Journal) due() bool {
	return j.next == nil && j.log.end > 2*j.state.size()+slack && j.log.end >= j.retryAt
}

// begin begins a checkpoint.
func (j *Journal) begin() {
	c := &checkpoint{written: make(chan error, 1)}
	j.next = c
	values := j.state.all()
	j.done.Go(func() { c.written <- c.write(j.disk, filepath.Join(j.dir, newName), values) })
}

func (c *checkpoint) write(disk Disk, path string, values []op) (err error) {
	if c.file, err = createLog(disk, path); err != nil {
		return err
	}
	for k := range values {
		if err := c.file.add([][]op{values[k : k+1]}); err != nil {
			return err
		}
	}
	return c.file.flush()
}

// goOn goes on with the checkpoint when a part of it has been written.
func (j *Journal) goOn(written error) {
	c := j.next
	var size int64
	for _, tx := range c.tail {
		for _, o := range tx {
			size += o.space()
		}
	}
	if written == nil && size > mostTail { // that much is written by a goroutine, too
		tail := c.tail
		c.tail = nil
		j.done.Go(func() {
			err := c.file.add(tail)
			if err == nil {
				err = c.file.flush()
			}
			c.written <- err
		})
		return
	}
	if err := j.finish(written); err != nil {
		j.slog.Warn("the journal could not be written anew, and goes on as it is", "cause", err)
		j.retryAt = j.log.end + slack
	}
}

// finish puts the new log into the place of the old one, which stays in use if that fails.
func (j *Journal) finish(written error) error {
	c := j.next
	j.next = nil
	err := written
	if err == nil {
		err = c.file.add(c.tail)
	}
	if err == nil {
		err = c.file.seal(max(j.drawnSoFar(), j.state.number))
	}
	path := filepath.Join(j.dir, logName)
	if err == nil {
		err = j.disk.Rename(c.file.path, path)
	}
	if err != nil {
		if c.file != nil {
			c.file.discard()
		}
		return fmt.Errorf("replace log: %w", err)
	}
	if j.log != nil {
		j.log.file.Close()
	}
	j.log, j.retryAt = c.file, 0
	j.log.path = path
	j.log.doubtful = true
	if err := j.disk.SyncDir(j.dir); err != nil {
		return fmt.Errorf("sync %s: %w", j.dir, err)
	}
	j.log.doubtful = false
	return nil
}

// replace is a checkpoint for which the caller waits.
func (j *Journal) replace() error {
	if j.next == nil {
		j.begin()
	}
	return j.finish(<-j.next.written)
}
