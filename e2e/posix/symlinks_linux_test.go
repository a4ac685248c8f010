package posix

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

// TestSymlinks makes, reads, follows, changes and moves symlinks in a plain
// directory and in the mount, and then reads them in a cold one.
func TestSymlinks(t *testing.T) {
	inModes(t, modes, func(t *testing.T, b *bench) {
		b.same(t, "links", symlinks)
		checkLinks(t, b)
	})
}

// The longest target that Linux takes, and one that is too long.
var longest, tooLong = strings.Repeat("a/", 2047) + "a", strings.Repeat("a/", 2048)

func symlinks(x *trace) {
	x.open("a", "file", unix.O_CREAT|unix.O_WRONLY)
	x.write("a", []byte("content"))
	x.close("a")
	x.done("mkdir", unix.Mkdir(x.path("dir"), 0o755))
	for _, l := range []struct{ name, target string }{
		{"relative", "file"}, {"up", "../links/file"}, {"dangling", "nowhere/at/all"}, {"absolute", "/etc/hostname"},
		{"to dir", "dir"}, {"loop", "loop"}, {"odd", "größe \n\t\"quotes\" 日本 %25+"}, {"long", longest},
	} {
		x.done("symlink "+l.name, unix.Symlink(l.target, x.path(l.name)))
	}
	x.done("symlink to nothing", unix.Symlink("", x.path("none")))
	x.done("too long a target", unix.Symlink(tooLong, x.path("none")))
	x.done("onto a link", unix.Symlink("x", x.path("dangling")))
	x.done("onto a file", unix.Symlink("x", x.path("file")))
	lstats(x)

	x.open("a", "dir/through", unix.O_CREAT|unix.O_WRONLY)
	x.close("a")
	x.read("to dir/through")
	x.read("relative")
	x.open("a", "dangling", unix.O_RDONLY)
	x.open("a", "loop", unix.O_RDONLY)
	x.open("a", "relative", unix.O_RDONLY|unix.O_NOFOLLOW)
	x.open("a", "dangling", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	x.done("symlink made", unix.Symlink("made", x.path("maker")))
	x.open("a", "maker", unix.O_CREAT|unix.O_WRONLY) // makes what it leads to
	x.write("a", []byte("made"))
	x.close("a")
	x.read("made")

	x.done("lchown", unix.Lchown(x.path("dangling"), 1234, 5678))
	x.done("lutimes", unix.UtimesNanoAt(unix.AT_FDCWD, x.path("dangling"), []unix.Timespec{{Sec: 1, Nsec: 5}, {Sec: 981173106, Nsec: 123456789}}, unix.AT_SYMLINK_NOFOLLOW))
	x.done("rename", unix.Rename(x.path("relative"), x.path("dir/moved")))
	x.done("rename over a link", unix.Rename(x.path("odd"), x.path("up")))
	x.done("symlink", unix.Symlink("file", x.path("short")))
	x.done("rename over a file", unix.Rename(x.path("short"), x.path("made")))
	x.open("a", "plain", unix.O_CREAT|unix.O_WRONLY)
	x.close("a")
	x.done("symlink", unix.Symlink("file", x.path("doomed")))
	x.done("rename a file over a link", unix.Rename(x.path("plain"), x.path("doomed")))
	x.done("unlink", unix.Unlink(x.path("absolute")))
	x.done("rmdir", unix.Rmdir(x.path("to dir")))
	x.done("unlink a directory by its link", unix.Unlink(x.path("to dir")))
	lstats(x)
}

// lstats notes what each link says of itself.
func lstats(x *trace) {
	for _, name := range []string{"relative", "up", "dangling", "absolute", "to dir", "loop", "odd", "long", "dir/moved", "made", "doomed", "maker"} {
		var st unix.Stat_t
		err := unix.Lstat(x.path(name), &st)
		target := make([]byte, 5000)
		n, rerr := unix.Readlink(x.path(name), target)
		x.note("%s: mode %o size %d links %d owner %d:%d %s, target %d %s %s", name, st.Mode, st.Size, st.Nlink, st.Uid, st.Gid,
			outcome(err), n, sum(target[:max(n, 0)]), outcome(rerr))
	}
}

// checkLinks demands that the bucket has the links without sidecars and without
// their targets in clear, and that a cold mount shows them as they were.
func checkLinks(t *testing.T, b *bench) {
	const describe = `find links -mindepth 1 -not -name '*.settings.json' -not -type d -printf '%P|%y|%s|%m|%U|%G|%T@|%l\n' | cut -c-200 | sort; readlink links/long | sha256sum`
	before := b.Shell(describe)
	if !strings.Contains(before, "dangling|l|14|777|1234|5678|981173106.1234567890|nowhere/at/all\n") {
		t.Errorf("the link's own attributes are not those that were set:\n%s", before)
	}
	b.r.Settle(settleLimit, []string{"links/", "links/dir/", "links/file", "links/dir/through", "links/doomed"},
		"links/up", "links/dangling", "links/loop", "links/long", "links/dir/moved", "links/made", "links/maker")
	for _, key := range b.r.Keys() {
		o := b.r.Get(key)
		texts := slices.Concat([][]byte{o.Body}, metaTexts(o))
		for _, target := range []string{"nowhere/at/all", "a/a/a/a", "größe"} {
			for _, text := range texts {
				if bytes.Contains(text, []byte(target)) {
					t.Errorf("%s has a target in clear", key)
				}
			}
		}
	}
	b.Unmount()
	cold := b.r.Mount("cold")
	if after := cold.Shell(describe); after != before {
		t.Errorf("a cold mount shows\n%s\nnot\n%s", after, before)
	}
	cold.Unmount()
	b.Mount = b.Again()
}

func metaTexts(o rig.Object) [][]byte {
	var list [][]byte
	for k, v := range o.Meta {
		list = append(list, fmt.Appendf(nil, "%s=%s", k, v))
	}
	return list
}
