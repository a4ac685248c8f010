package machines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// TestSchedule lets machines change a few files at random and at once, and then
// demands that no update was lost, none torn, and that all agree.
//
// Each save makes a version with a name of its own, and knows by its open
// descriptor which version it replaces. So a save that succeeded must be there
// in the end, under its name or a conflict name, unless a later change that
// succeeded had it as the version that it replaced.
//
// MCFS_SCHEDULES is how many schedules are run, MCFS_SEED the first one's seed.
func TestSchedule(t *testing.T) {
	t.Parallel()
	count, first := number("MCFS_SCHEDULES", 3), number("MCFS_SEED", 1)
	for seed := first; seed < first+count; seed++ {
		machines := 2 + seed%2
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			runSchedule(t, seed, machines, 60)
		})
	}
}

func number(variable string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return standard
}

// scheduleNames are what all machines fight over.
var scheduleNames = []string{"a.bin", "b.bin", "c", "d/a.bin", "d/e.txt"}

func runSchedule(t *testing.T, seed, machines, steps int) {
	freshness := []string{`"250ms"`, `"1s"`}[seed%2]
	r := rig.New(t, rig.Settings{"mount.fresh": freshness, "mount.local_only": `["*~"]`})
	l := &ledger{made: make(map[string][]byte), starts: make(map[string]time.Duration), begun: time.Now()}
	all := make([]*machine, machines)
	for i := range all {
		all[i] = &machine{r.Mount(fmt.Sprint(i)), t}
		all[i].Expect(conflicts)
		all[i].Shell(fmt.Sprintf(`touch n{1..%d}~; rm n*~`, 1+200*i)) // as newPair does
	}
	all[0].Shell(`mkdir d`)
	r.Settle(20*time.Second, []string{"d/"})
	for _, m := range all {
		m.until(seenIn+slack, "see the directory", func() error { _, err := os.Stat(m.Path("d")); return err })
	}
	var wg sync.WaitGroup
	for i, m := range all {
		wg.Go(func() {
			p := &player{m: m, l: l, id: i, rng: rand.New(rand.NewPCG(uint64(seed), uint64(i)))}
			for n := range steps {
				p.step(n)
			}
		})
	}
	all[0].Within(4*time.Minute, "the schedule", func() error { wg.Wait(); return nil })
	for _, m := range all {
		m.Unmount() // it finishes what is left
	}
	l.judge(t, r, all)
	if t.Failed() {
		t.Logf("the schedule of seed %d:\n%s", seed, l.text())
	}
	t.Log(l.summary())
}

// player is one machine's part of a schedule.
type player struct {
	m   *machine
	l   *ledger
	id  int
	rng *rand.Rand
}

// step does one thing to one name.
func (p *player) step(n int) {
	name := scheduleNames[p.rng.IntN(len(scheduleNames))]
	other := scheduleNames[p.rng.IntN(len(scheduleNames))]
	tag := fmt.Sprintf("m%d-%03d", p.id, n)
	path := p.m.Path(name)
	p.l.begin(tag)
	switch k := p.rng.IntN(20); {
	case k < 4:
		p.read(tag, name)
	case k < 8:
		p.overwrite(tag, name)
	case k < 10:
		p.extend(tag, name)
	case k < 14:
		p.saveByRename(tag, name, k%2 == 0)
	case k < 16:
		p.remove(tag, name)
	case k < 18 && name != other:
		p.rename(tag, name, other)
	default:
		err := os.Chmod(path, 0o600|os.FileMode(p.rng.IntN(64)))
		p.l.note(event{tag: tag, what: "chmod", name: name, err: err})
	}
	if p.rng.IntN(3) == 0 {
		time.Sleep(time.Duration(p.rng.IntN(300)) * time.Millisecond)
	}
}

// segment is what one save adds: its tag and length, and a body that the tag makes.
func (p *player) segment(tag string) []byte {
	size := p.rng.IntN(3000)
	if p.rng.IntN(3) == 0 {
		size = p.rng.IntN(200_000)
	}
	body := bytes.Repeat([]byte(tag+"|"), size/len(tag)+1)
	return append(fmt.Appendf(nil, "%s %d\n", tag, len(body)), body...)
}

// look reads what an open file holds, and demands that it is one version, whole.
func (p *player) look(e event, f *os.File) (text []byte, version string, err error) {
	text, err = io.ReadAll(f)
	if err != nil {
		return nil, "", err
	}
	version, whole := p.l.versionOf(text)
	if !whole {
		p.m.t.Errorf("%s: %s reads as no version that was ever saved: %q …", e.tag, e.name, clip(text))
	}
	return text, version, nil
}

func (p *player) read(tag, name string) {
	e := event{tag: tag, what: "read", name: name}
	f, err := os.Open(p.m.Path(name))
	if err == nil {
		_, e.seen, err = p.look(e, f)
		_ = f.Close()
	}
	e.err = err
	p.l.note(e)
}

