package volume

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/volume/naming"
)

// TestRandomSchedules changes a few names at random, over a store that fails now
// for everything and now for one kind of request, with kills and restarts in
// between, and compares with a plain map of what must be seen: at every stop, and
// in the end also what the store has. MCFS_SCHEDULES is how many, MCFS_SCHEDULE
// the first one.
func TestRandomSchedules(t *testing.T) {
	first, count := number(t, "MCFS_SCHEDULE", 1), number(t, "MCFS_SCHEDULES", 40)
	for seed := first; seed < first+count; seed++ {
		bubble(t, fmt.Sprint(seed), func(t *testing.T) {
			newSchedule(t, seed).run()
		})
	}
}

// number is that of a variable of the environment, or else the fixed one.
func number(t *testing.T, name string, fixed uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return fixed
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// cold is a comparison with a mount that has nothing of its own.
const cold = "cold"

// schedule is one random walk, and the map that it is compared with.
type schedule struct {
	*rig
	f       *flaky
	names   []string
	random  *rand.Rand
	want    map[string]string // by path: content, "dir", "-> target"
	modes   map[string]uint32
	held    []*Handle // open for writing, and synced
	done    []string
	crashes int
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	r, f := newFlakyRig(t, crypt.CTR)
	r.close()
	r.o.SpoolDurable = true
	if seed%2 == 0 { // "a~" beside "a" is temporary then, and committed under that name in the end
		r.o.LocalOnly, r.o.Grace = nil, time.Duration(1+seed%7)*100*time.Millisecond
	}
	names := scheduleNames
	if seed%4 == 0 { // "d", where it is a directory, is one whose files wait for its rename
		r.o.LocalOnly = []string{"!.unison.*.tmp"}
		names = slices.Replace(slices.Clone(names), 5, 6, unisonsFolder)
	}
	r.open("spool-flaky")
	return &schedule{rig: r, f: f, names: names, random: rand.New(rand.NewPCG(seed, 7)), want: map[string]string{}, modes: map[string]uint32{}}
}

func (s *schedule) note(format string, args ...any) {
	s.done = append(s.done, fmt.Sprintf(format, args...))
}

var scheduleNames = []string{"a", "b", "c", "a~", "b~", "d", "e", "d~"}

// anyPath is a path whose directory exists.
func (s *schedule) anyPath() string {
	name := s.names[s.random.IntN(len(s.names))]
	dirs := s.all(func(_, what string) bool { return what == "dir" })
	if len(dirs) > 0 && s.random.IntN(2) == 0 {
		if d := dirs[s.random.IntN(len(dirs))]; strings.Count(d, "/") < 2 {
			return d + "/" + name
		}
	}
	return name
}

func (s *schedule) all(want func(p, what string) bool) (list []string) {
	for p, what := range s.want {
		if want(p, what) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

func (s *schedule) existing() string {
	all := s.all(func(string, string) bool { return true })
	if len(all) == 0 {
		return ""
	}
	return all[s.random.IntN(len(all))]
}

func (s *schedule) isFile(p string) bool {
	what, ok := s.want[p]
	return ok && what != "dir" && !strings.HasPrefix(what, "-> ")
}

func (s *schedule) emptyDir(p string) bool {
	return s.want[p] == "dir" && len(s.all(func(q, _ string) bool { return strings.HasPrefix(q, p+"/") })) == 0
}

func (s *schedule) run() {
	for range 10 + s.random.IntN(25) {
		s.step()
	}
	for len(s.held) > 0 {
		s.let()
	}
	s.note("end")
	s.f.set(nil)
	s.compare("before the last sync")
	s.sync()
	s.settleDrafts()
	s.compare("in the end")
	s.truthful()
	s.compareObjects()
	s.close()
	s.open("again")
	s.cold()
	maps.DeleteFunc(s.want, func(p, _ string) bool { return s.v.rules.LocalOnly(p, naming.AsFile) })
	s.compare(cold)
}

// compareObjects has the store hold what the map has, and nothing beside it.
func (s *schedule) compareObjects() {
	var want []string
	for p, what := range s.want {
		switch {
		case s.v.rules.LocalOnly(p, naming.AsFile):
		case what == "dir":
			want = append(want, p+"/")
		case s.isFile(p):
			want = append(want, p, p+".settings.json")
		default:
			want = append(want, p)
		}
	}
	slices.Sort(want)
	have := slices.DeleteFunc(s.objects(), func(key string) bool { return s.v.rules.LocalOnly(strings.TrimSuffix(key, "/"), naming.AsFile) })
	if !slices.Equal(have, want) {
		s.t.Fatalf("the store holds %q, want %q; steps:\n  %s", have, want, strings.Join(s.done, "\n  "))
	}
}

func (s *schedule) step() {
	p, old := s.anyPath(), s.existing()
	switch k := s.random.IntN(22); {
	case k < 3:
		s.save(p)
	case k < 4:
		s.hold(p)
	case k < 5 && s.isFile(old):
		s.append(old)
	case k < 9 && old != "":
		s.move(old, p)
	case k < 11 && old != "":
		s.swap(old, s.existing())
	case k < 13 && old != "":
		s.removeAny(old)
	case k < 14:
		s.make(p)
	case k < 15:
		s.link(p)
	case k < 16 && old != "":
		s.chmodAny(old)
	case k < 18:
		s.weather()
	case k < 19:
		s.stop()
	case k < 21:
		s.let()
	default:
		time.Sleep(time.Duration(s.random.IntN(30)) * time.Millisecond)
	}
}

func (s *schedule) content() string { return fmt.Sprintf("content %d", len(s.done)) }

func (s *schedule) save(p string) {
	if _, ok := s.want[p]; ok && !s.isFile(p) {
		return
	}
	s.note("save %s", p)
	content := s.content()
	h := s.create(p, os.O_TRUNC)
	s.write(h, []byte(content), 0)
	s.finish(h)
	if _, ok := s.want[p]; !ok {
		s.modes[p] = 0o644
	}
	s.want[p] = content
}

// hold saves a file, but keeps it open.
func (s *schedule) hold(p string) {
	if _, ok := s.want[p]; ok && !s.isFile(p) {
		return
	}
	s.note("hold %s", p)
	content := s.content()
	h := s.create(p, os.O_TRUNC)
	s.write(h, []byte(content), 0)
	if err := h.Fsync(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.held = append(s.held, h)
	if _, ok := s.want[p]; !ok {
		s.modes[p] = 0o644
	}
	s.want[p] = content
}

// let closes the file that is held longest.
func (s *schedule) let() {
	if len(s.held) == 0 {
		return
	}
	s.note("let %s", s.held[0].n.Path())
	s.finish(s.held[0])
	s.held = s.held[1:]
}

func (s *schedule) append(p string) {
	s.note("append %s", p)
	h := s.create(p, 0)
	s.write(h, []byte("+more"), int64(len(s.want[p])))
	s.finish(h)
	s.want[p] += "+more"
}

func (s *schedule) carry(from, to string) {
	for _, p := range s.all(func(p, _ string) bool { return naming.Within(p, from) }) {
		q := to + strings.TrimPrefix(p, from)
		s.want[q], s.modes[q] = s.want[p], s.modes[p]
		delete(s.want, p)
		delete(s.modes, p)
	}
}

func (s *schedule) move(from, to string) {
	what, there := s.want[to]
	dir := s.want[from] == "dir"
	switch {
	case from == to, dir && naming.Within(to, from), dir && there && !s.emptyDir(to), !dir && what == "dir":
		return
	}
	s.note("rename %s %s", from, to)
	s.mustRename(from, to, 0)
	delete(s.want, to)
	s.carry(from, to)
}

func (s *schedule) swap(a, b string) {
	if naming.Within(a, b) || naming.Within(b, a) {
		return
	}
	s.note("exchange %s %s", a, b)
	s.mustRename(a, b, Exchange)
	s.carry(a, "tmp")
	s.carry(b, a)
	s.carry("tmp", b)
}

func (s *schedule) removeAny(p string) {
	switch {
	case s.emptyDir(p):
		s.note("rmdir %s", p)
		d, name := path.Split(p)
		if err := s.node(d).Rmdir(s.t.Context(), name); err != nil {
			s.t.Fatalf("rmdir %s: %v", p, err)
		}
	case s.want[p] == "dir":
		return
	default:
		s.note("remove %s", p)
		s.remove(p)
	}
	delete(s.want, p)
	delete(s.modes, p)
}

func (s *schedule) make(p string) {
	if _, ok := s.want[p]; ok {
		return
	}
	s.note("mkdir %s", p)
	s.mkdir(p)
	s.want[p], s.modes[p] = "dir", 0o755
}

func (s *schedule) link(p string) {
	if _, ok := s.want[p]; ok {
		return
	}
	s.note("symlink %s", p)
	s.symlink(p, "target")
	s.want[p] = "-> target"
}

func (s *schedule) chmodAny(p string) {
	if strings.HasPrefix(s.want[p], "-> ") {
		return
	}
	mode := 0o600 + uint32(s.random.IntN(64))
	s.note("chmod %o %s", mode, p)
	s.chmod(p, mode)
	s.modes[p] = mode
}

// weather decides what the store fails at from now on.
func (s *schedule) weather() {
	op := []string{"", "", "put", "delete", "copy", "all", "some"}[s.random.IntN(7)]
	s.note("store fails: %q", op)
	r := rand.New(rand.NewPCG(s.random.Uint64(), 1))
	s.f.set(func(o, _ string) error {
		if o != "head" && (op == "all" || o == op || op == "some" && r.IntN(3) == 0) {
			return errDown
		}
		return nil
	})
}

func (s *schedule) stop() {
	s.crashes++
	s.held = nil
	name := fmt.Sprintf("spool-%d", s.crashes)
	if s.random.IntN(2) == 0 {
		s.note("crash")
		s.crash(s.f, name)
	} else {
		s.note("restart")
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_ = s.v.Close(ctx)
		cancel()
		if err := s.spool.Close(); err != nil {
			s.t.Fatal(err)
		}
		s.f.set(nil)
		s.open(path.Base(s.spoolDir()))
	}
	s.compare("after the stop")
}

// compare has the mount show what the map has; done tells how it came to differ.
func (s *schedule) compare(when string) {
	s.t.Helper()
	for _, dir := range slices.Concat([]string{""}, s.all(func(_, what string) bool { return what == "dir" })) {
		s.compareList(when, dir)
	}
	for p, what := range s.want {
		if got := s.shown(p); got != what {
			s.t.Errorf("%s: %s is %q, want %q", when, p, got, what)
		} else if !strings.HasPrefix(what, "-> ") {
			s.compareMode(when, p)
		}
	}
	if s.t.Failed() {
		s.t.Fatalf("steps:\n  %s", strings.Join(s.done, "\n  "))
	}
}

func (s *schedule) compareList(when, dir string) {
	s.t.Helper()
	entries, err := s.node(dir).ReadDir(s.t.Context())
	if err != nil {
		s.t.Errorf("%s: list %q: %v", when, dir, err)
		return
	}
	var got, want []string
	for _, e := range entries {
		if e.Kind != Sidecar && (when != cold || !s.v.rules.LocalOnly(e.Name, naming.AsFile)) {
			got = append(got, e.Name)
		}
	}
	for p := range s.want {
		if d, name := path.Split(p); strings.TrimSuffix(d, "/") == dir {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: %q lists %q, want %q", when, dir, got, want)
	}
}

func (s *schedule) compareMode(when, p string) {
	s.t.Helper()
	a, err := s.node(p).Attr(s.t.Context())
	if err != nil || a.Mode&0o7777 != s.modes[p] {
		s.t.Errorf("%s: mode of %s is %o (%v), want %o", when, p, a.Mode, err, s.modes[p])
	}
}
