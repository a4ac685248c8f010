package volume

import (
	"errors"

	"mcfs/spool"
	"mcfs/volume/fetch"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

// One typed error per decision of a caller; fs has the errno of each in one
// table. Whatever is none of these is EIO, with a log line already written.
var (
	ErrNotExist     = errors.New("no such file")
	ErrExist        = errors.New("file exists")
	ErrNotDir       = errors.New("not a directory")
	ErrIsDir        = errors.New("is a directory")
	ErrNotEmpty     = errors.New("directory not empty")
	ErrName         = naming.ErrName
	ErrNameTooLong  = naming.ErrTooLong
	ErrInvalid      = errors.New("invalid argument")
	ErrStale        = file.ErrStale
	ErrFull         = file.ErrFull
	ErrTooBig       = file.ErrTooBig
	ErrPermission   = errors.New("not permitted")
	ErrReadOnly     = errors.New("handle not open for it")
	ErrBusy         = file.ErrBusy
	ErrNotSupported = errors.New("not supported")
	ErrNoAttr       = errors.New("no such attribute")
	ErrNoData       = errors.New("no data or hole there")
	ErrInterrupted  = file.ErrInterrupted
	ErrShutdown     = errors.New("volume is shutting down")
	// ErrIO is what is left: the store or the keeper is down, or data is corrupt.
	ErrIO = file.ErrIO
)

// causes why a running commit attempt is cancelled.
var (
	errMoved      = errors.New("the file was renamed")
	errGone       = errors.New("the file was removed")
	errUnwanted   = errors.New("the file is about to be removed")
	errKilled     = errors.New("its writer was killed")
	errNothing    = errors.New("there is nothing to commit any more")
	errStopping   = errors.New("the volume is stopping")
	errLost       = errors.New("the draft is lost")
	errGivenUp    = errors.New("given up")
	errUnfinished = errors.New("its writer was killed, or a write to it failed")
	// errPartial is why a draft is lost of which an upload alone had some bytes.
	errPartial = errors.New("parts of it were in an unfinished upload alone, since the spool is too small for it, and mcfs ended before that was complete")
)

// transient reports whether another try may give another answer.
func transient(err error) bool { return remote.IsTransient(err) || errors.Is(err, errStopping) }

// permanent reports whether trying the same again cannot help. Want of a key is not: another
// mount may have the keeper.
func permanent(err error) bool {
	return errors.Is(err, fetch.ErrTampered) || errors.Is(err, spool.ErrCorrupt) || errors.Is(err, upload.ErrShort) || file.IsSent(err)
}
