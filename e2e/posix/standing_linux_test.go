package posix

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// standing are the names in a busy directory that are there at each moment, whatever is
// done to them.
var standing = []string{"still", "replaced", "swapped", "swapped too", "written", "described", "taken in turn", "sub", "sub/file", "sub too", "sub too/file"}

// TestNamesThatStand: a name that always exists is found at each moment, and listed, while
// others rename over it, exchange it, write and describe it, and make and remove others
// beside it, and while listings are stale at once and the kernel forgets. It goes on for
// MCFS_STANDING.
func TestNamesThatStand(t *testing.T) {
	length := standingFor(t)
	b := start(t, rig.Settings{"mount.fresh": `"1ms"`, "mount.sidecars": `"hidden"`})
	b.Shell(`mkdir d d/sub "d/sub too"; cd d; for i in still replaced swapped "swapped too" written described "taken in turn" sub/file "sub too/file"; do echo $i >"$i"; done`)
	begun, c := time.Now(), &crowd{dir: b.Path("d"), mount: b.Dir, names: standing, stop: make(chan struct{})}
	for _, do := range []func(int) error{c.replace, c.swap, c.swapDirs, c.write, c.describe, c.takeTurns, c.churn, c.forget} {
		c.repeat(do)
	}
	for _, look := range []func(int) error{c.stats, c.opens, c.opensToWrite, c.lists, c.stats, c.opens} {
		c.repeat(look)
	}
	select {
	case <-c.stop:
	case <-time.After(length):
		c.end(nil)
	}
	b.Within(traceLimit, "the end of all", func() error { c.all.Wait(); return c.failure })
	t.Logf("%v: %d calls", time.Since(begun).Round(time.Second), c.calls)
	b.finish()
}

// TestNamesThatStandOnTwoMachines: so it is where two machines do that in one directory, each with
// names of its own, and look for all. An exchange is left out: the store has none.
func TestNamesThatStandOnTwoMachines(t *testing.T) {
	length := standingFor(t)
	b := start(t, rig.Settings{"mount.fresh": `"1ms"`, "mount.sidecars": `"hidden"`})
	var names []string
	for _, name := range []string{"still", "replaced", "written", "described"} {
		names = append(names, name+" by a", name+" by b")
	}
	b.Shell(`mkdir d; cd d; for i in still replaced written described; do echo 1 >"$i by a"; echo 2 >"$i by b"; done`)
	if out, err := b.Mcfs(time.Minute, "sync", b.Path()); err != nil {
		t.Fatalf("sync: %v: %s", err, out)
	}
	other := b.r.Mount("b")
	var crowds []*crowd
	for mine, m := range map[string]*rig.Mount{" by a": b.Mount, " by b": other} {
		c := &crowd{dir: m.Path("d"), mount: m.Dir, mine: mine, names: names, stop: make(chan struct{})}
		crowds = append(crowds, c)
		for _, do := range []func(int) error{c.replace, c.write, c.describe, c.churn, c.forget, c.stats, c.opens, c.lists, c.stats, c.opens} {
			c.repeat(do)
		}
	}
	select {
	case <-crowds[0].stop:
	case <-crowds[1].stop:
	case <-time.After(length):
	}
	for _, c := range crowds {
		c.end(nil)
		b.Within(traceLimit, "the end of all", func() error { c.all.Wait(); return c.failure })
		t.Logf("%s: %d calls", c.mine, c.calls)
	}
	other.Unmount()
	b.finish()
}

// standingFor is how long names are looked for.
func standingFor(t *testing.T) time.Duration {
	t.Helper()
	length, err := time.ParseDuration(cmp.Or(os.Getenv("MCFS_STANDING"), "3s"))
	if err != nil {
		t.Fatal(err)
	}
	return length
}

// crowd are those who work in one directory of a machine.
type crowd struct {
	dir, mount string
	mine       string   // ends the names that it alone changes
	names      []string // that are always there
	all        sync.WaitGroup
	stop       chan struct{} // closed when they are to end

	mu      sync.Mutex
	ended   bool
	failure error
	calls   int
}

// end has all end, for the first failure or none.
func (c *crowd) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended, c.failure = true, err
	close(c.stop)
}

