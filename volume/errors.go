package volume

import (
	"errors"

	"mcfs/volume/commit"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
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
	ErrPermission   = file.ErrPermission
	ErrReadOnly     = errors.New("handle not open for it")
	ErrBusy         = file.ErrBusy
	ErrNotSupported = errors.New("not supported")
	ErrNoAttr       = errors.New("no such attribute")
	ErrNoData       = errors.New("no data or hole there")
	ErrInterrupted  = file.ErrInterrupted
	ErrShutdown     = file.ErrShutdown
	// ErrIO is what is left: the store or the keeper is down, or data is corrupt.
	ErrIO = file.ErrIO
)

var (
	errLost    = errors.New("the draft is lost")
	errGivenUp = errors.New("given up")
)

// transient reports whether another try may give another answer.
func transient(err error) bool { return remote.IsTransient(err) || errors.Is(err, commit.ErrStopping) }
