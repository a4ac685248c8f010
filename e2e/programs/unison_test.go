package programs

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// unisonsFolder matches what is below the folder that unison fills, and renames.
var unisonsFolder = regexp.MustCompile(`(^|/)\.unison\.[^/]+\.[0-9a-f]{32}\.unison\.tmp/.*[^/]$`)

// symlink is the one that the tests make.
const symlink = "/link"

// givenBelow lists what S3 was given below unison's temporary folders, but for their markers and symlinks.
func givenBelow(r *rig.Rig) (list []string) {
	for key, given := range r.Writes() {
		if unisonsFolder.MatchString(key) && !strings.HasSuffix(key, symlink) {
			for op := range given {
				list = append(list, op+" "+key)
			}
		}
	}
	return list
}

// TestUnisonLargerThanTheSpool: unison copies a folder that fits the spool, of which nothing leaves
// under the temporary name, and one that does not, which leaves under that and is moved.
func TestUnisonLargerThanTheSpool(t *testing.T) {
	rig.Need(t, "unison")
	for _, mode := range []string{"CTR", "GCM"} {
		t.Run(mode, func(t *testing.T) {
			r := rig.NewSmall(t, rig.Settings{"crypt.mode": strconv.Quote(mode), "mount.grace": `"1h"`}, 64<<10, 2<<20)
			m := r.Mount("warm")
			both := "export HOME='" + t.TempDir() + `'; there="$HOME/there"; mkdir -p "$there"
both() { UNISON="$HOME/unison" unison -silent -batch -ignore 'Name *.settings.json' . "$there"; diff -r -x '*.settings.json' . "$there"; }
`
			m.Shell(both + `mkdir -p "$there/small/deep"; for i in 1 2 3; do head -c 200000 /dev/urandom >"$there/small/deep/$i"; done; ln -s deep/1 "$there/small/link"; both`)
			synced(t, m)
			if list := givenBelow(r); len(list) > 0 {
				t.Errorf("of a folder that fits the spool S3 was given %q", list)
			}
			m.Shell(both + `mkdir -p "$there/large"; for i in 1 2 3 4 5 6; do head -c 700000 /dev/urandom >"$there/large/$i"; done
head -c 5000000 /dev/urandom >"$there/large/film"; head -c 77 /dev/urandom >"$there/large/last"; both`)
			synced(t, m)
			if len(givenBelow(r)) == 0 {
				t.Error("the large folder fits the spool: what this test is for was not tried")
			}
			m.Unmount()
			r.Settle(30*time.Second, []string{"small/", "small/deep/", "small/deep/1", "small/deep/2", "small/deep/3",
				"large/", "large/1", "large/2", "large/3", "large/4", "large/5", "large/6", "large/film", "large/last"}, "small/link")
			cold := r.Mount("cold")
			r.Truth(cold)
			cold.Unmount()
		})
	}
}

// TestUnisonsFolderIsKilled: the mount is killed before the folder's rename, and after it.
func TestUnisonsFolderIsKilled(t *testing.T) {
	r := rig.New(t, rig.Settings{"mount.grace": `"1h"`})
	m := r.Mount("warm")
	m.Shell(`folder=.unison.new.1c034d237d282f009ab3289f25ab5cc2.unison.tmp; mkdir -p $folder/deep; echo one >$folder/one; echo two >$folder/deep/two`)
	m.Kill()
	m.Bury()
	m = m.Again()
	m.Shell(`folder=.unison.new.1c034d237d282f009ab3289f25ab5cc2.unison.tmp; [ "$(cat $folder/one $folder/deep/two)" = $'one\ntwo' ]; mv $folder new`)
	m.Kill()
	m.Bury()
	m = m.Again()
	synced(t, m)
	if got := m.Shell("cat new/one new/deep/two"); got != "one\ntwo\n" {
		t.Errorf("read %q", got)
	}
	m.Unmount()
	r.Settle(30*time.Second, []string{"new/", "new/one", "new/deep/", "new/deep/two"})
	if list := givenBelow(r); len(list) > 0 {
		t.Errorf("S3 was given %q", list)
	}
}

// synced waits until the mount has nothing to finish.
func synced(t *testing.T, m *rig.Mount) {
	t.Helper()
	if out, err := m.Mcfs(time.Minute, "sync", m.Path()); err != nil {
		t.Fatalf("sync: %v\n%s", err, out)
	}
}
