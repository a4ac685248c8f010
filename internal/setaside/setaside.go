package setaside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"mcfs/internal/human"
	"mcfs/internal/verdict"
	"mcfs/spool"
)

// maxLacks is how many missing stretches of an export are named at most.
const maxLacks = 20

// Line is what a person reads of a file.
func Line(q spool.Quarantined, now time.Time) string {
	path, size := "(path unknown)", human.Size(q.Bytes)+" on the disk"
	if q.Path != "" {
		path = human.Quoted(q.Path)
	}
	if q.Size > 0 {
		size = human.Size(q.Size)
	}
	return fmt.Sprintf("%s  %s  %s, since %s: %s", q.ID, path, size, human.Clock(q.At, now), human.Quoted(q.Why))
}

// FindPaths fills in the paths of files that an older program has set aside without a note
// of them. They are sealed in the files, so the keeper is asked for their keys; if that
// fails a path stays unknown.
func FindPaths(list []spool.Quarantined, keeper func() (spool.Unwrap, error)) {
	if !slices.ContainsFunc(list, func(q spool.Quarantined) bool { return q.Path == "" }) {
		return
	}
	unwrap, err := keeper()
	if err != nil {
		return
	}
	for i, q := range list {
		if q.Path != "" {
			continue
		}
		if s, err := spool.OpenSalvage(q, unwrap); err == nil {
			list[i].Path, list[i].Size = s.Header.Path, s.Size
			s.Close()
		}
	}
}

// Nowhere reads what can be read, and writes nothing.
func Nowhere(s *spool.Salvage, _ string) (spool.Lacks, error) {
	return s.Read(func([]byte, int64) error { return nil })
}

// Into writes what can be read into a new file and syncs it. After an error there is
// no file.
func Into(s *spool.Salvage, dest string) (lacks spool.Lacks, err error) {
	f, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return lacks, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(dest))
		}
	}()
	lacks, err = s.Read(func(p []byte, off int64) error {
		_, err := f.WriteAt(p, off)
		return err
	})
	return lacks, errors.Join(err, f.Truncate(s.Size), f.Sync())
}

// Tell prints what is missing. Its error has the exit status for it.
func Tell(w io.Writer, s *spool.Salvage, l spool.Lacks, dest string) error {
	for _, kind := range []struct {
		list []spool.Range
		why  string
	}{
		{l.Damaged, "damaged"},
		{l.Base, "never in this file: the earlier version's"},
		{l.Sent, "sent already, and dropped from the full spool"},
	} {
		for i, r := range kind.list {
			if i == maxLacks {
				fmt.Fprintf(w, "and %d more: %s\n", len(kind.list)-maxLacks, kind.why)
				break
			}
			fmt.Fprintf(w, "bytes %d to %d: %s\n", r.Offset, r.Offset+r.Length-1, kind.why)
		}
	}
	switch {
	case len(l.Damaged) > 0:
		return verdict.Ended{Err: verdict.With(fmt.Errorf("%s is not whole: what is damaged is zeros there", dest), verdict.Damaged, ""), Status: verdict.StatusDamage}
	case s.Torn:
		return verdict.Ended{Err: verdict.With(fmt.Errorf("%s is not whole: what was written last is missing, since the map is damaged", dest), verdict.Damaged, ""), Status: verdict.StatusDamage}
	case !l.None():
		return verdict.Ended{Err: verdict.With(fmt.Errorf("%s is not whole: what is missing is zeros there", dest), verdict.Incomplete, ""), Status: verdict.StatusSome}
	}
	return nil
}
