package machines

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

const (
	fleet     = 8  // machines
	eachSaves = 25 // files in a folder of its own, and as many in one that all share
	ahead     = 32 // data keys that a mount may have fetched and not used
)

// fleetRow is the row of docs/scaling.md of what a save into a mount takes at most.
var fleetRow = regexp.MustCompile(`(?m)^\| a save into a mount \| (\d+) \| (\d+) \| (\d+) \|$`)

// slate is the name that all save, and what becomes of it: here all machines have one name, and two that give way
// in the same millisecond meet again.
var slate = regexp.MustCompile(`^slate( \(conflict\))*\.mov$`)

// TestFleet: eight machines save at once into folders of their own and into one that they share, and all into one
// name. Every file is whole under the key that is recorded for it, who loses a name hears of it and keeps its
// content, no upload is left, and a file takes no more requests than docs/scaling.md reckons with.
func TestFleet(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	row := fleetRow.FindStringSubmatch(string(page))
	if row == nil {
		t.Fatal("docs/scaling.md does not say what a save into a mount takes")
	}
	r := rig.New(t, rig.Settings{"mount.fresh": `"1h"`}) // how often a folder is listed again is the clock's
	machines := make([]*machine, fleet)
	for i := range machines {
		m := &machine{r.Mount(fmt.Sprint(i)), t}
		m.Expect(conflicts)
		if machines[i] = m; i > 0 {
			continue // the folders were there before
		}
		m.do("mkdir", func() error { return os.Mkdir(m.Path("all"), 0o755) })
		for k := range machines {
			m.do("mkdir", func() error { return os.Mkdir(m.Path(fmt.Sprint("cart", k)), 0o755) })
		}
		m.synced()
	}
	want := make(map[string]string)
	mark, calls := r.Mark(), len(r.KMS.Calls())
	var saving sync.WaitGroup
	for i, m := range machines {
		for n := range eachSaves {
			for _, name := range []string{fmt.Sprintf("cart%d/%d.mov", i, n), fmt.Sprintf("all/%d-%d.mov", i, n)} {
				want[name] = digest(content(i, name))
			}
		}
		saving.Go(func() { saveAll(m, i) })
	}
	saving.Wait()
	checkRequests(t, r, row[1:], mark, calls, len(want))
	losers := contend(t, machines)
	for _, m := range machines {
		m.Unmount()
	}
	sums := r.Proof()
	slates := slices.DeleteFunc(slices.Sorted(maps.Keys(sums)), func(name string) bool { return want[name] != "" })
	var left []string
	for _, name := range slates {
		if plain := plainName(name); !slate.MatchString(plain) {
			t.Errorf("the bucket holds %q, which nobody has saved", name)
		}
		left = append(left, sums[name])
		delete(sums, name)
	}
	slices.Sort(left)
	var all []string
	for i := range machines {
		all = append(all, digest(content(i, "slate.mov")))
	}
	slices.Sort(all)
	if !slices.Equal(left, all) || losers != fleet-1 {
		t.Errorf("of %d that saved one name %d have lost it, and the bucket holds %q", fleet, losers, slates)
	}
	if !maps.Equal(sums, want) {
		t.Errorf("the bucket holds %d files, or others than the %d that were saved", len(sums), len(want))
	}
	if uploads := r.Uploads(); len(uploads) > 0 {
		t.Errorf("unfinished uploads: %q", uploads)
	}
}

// synced waits until all that the machine has to do is done.
func (m *machine) synced() {
	m.t.Helper()
	if out, err := m.Mcfs(time.Minute, "sync", m.Dir); err != nil {
		m.t.Fatalf("sync: %v\n%s", err, out)
	}
}

// content is what a machine saves under a name.
func content(machine int, name string) string {
	return strings.Repeat(fmt.Sprintf("machine %d, %s\n", machine, name), 4000)
}

// saveAll saves what a machine saves, into its own folder and the shared one by turns.
func saveAll(m *machine, i int) {
	for n := range eachSaves {
		for _, name := range []string{fmt.Sprintf("cart%d/%d.mov", i, n), fmt.Sprintf("all/%d-%d.mov", i, n)} {
			if err := os.WriteFile(m.Path(name), []byte(content(i, name)), 0o644); err != nil {
				m.t.Errorf("machine %d: %v", i, err)
			}
		}
	}
}

// contend has all machines make one name and save it at once, and returns how many of them were told that they
// have lost it.
func contend(t *testing.T, machines []*machine) (losers int) {
	t.Helper()
	open := make([]*os.File, len(machines))
	for i, m := range machines {
		open[i] = m.open("slate.mov", os.O_RDWR|os.O_CREATE)
	}
	outcomes := make([]error, len(machines))
	var saving sync.WaitGroup
	for i, f := range open {
		saving.Go(func() {
			_, err := f.WriteString(content(i, "slate.mov"))
			outcomes[i] = errors.Join(err, f.Close())
		})
	}
	saving.Wait()
	for i, err := range outcomes {
		switch {
		case errors.Is(err, syscall.ESTALE):
			losers++
		case err != nil:
			t.Errorf("machine %d: %v", i, err)
		}
	}
	return losers
}

// checkRequests compares what saves have taken with a row of the table: reading, writing, and to KMS. Besides, each
// machine lists its two folders and the one above, looks at their markers, again while those are new, and may have
// keys left.
func checkRequests(t *testing.T, r *rig.Rig, row []string, mark, calls, saves int) {
	t.Helper()
	var sent [3]int
	for _, q := range r.S3.Proxy.Requests()[mark:] {
		if strings.HasPrefix(q.Op, "Get") || strings.HasPrefix(q.Op, "Head") || strings.HasPrefix(q.Op, "List") {
			sent[0]++
		} else {
			sent[1]++
		}
	}
	sent[2] = len(r.KMS.Calls()) - calls
	besides := [3]int{0: 20 * fleet, 2: ahead * fleet}
	for i, what := range []string{"requests that read", "requests that write", "requests to KMS"} {
		each, err := strconv.Atoi(row[i])
		if err != nil {
			t.Fatal(err)
		}
		if least := each * saves; sent[i] < least || sent[i] > least+besides[i] {
			t.Errorf("%d saves took %d %s, not %d and up to %d besides", saves, sent[i], what, least, besides[i])
		}
	}
}
