package quarantine

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"mcfs/internal/verdict"
	"mcfs/spool"
)

// TestExportStatus: a script learns by the exit status what an export lacks, and a person
// which bytes.
func TestExportStatus(t *testing.T) {
	part := []spool.Range{{Offset: 32768, Length: 32768}}
	for _, c := range []struct {
		name  string
		torn  bool
		lacks spool.Lacks
		code  verdict.Code
		said  string
	}{
		{name: "whole"},
		{name: "of the earlier version", lacks: spool.Lacks{Base: part}, code: verdict.Incomplete, said: "bytes 32768 to 65535: never in this file"},
		{name: "dropped", lacks: spool.Lacks{Sent: part}, code: verdict.Incomplete, said: "bytes 32768 to 65535: sent already"},
		{name: "damaged", lacks: spool.Lacks{Damaged: part, Base: part}, code: verdict.Damaged, said: "bytes 32768 to 65535: damaged"},
		{name: "a damaged map", torn: true, code: verdict.Damaged},
		{name: "many", lacks: spool.Lacks{Damaged: make([]spool.Range, maxLacks+5)}, code: verdict.Damaged, said: "and 5 more: damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var said bytes.Buffer
			lacks := lacksOf(c.lacks)
			Command{Err: &said}.tellLacks(lacks)
			err := outcome(c.torn, lacks, "dest")
			if (err == nil) != (c.code == "") || err != nil && verdict.CodeOf(err) != c.code {
				t.Errorf("%v, not %s", err, c.code)
			}
			status := map[verdict.Code]int{verdict.Incomplete: verdict.StatusSome, verdict.Damaged: verdict.StatusDamage}[c.code]
			if e, ok := errors.AsType[verdict.Ended](err); ok != (status != 0) || e.Status != status {
				t.Errorf("status %d, not %d", e.Status, status)
			}
			if !strings.Contains(said.String(), c.said) || strings.Count(said.String(), "\n") > maxLacks+1 {
				t.Errorf("said %q", said.String())
			}
		})
	}
}

// TestLine: a person reads what it is, whatever its name, and what is not known.
func TestLine(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.Local)
	for _, c := range []struct {
		q    spool.Quarantined
		want string
	}{
		{spool.Quarantined{ID: "1-a", Path: "d/f\x1b[2J", Size: 2048, Bytes: 9999, At: now, Why: "tampered"}, `1-a  "d/f\x1b[2J"  2.0 KiB, since 12:00:00: tampered`},
		{spool.Quarantined{ID: "1-b", Bytes: 2048, Why: "there is no note of why"}, "1-b  (path unknown)  2.0 KiB on the disk, since an unknown time: there is no note of why"},
	} {
		if got := line(c.q, now); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
