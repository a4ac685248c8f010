package quarantine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mcfs/config"
	"mcfs/internal/human"
	"mcfs/internal/memory"
	"mcfs/internal/offline"
	"mcfs/internal/verdict"
	"mcfs/spool"
)

// maxLacks is how many missing stretches of an export a person is told of at most.
const maxLacks = 20

// lack is a stretch of a file that cannot be read, and why.
type lack struct {
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	Why    string `json:"why"` // damaged, base or sent
	text   string
}

// lacksOf are the stretches that are missing, those that are damaged first.
func lacksOf(l spool.Lacks) (list []lack) {
	for _, kind := range []struct {
		list      []spool.Range
		why, text string
	}{
		{l.Damaged, "damaged", "damaged"},
		{l.Base, "base", "never in this file: the earlier version's"},
		{l.Sent, "sent", "sent already, and dropped from the full spool"},
	} {
		for _, r := range kind.list {
			list = append(list, lack{r.Offset, r.Length, kind.why, kind.text})
		}
	}
	return list
}

// Export decrypts what can be read of a file into a new one. With dry nothing is written. Its error
// says what is missing.
func (c Command) Export(ctx context.Context, id, dest string, dry bool) error {
	q, err := c.find(id)
	if err != nil {
		return err
	}
	if err := checkDest(c.Config, dest); err != nil {
		return err
	}
	if err := memory.NoDump(); err != nil {
		return fmt.Errorf("keep memory out of core dumps: %w", err)
	}
	unwrap, err := c.unwrapper(ctx)
	if err != nil {
		return err
	}
	s, err := spool.OpenSalvage(q, unwrap)
	if errors.Is(err, spool.ErrCorrupt) {
		return verdict.Ended{Err: fmt.Errorf("export: nothing can be read: %w", err), Status: verdict.StatusDamage}
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer s.Close()
	into, how := salvageInto, "exported"
	if dry {
		into, how = salvageNowhere, "would be exported"
	}
	lacks, err := into(s, dest)
	if err != nil {
		return fmt.Errorf("export to %s: %w", dest, err)
	}
	d := done{ID: q.ID, Path: s.Header.Path, Size: s.Size, Exported: dest, DryRun: dry, Torn: s.Torn, Lacks: lacksOf(lacks)}
	if err := c.tell(d, fmt.Sprintf("%s %s to %s, %s", human.Quoted(s.Header.Path), how, human.Quoted(dest), human.Size(s.Size))); err != nil {
		return err
	}
	if !c.JSON {
		c.tellLacks(d.Lacks)
	}
	return outcome(s.Torn, d.Lacks, dest)
}

// checkDest refuses a place in which no plaintext may be, and a file that exists.
func checkDest(c config.Config, dest string) error {
	if err := offline.CheckPlaintext(c, dest); err != nil {
		return err
	}
	if _, err := os.Lstat(dest); !errors.Is(err, fs.ErrNotExist) {
		return verdict.Errorf(verdict.Exists, "choose another name", "%s exists, and is not replaced", dest)
	}
	return nil
}

// salvageNowhere reads what can be read, and writes nothing.
func salvageNowhere(s *spool.Salvage, _ string) (spool.Lacks, error) {
	return s.Read(func([]byte, int64) error { return nil })
}

// salvageInto writes what can be read into a new file and syncs it. After an error there is
// no file.
func salvageInto(s *spool.Salvage, dest string) (lacks spool.Lacks, err error) {
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

// tellLacks names what is missing to a person, of each kind no more than they would read.
func (c Command) tellLacks(list []lack) {
	told := make(map[string]int)
	for _, l := range list {
		if told[l.text]++; told[l.text] <= maxLacks {
			fmt.Fprintf(c.Err, "bytes %d to %d: %s\n", l.Offset, l.Offset+l.Length-1, l.text)
		}
	}
	for text, n := range told {
		if n > maxLacks {
			fmt.Fprintf(c.Err, "and %d more: %s\n", n-maxLacks, text)
		}
	}
}

// outcome is the error that an exported file is not whole, with its exit status.
func outcome(torn bool, lacks []lack, dest string) error {
	code, status, why := verdict.Damaged, verdict.StatusDamage, "what is damaged is zeros there"
	switch {
	case len(lacks) > 0 && lacks[0].Why == "damaged":
	case torn:
		why = "what was written last is missing, since the map is damaged"
	case len(lacks) > 0:
		code, status, why = verdict.Incomplete, verdict.StatusSome, "what is missing is zeros there"
	default:
		return nil
	}
	return verdict.Ended{Err: verdict.With(fmt.Errorf("%s is not whole: %s", dest, why), code, ""), Status: status}
}