// overwrite replaces the content in place, or makes the file.
func (p *player) overwrite(tag, name string) {
	e := event{tag: tag, what: "overwrite", name: name}
	e.makes = p.segment(tag)
	f, err := os.OpenFile(p.m.Path(name), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		e.what = "create"
		f, err = os.OpenFile(p.m.Path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	} else if err == nil {
		_, e.seen, err = p.look(e, f)
	}
	if err != nil {
		e.err, e.makes = err, nil
		p.l.note(e)
		if f != nil {
			_ = f.Close()
		}
		return
	}
	p.l.making(tag, e.makes)
	if p.rng.IntN(3) == 0 { // an editor keeps its file open, and news come meanwhile
		time.Sleep(time.Duration(p.rng.IntN(1500)) * time.Millisecond)
	}
	p.put(&e, f, func() error {
		if err := f.Truncate(0); err != nil {
			return err
		}
		_, err := f.WriteAt(e.makes, 0)
		return err
	})
}

// extend appends a segment to what is there.
func (p *player) extend(tag, name string) {
	e := event{tag: tag, what: "append", name: name, based: true}
	f, err := os.OpenFile(p.m.Path(name), os.O_RDWR, 0)
	var old []byte
	if err == nil {
		old, e.seen, err = p.look(e, f)
	}
	if err != nil || len(old) > 1<<20 {
		if f != nil {
			_ = f.Close()
		}
		e.err = err
		p.l.note(e)
		return
	}
	more := p.segment(tag)
	e.makes = append(bytes.Clone(old), more...)
	p.l.making(tag, e.makes)
	p.put(&e, f, func() error { _, err := f.WriteAt(more, int64(len(old))); return err })
}

// put writes and closes, and notes how that ended.
func (p *player) put(e *event, f *os.File, write func() error) {
	err := write()
	if err != nil {
		e.torn = true // part of it may have been written, and be saved by the close
	}
	e.err = errors.Join(err, f.Close())
	p.l.note(*e)
}

// saveByRename writes a new file and renames it over the name. The version that
// goes is the one that the name led to; a descriptor of it tells afterwards
// whether it was that one, or a newer one that this machine came to know meanwhile.
func (p *player) saveByRename(tag, name string, local bool) {
	e := event{tag: tag, what: "save by rename", name: name}
	e.makes = p.segment(tag)
	temp := filepath.Join(filepath.Dir(name), "new-"+tag)
	if local {
		temp += "~"
	}
	p.l.making(tag, e.makes)
	if err := os.WriteFile(p.m.Path(temp), e.makes, 0o644); err != nil {
		p.m.t.Errorf("%s: save %s: %v", tag, temp, err)
		return
	}
	p.over(&e, temp, name)
	if e.err != nil {
		e.makes = nil
		if err := os.Remove(p.m.Path(temp)); err != nil {
			p.m.t.Errorf("%s: remove %s: %v", tag, temp, err)
		}
	}
	p.l.note(e)
}

// rename moves one of the files, perhaps over another one.
func (p *player) rename(tag, from, to string) {
	e := event{tag: tag, what: "rename " + from + " to", name: to}
	p.over(&e, from, to)
	p.l.note(e)
}

// over renames, and finds out which version that replaced.
func (p *player) over(e *event, from, to string) {
	f, err := os.Open(p.m.Path(to))
	if errors.Is(err, fs.ErrNotExist) {
		e.err = unix.Renameat2(unix.AT_FDCWD, p.m.Path(from), unix.AT_FDCWD, p.m.Path(to), unix.RENAME_NOREPLACE)
		return
	}
	if err != nil {
		e.err = err
		return
	}
	defer f.Close()
	if _, e.seen, e.err = p.look(*e, f); e.err != nil {
		return
	}
	if e.err = os.Rename(p.m.Path(from), p.m.Path(to)); e.err == nil {
		e.newer = !p.wasThis(f)
	}
}

// remove unlinks the name.
func (p *player) remove(tag, name string) {
	e := event{tag: tag, what: "remove", name: name}
	f, err := os.Open(p.m.Path(name))
	if err != nil {
		e.err = err
		p.l.note(e)
		return
	}
	defer f.Close()
	if _, e.seen, e.err = p.look(e, f); e.err == nil {
		if e.err = os.Remove(p.m.Path(name)); e.err == nil {
			e.newer = !p.wasThis(f)
		}
	}
	p.l.note(e)
}

// wasThis reports whether a name that was just taken away led to the version that is open:
// one that news from elsewhere had taken it from before cannot be opened again, or is there
// under the name of a conflict copy.
func (p *player) wasThis(f *os.File) bool {
	again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if errors.Is(err, syscall.ESTALE) {
		return false
	}
	if err != nil {
		p.m.t.Errorf("open %s again: %v", f.Name(), err)
		return false
	}
	defer again.Close()
	var st unix.Statx_t
	if err := unix.Statx(int(again.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_NLINK, &st); err != nil {
		p.m.t.Errorf("stat %s again: %v", f.Name(), err)
	}
	return st.Nlink == 0
}
