package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// A round saves 40 files: half of them new, half over old ones, one in ten by
// way of a temporary name; it renames 10, reads 20, changes the attributes of
// 10, and removes 20. Twenty-four hours of an ingest that takes a file every
// ten seconds are 8,640 saves, and so 216 rounds; what takes time there, the
// waiting and the bytes, is left out. Leaks that come with time alone, and not
// with work, this cannot show.
const (
	savesPerRound = 40
	roundsPerDay  = 216
	warmUp        = 4 // rounds, after which nothing may grow
)

// TestNoGrowth works in rounds, and demands that the daemon has no more memory,
// descriptors, goroutines, spool files and journal after the last than after the
// first ones. MCFS_TEST_GROWTH says for how long, as "20m"; else it is some rounds.
func TestNoGrowth(t *testing.T) {
	rig.Need(t, "bash")
	length, rounds := time.Duration(0), warmUp+8
	if text := os.Getenv("MCFS_TEST_GROWTH"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := rig.Settings{"spool.max_size": `"256MiB"`}
	w := watchRig(t, s, func() *rig.Rig { return rig.New(t, s) })
	w.Shell(`mkdir d; for i in $(seq 20); do echo >d/old$i; done`)
	var first, last footprint
	n := 0
	for begun := time.Now(); n < rounds || time.Since(begun) < length; n++ {
		w.round(n)
		if n == warmUp-1 {
			first = w.footprint()
		}
	}
	last = w.footprint()
	t.Logf("%d rounds, %d saves, %.2f days of an ingest: %+v after %d rounds, %+v at the end",
		n, n*savesPerRound, float64(n)/roundsPerDay, first, warmUp, last)
	for _, grown := range []struct {
		what        string
		was, is, by int64
	}{
		{"resident bytes", first.resident, last.resident, 48 << 20},
		{"descriptors", first.files, last.files, 8},
		{"goroutines", first.goroutines, last.goroutines, 16},
		{"files in the spool", first.spooled, last.spooled, 64},
		{"bytes of the journal", first.journal, last.journal, first.journal/2 + 1<<20},
	} {
		if grown.is > grown.was+grown.by {
			t.Errorf("%s grew from %d to %d", grown.what, grown.was, grown.is)
		}
	}
	w.Unmount()
}

func (w *watched) round(n int) {
	w.t.Helper()
	w.Shell(fmt.Sprintf(`cd d
		for i in $(seq 18); do head -c $((i * 5000)) /dev/zero >new$i; echo %d >>old$i; done
		for i in 19 20; do echo %[1]d >.new$i.swp; mv .new$i.swp new$i; echo %[1]d >.old$i.swp; mv -f .old$i.swp old$i; done
		for i in $(seq 10); do mv new$i moved$i; done
		cat moved{1..10} new{11..20} >/dev/null
		chmod 600 moved{1..10}; touch -d @%[1]d moved{1..10}
		rm moved{1..10} new{11..20}
		[ $((%[1]d %% 20)) != 0 ] || for i in $(seq 20); do : >old$i; done`, n))
}

// footprint is what a daemon that has nothing to do keeps.
type footprint struct{ resident, files, goroutines, spooled, journal int64 }

// footprint waits until all is in the store and takes the least of several
// looks, since garbage comes and goes. Idle connections, with the two goroutines
// of each, do not count.
func (w *watched) footprint() footprint {
	w.t.Helper()
	if out, err := w.Mcfs(time.Minute, "sync", w.Dir); err != nil {
		w.t.Fatalf("sync: %v: %s", err, out)
	}
	var looks []footprint
	for range 40 {
		u := w.use()
		list, err := os.ReadDir(w.Spool)
		if err != nil {
			w.t.Fatal(err)
		}
		looks = append(looks, footprint{u.resident, int64(u.files - u.connections), int64(u.goroutines - 2*u.connections), int64(len(list)), diskBytes(filepath.Join(w.Spool, "journal", "log"))})
		time.Sleep(50 * time.Millisecond)
	}
	least := looks[0]
	for _, l := range looks {
		least = footprint{min(least.resident, l.resident), min(least.files, l.files), min(least.goroutines, l.goroutines), min(least.spooled, l.spooled), min(least.journal, l.journal)}
	}
	return least
}

// diskBytes is what a file occupies, 0 if it is gone.
func diskBytes(path string) int64 {
	var st syscall.Stat_t
	if syscall.Lstat(path, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}