// repeat does something again and again, until one of all fails or is told to end.
func (c *crowd) repeat(do func(i int) error) {
	c.all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-c.stop:
				c.mu.Lock()
				c.calls += i
				c.mu.Unlock()
				return
			default:
			}
			if err := do(i); err != nil {
				c.end(err)
			}
		}
	})
}

func (c *crowd) path(name string) string { return filepath.Join(c.dir, name) }

func (c *crowd) save(name string, flags, n int) error {
	fd, err := unix.Open(c.path(name), unix.O_WRONLY|unix.O_CLOEXEC|flags, 0o644)
	if err != nil {
		return fmt.Errorf("open %s to write: %w", name, err)
	}
	_, err = unix.Write(fd, noise(byte(n), 100+n%1000))
	return cmp.Or(err, unix.Close(fd))
}

func (c *crowd) rename(from, to string, flags uint) error {
	if err := unix.Renameat2(unix.AT_FDCWD, c.path(from), unix.AT_FDCWD, c.path(to), flags); err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	return nil
}

// replace saves as editors do, some before the new file has been committed.
func (c *crowd) replace(i int) error {
	name := fmt.Sprintf([]string{"new%s.tmp", ".#new%s", "new%s"}[i%3], c.mine)
	return cmp.Or(c.save(name, unix.O_CREAT|unix.O_EXCL, i), c.rename(name, "replaced"+c.mine, 0))
}

// swap and swapDirs leave the store time to follow: each is three renames there.
func (c *crowd) swap(int) error {
	time.Sleep(5 * time.Millisecond)
	return c.rename("swapped", "swapped too", unix.RENAME_EXCHANGE)
}

func (c *crowd) swapDirs(int) error {
	time.Sleep(20 * time.Millisecond)
	return c.rename("sub", "sub too", unix.RENAME_EXCHANGE)
}

func (c *crowd) write(i int) error { return c.save("written"+c.mine, []int{0, unix.O_TRUNC}[i%2], i) }

func (c *crowd) describe(i int) error {
	times := []unix.Timespec{{Sec: int64(i)}, {Sec: int64(i)}}
	file := c.path("described" + c.mine)
	return cmp.Or(unix.Chmod(file, 0o600+uint32(i%8)), unix.UtimesNanoAt(unix.AT_FDCWD, file, times, 0))
}

// takeTurns has the name borne by one file and then by another, which the first gave its own to.
func (c *crowd) takeTurns(i int) error {
	return cmp.Or(c.save("next", unix.O_CREAT, i), c.rename("next", "taken in turn", unix.RENAME_EXCHANGE), unix.Unlink(c.path("next")))
}

// churn makes and removes what has nothing to do with anybody.
func (c *crowd) churn(i int) error {
	name := fmt.Sprintf("churn %d%s", i%5, c.mine)
	return cmp.Or(c.save(name, unix.O_CREAT, i), c.rename(name, name+" moved", 0), unix.Unlink(c.path(name+" moved")))
}

// forget has the kernel forget all names that are not open.
func (c *crowd) forget(int) error {
	time.Sleep(5 * time.Millisecond)
	return unix.Mount("", c.mount, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, "")
}

func (c *crowd) stats(i int) error {
	name := c.names[i%len(c.names)]
	if err := unix.Stat(c.path(name), new(unix.Stat_t)); err != nil {
		return fmt.Errorf("stat of %s: %w", name, err)
	}
	return nil
}

func (c *crowd) opens(i int) error {
	name := c.names[i%len(c.names)]
	fd, err := unix.Open(c.path(name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open of %s: %w", name, err)
	}
	return unix.Close(fd)
}

func (c *crowd) opensToWrite(i int) error {
	name := []string{"still", "replaced", "swapped", "taken in turn", "sub/file"}[i%5]
	fd, err := unix.Open(c.path(name), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open of %s for both: %w", name, err)
	}
	return unix.Close(fd)
}

func (c *crowd) lists(int) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, name := range c.names {
		if filepath.Dir(name) == "." && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name }) {
			return fmt.Errorf("%s is not listed: %v", name, entries)
		}
	}
	return nil
}
