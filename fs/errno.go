package fs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"mcfs/volume"
)

// errnos gives every error of the volume its errno. The first row that matches
// along the chain of wrapped errors wins; whatever matches none is EIO.
var errnos = []struct {
	err   error
	errno syscall.Errno
}{
	{volume.ErrNotExist, syscall.ENOENT},
	{volume.ErrExist, syscall.EEXIST},
	{volume.ErrNotDir, syscall.ENOTDIR},
	{volume.ErrIsDir, syscall.EISDIR},
	{volume.ErrNotEmpty, syscall.ENOTEMPTY},
	{volume.ErrName, syscall.EILSEQ},
	{volume.ErrNameTooLong, syscall.ENAMETOOLONG},
	{volume.ErrInvalid, syscall.EINVAL},
	{volume.ErrStale, syscall.ESTALE},
	{volume.ErrFull, syscall.ENOSPC},
	{volume.ErrTooBig, syscall.EFBIG},
	{volume.ErrPermission, syscall.EPERM},
	{volume.ErrReadOnly, syscall.EBADF},
	{volume.ErrBusy, syscall.EBUSY},
	{volume.ErrNotSupported, syscall.ENOTSUP},
	{volume.ErrNoAttr, noAttr},
	{volume.ErrNoData, syscall.ENXIO},
	{volume.ErrInterrupted, syscall.EINTR},
	{volume.ErrShutdown, syscall.EIO},
	{volume.ErrIncomplete, syscall.EIO}, // of the quarantine, which no call of a mount takes anything from
	{volume.ErrIO, syscall.EIO},         // the volume has logged it
	{context.Canceled, syscall.EINTR},
}

// toErrno returns the errno of an error. known is false where no row matches, and it is EIO
// for that reason.
func toErrno(err error) (errno syscall.Errno, known bool) {
	if err == nil {
		return 0, true
	}
	for _, row := range errnos {
		if errors.Is(err, row.err) {
			return row.errno, true
		}
	}
	return syscall.EIO, false
}

// toOpenErrno is toErrno for calls that open a file. A volume that is shutting down
// refuses them with ESHUTDOWN.
func toOpenErrno(err error) (syscall.Errno, bool) {
	if errors.Is(err, volume.ErrShutdown) {
		return syscall.ESHUTDOWN, true
	}
	return toErrno(err)
}

const (
	complaintPause = time.Minute
	maxComplaints  = 256
)

// complaints logs errors that have no row, each text once a minute, so that a program
// which reads in a loop does not fill the log.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time
}

func newComplaints(log *slog.Logger) *complaints {
	return &complaints{log: log, last: make(map[string]time.Time)}
}

func (c *complaints) unexpected(op string, err error) {
	if c.due(op+": "+err.Error(), time.Now()) {
		c.log.Warn("unexpected error, answered with EIO", "op", op, "err", err)
	}
}

func (c *complaints) due(text string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.last[text]) < complaintPause {
		return false
	}
	if len(c.last) >= maxComplaints {
		clear(c.last)
	}
	c.last[text] = now
	return true
}
