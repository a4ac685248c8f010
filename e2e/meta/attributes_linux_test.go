package meta

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
	"mcfs/store/s3/s3test"
)

// odd are times that a careless format loses.
var odd = []time.Time{
	time.Unix(0, 0), time.Unix(-1, 999_999_999), time.Unix(-86400*365*80, 1), time.Unix(1_700_000_000, 123_456_789),
	time.Date(12024, 1, 2, 3, 4, 5, 6, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 7, time.UTC),
}

func setTime(path string, at time.Time) error {
	spec := unix.Timespec{Sec: at.Unix(), Nsec: int64(at.Nanosecond())}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{spec, spec}, 0)
}

// dress gives a file or directory attributes of every kind.
func dress(t *testing.T, path string, k int) {
	t.Helper()
	for _, err := range []error{
		os.Chown(path, 1000+k, 2000+k), os.Chmod(path, os.FileMode(0o700+k%8)),
		unix.Setxattr(path, "user.colour", fmt.Appendf(nil, "%d\x00\xff", k), 0),
		unix.Setxattr(path, "user.empty", nil, 0), setTime(path, odd[k%len(odd)]),
	} {
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// dressed checks them.
func dressed(t *testing.T, path string, k int) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	at := odd[k%len(odd)]
	if st.Mtim.Sec != at.Unix() || st.Mtim.Nsec != int64(at.Nanosecond()) {
		t.Errorf("%s: mtime is %d.%09d, not %d.%09d", path, st.Mtim.Sec, st.Mtim.Nsec, at.Unix(), at.Nanosecond())
	}
	if st.Uid != uint32(1000+k) || st.Gid != uint32(2000+k) || st.Mode&0o7777 != uint32(0o700+k%8) {
		t.Errorf("%s: owner %d:%d, mode %o", path, st.Uid, st.Gid, st.Mode)
	}
	value := make([]byte, 100)
	n, err := unix.Getxattr(path, "user.colour", value)
	if err != nil || string(value[:n]) != fmt.Sprintf("%d\x00\xff", k) {
		t.Errorf("%s: user.colour is %q, %v", path, value[:max(n, 0)], err)
	}
	n, err = unix.Listxattr(path, value)
	if err != nil || string(value[:n]) != "user.colour\x00user.empty\x00" {
		t.Errorf("%s: attributes %q, %v", path, value[:max(n, 0)], err)
	}
}

// TestAttributesLast: of files, directories and symlinks: at once, after kill -9,
// in the next mount, and where nothing is remembered.
func TestAttributesLast(t *testing.T) {
	r := rig.New(t, nil)
	m := r.Mount("one")
	m.Shell("mkdir -p d/sub; for i in 0 1 2 3 4 5; do echo $i > f$i; done; ln -s f0 link; chown -h 7:8 link; touch -h -d '1960-01-02 03:04:05.678' link")
	check := func(what string) {
		t.Helper()
		for k := range 6 {
			dressed(t, m.Path(fmt.Sprintf("f%d", k)), k)
		}
		dressed(t, m.Path("d"), 6)
		dressed(t, m.Path("d", "sub"), 9)
		if got := m.Run("stat", "-c", "%u %g %Y %N", "link"); got != "7 8 -315521755 'link' -> 'f0'\n" {
			t.Errorf("link: %q", got)
		}
		if t.Failed() {
			t.Fatal(what)
		}
	}
	for k := range 6 {
		dress(t, m.Path(fmt.Sprintf("f%d", k)), k)
	}
	dress(t, m.Path("d", "sub"), 9)
	dress(t, m.Path("d"), 6)
	check("at once")
	m.Run("cat", "f0", "f1") // reading moves no time
	m.Shell("sleep 0.2")     // what is changed again and again is journaled a tenth of a second later
	m.Kill()
	m = r.Mount("one")
	check("after a kill")
	m.Unmount()
	m = m.Again()
	check("in the next mount")
	m.Unmount()
	m = r.Mount("other")
	check("with another spool")
	m.Unmount()
}

// TestAttributesOfADraftLast: one that was closed under a local-only name keeps
// them over kill -9.
func TestAttributesOfADraftLast(t *testing.T) {
	r := rig.New(t, nil)
	m := r.Mount("one")
	m.Shell("echo draft > draft.part")
	dress(t, m.Path("draft.part"), 3)
	m.Shell("sleep 0.2")
	m.Kill()
	m = r.Mount("one")
	dressed(t, m.Path("draft.part"), 3)
	m.Unmount()
}

// TestAttributesShareOneRequest: a hundred changes are one or two puts of the
// sidecar, and no copy of the object, however large.
func TestAttributesShareOneRequest(t *testing.T) {
	r := rig.New(t, nil)
	m := r.Mount("one")
	m.Shell("head -c 12000000 /dev/urandom > large; mkdir d")
	r.Settle(time.Minute, []string{"large", "d/"})
	r.S3.Proxy.Reset()
	for i := range 100 {
		for _, name := range []string{"large", "d"} {
			if err := os.Chmod(m.Path(name), os.FileMode(0o700+i%64)); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.Unmount()
	for key, ops := range r.Writes() {
		if ops["PutObject"] > 2 || len(ops) > 1 || key == "large" {
			t.Errorf("%s: %v", key, ops)
		}
	}
}

// TestTooManyAttributesAreRefusedAtOnce: and whatever else changes afterwards,
// what was accepted can be written.
func TestTooManyAttributesAreRefusedAtOnce(t *testing.T) {
	r := rig.New(t, nil)
	m := r.Mount("one")
	m.Shell("echo 1 > f; mkdir d; touch -d @0 f d")
	early := time.Unix(-1<<40, 1)
	for _, name := range []string{"f", "d"} {
		path, kept := m.Path(name), 0
		var err error
		for ; err == nil; kept++ {
			err = unix.Setxattr(path, fmt.Sprintf("user.n%02d", kept), []byte(strings.Repeat("x", 50)), 0)
		}
		if err != syscall.ENOSPC || kept < 4 {
			t.Errorf("%s: attribute %d: %v", name, kept, err)
		}
		for _, err := range []error{
			os.Chown(path, 1<<31, 1<<31), os.Chmod(path, 0o777|os.ModeSticky), setTime(path, early),
			os.Rename(path, path+" with a longer name"),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	m.Unmount() // fails if anything could not be written
	m = r.Mount("other")
	for _, name := range []string{"f with a longer name", "d with a longer name"} {
		if got := m.Run("stat", "-c", "%Y %u", name); got != fmt.Sprintln(early.Unix(), 1<<31) {
			t.Errorf("%s: %s", name, got)
		}
	}
	m.Unmount()
}

// TestAttributesSurviveAStoreThatFails: stat is right meanwhile, and they arrive.
func TestAttributesSurviveAStoreThatFails(t *testing.T) {
	r := rig.New(t, nil)
	m := r.Mount("one")
	m.Shell("echo 1 > f; mkdir d; echo 2 > d/g")
	r.Settle(time.Minute, []string{"f", "d/", "d/g"})
	r.S3.Proxy.Reset()
	r.S3.Proxy.Fail("PutObject", -1, s3test.Fault{Status: 503, Code: "SlowDown"})
	dress(t, m.Path("f"), 1)
	dress(t, m.Path("d"), 2)
	r.S3.Proxy.Wait(t, "PutObject", 2)
	both := func() {
		t.Helper()
		dressed(t, m.Path("f"), 1)
		dressed(t, m.Path("d"), 2)
	}
	both()
	m.Kill()
	r.S3.Proxy.Reset()
	m = r.Mount("one")
	both()
	m.Unmount()
	m = r.Mount("other")
	both()
	m.Unmount()
}

// TestAttributesChangedElsewhereAreSeen: despite what is remembered; and a store
// that does not answer then keeps nobody waiting longer than a moment.
func TestAttributesChangedElsewhereAreSeen(t *testing.T) {
	r := rig.New(t, rig.Settings{"mount.fresh": `"1s"`})
	a := r.Mount("a")
	a.Shell("for i in 1 2 3; do echo $i > f$i; done")
	a.Unmount()
	b := r.Mount("b")
	b.Shell("chmod 0640 f1; echo changed > f2; rm f3")
	b.Unmount()
	a = a.Again()
	if got := a.Shell("stat -c '%a %n' f1; cat f2; ls f3 2>/dev/null || echo gone"); got != "640 f1\nchanged\ngone\n" {
		t.Errorf("%q", got)
	}
	b = b.Again()
	b.Shell("chmod 0604 f1")
	b.Unmount()
	a.Shell("sleep 1.5")
	r.S3.Proxy.Hook(func(q s3test.Request) s3test.Fault {
		return s3test.Fault{Hang: q.Op == "GetObject" || q.Op == "HeadObject"}
	})
	begun := time.Now()
	if got := a.Run("stat", "-c", "%a", "f1"); got != "640\n" {
		t.Errorf("while the store hangs: %q", got)
	}
	if took := time.Since(begun); took > rig.Soon {
		t.Errorf("stat took %v", took)
	}
	r.S3.Proxy.Reset()
	for deadline := time.Now().Add(30 * time.Second); a.Run("stat", "-c", "%a", "f1") != "604\n"; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the other machine's change is not seen")
		}
	}
	a.Unmount()
}
