package offline

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"mcfs/internal/human"
	"mcfs/internal/verdict"
)

// Report is a table of what was found, as CSV.
type Report struct {
	f *os.File
	w *csv.Writer
}

// NewReport makes one in a new file, in whose place nothing may be.
func NewReport(path string) (*Report, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, verdict.Errorf(verdict.Exists, "choose another name", "report: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r := &Report{f, csv.NewWriter(f)}
	if err := r.w.Write([]string{"address", "state", "size", "why", "path"}); err != nil {
		return nil, errors.Join(fmt.Errorf("report: %w", err), f.Close())
	}
	return r, nil
}

// Add adds a file.
func (r *Report) Add(i Item) error {
	why, size := i.Why, ""
	if i.Err != nil {
		why = human.OneLine(i.Err)
	}
	if i.State == Sound || i.State == Unchecked {
		size = strconv.FormatInt(i.Size, 10)
	}
	if err := r.w.Write([]string{i.Address, string(i.State), size, why, i.Path}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Close has all of it on the disk.
func (r *Report) Close() error {
	r.w.Flush()
	if err := errors.Join(r.w.Error(), r.f.Sync(), r.f.Close()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
