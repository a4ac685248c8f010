package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// Disk are the calls of the operating system that change the journal's files. Write writes
// all of b, Sync waits for the disk itself, as SyncDir does for names.
type Disk interface {
	Open(path string, flag int) (*os.File, error)
	Write(f *os.File, b []byte, off int64) error
	Sync(f *os.File) error
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error
}

const (
	spareRoom   = 64 << 10 // the least that a log is written ahead
	mostRoom    = 1 << 20
	emergency   = 32 << 10 // what of that is kept for a full disk
	writeAtOnce = 1 << 20
)

// logFile is a log that is written to.
type logFile struct {
	disk Disk
	file *os.File
	path string
	header
	seq     uint64 // number of the next record
	end     int64  // where it goes
	written []byte // of a new log, not yet passed to the disk
	// doubtful is true if it is not known what the disk has: nothing may be written any more.
	doubtful bool
}

// createLog begins a log, which counts when seal has returned.
func createLog(disk Disk, path string) (*logFile, error) {
	f, err := disk.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	var salt [8]byte
	rand.Read(salt[:]) // never fails: crypto/rand ends the program instead
	return &logFile{disk: disk, file: f, path: path, header: header{salt: binary.BigEndian.Uint64(salt[:])}, end: firstFrame}, nil
}

// openLog opens a log that was loaded. What a power cut has torn is overwritten by zeros.
func openLog(disk Disk, path string, l *loaded, length int64) (*logFile, error) {
	f, err := disk.Open(path, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	log := &logFile{disk: disk, file: f, path: path, header: l.header, seq: l.seq, end: l.end}
	if l.torn {
		err = log.zero(log.end, length)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return log, nil
}

func (l *logFile) zero(lo, hi int64) error {
	if err := l.disk.Write(l.file, make([]byte, hi-lo), lo); err != nil {
		return fmt.Errorf("write log ahead: %w", err)
	}
	if err := l.disk.Sync(l.file); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	return nil
}

// add appends transactions to a new log, in which nothing is promised before seal.
func (l *logFile) add(txs [][]op) error {
	for _, tx := range txs {
		e := encoder{b: l.written, at: l.end, sum: l.sum(), seq: l.seq}
		e.add(tx)
		l.written, l.seq = e.b, e.seq
		if len(l.written) >= writeAtOnce {
			if err := l.pass(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *logFile) pass() error {
	if err := l.disk.Write(l.file, l.written, l.end); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	l.end += int64(len(l.written))
	l.written = l.written[:0]
	return nil
}

// flush brings what was added to the disk.
func (l *logFile) flush() error {
	if err := l.pass(); err != nil {
		return err
	}
	if err := l.disk.Sync(l.file); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	return nil
}

// seal makes a new log whole, on the disk.
func (l *logFile) seal(number uint64) error {
	if err := l.pass(); err != nil {
		return err
	}
	l.written = nil
	l.header.durable, l.header.number, l.header.size = l.seq, number, roomAfter(l.end)
	if err := l.disk.Write(l.file, make([]byte, l.size-l.end), l.end); err != nil {
		return fmt.Errorf("write log ahead: %w", err)
	}
	if err := l.disk.Write(l.file, l.marshal(), 0); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	if err := l.disk.Sync(l.file); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	return nil
}

// roomAfter returns how long a log should be whose records end there.
func roomAfter(end int64) int64 {
	return (end + min(max(end/4, spareRoom), mostRoom) + 4095) &^ 4095
}

// append writes transactions and waits for the disk. After an error they have not happened,
// or the log is doubtful.
func (l *logFile) append(txs [][]op) error {
	var space int64
	for _, tx := range txs {
		for _, o := range tx {
			space += o.space()
		}
	}
	if err := l.reserve(space); err != nil {
		return err
	}
	e := encoder{at: l.end, sum: l.sum(), seq: l.seq, durable: l.seq, size: l.size}
	for _, tx := range txs {
		e.add(tx)
	}
	l.doubtful = true
	if err := l.disk.Write(l.file, e.b, l.end); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	if err := l.disk.Sync(l.file); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	l.doubtful = false
	l.end += int64(len(e.b))
	l.seq = e.seq
	return nil
}

// reserve writes the log ahead if less than so much and the emergency room is left. If the
// disk is full, the emergency room is used.
func (l *logFile) reserve(space int64) error {
	if l.end+space+emergency <= l.size {
		return nil
	}
	size := roomAfter(l.end + space + emergency)
	err := l.zero(l.size, size)
	if err == nil {
		l.size = size
	}
	if l.end+space <= l.size {
		return nil
	}
	return err
}

// discard closes and removes a log that does not count.
func (l *logFile) discard() {
	l.file.Close()
	_ = l.disk.Remove(l.path) // if that fails, the next log that is begun truncates it
}
