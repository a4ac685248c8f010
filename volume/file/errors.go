package file

import (
	"errors"
	"fmt"

	"mcfs/crypt"
	"mcfs/spool"
	"mcfs/volume/fetch"
)

// One typed error per decision of a caller.
var (
	ErrStale       = errors.New("version is gone")
	ErrFull        = errors.New("spool is full")
	ErrTooBig      = errors.New("file too large")
	ErrBusy        = errors.New("busy")
	ErrInterrupted = errors.New("interrupted")
	ErrPermission  = errors.New("not permitted")
	ErrShutdown    = errors.New("volume is shutting down")
	// ErrLocked: it cannot be opened with this volume's keeper, and waits for the right one.
	ErrLocked = errors.New("locked")
	// ErrIO is what is left: the store or the keeper is down, or data is corrupt.
	ErrIO = errors.New("input/output error")
)

// FromSpool gives the spool's errors the words of this package.
func FromSpool(err error) error {
	if errors.Is(err, spool.ErrFull) || IsSent(err) {
		return errors.Join(ErrFull, err)
	}
	return err
}

// FromFetch does the same for the read pipeline.
func FromFetch(err error) error {
	if errors.Is(err, fetch.ErrStale) {
		return errors.Join(ErrStale, err)
	}
	return err
}

// absentRange unpacks the spool's word for bytes that must be fetched, widened to whole blocks.
func absentRange(err error) (*spool.AbsentError, bool) {
	var a *spool.AbsentError
	if !errors.As(err, &a) {
		return nil, false
	}
	start := a.Offset - a.Offset%crypt.BlockSize
	end := a.Offset + a.Length
	return &spool.AbsentError{Offset: start, Length: end - start}, true
}

func isFull(err error) bool { return errors.Is(err, spool.ErrFull) }

// AsIO marks an error that becomes EIO.
func AsIO(err error) error { return fmt.Errorf("%w: %w", ErrIO, err) }
