package privacy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// stranger is a user who is not the one that mounts, and in none of their groups.
const stranger = 65534

// asStranger runs a script as the stranger: what it printed, and how it ended.
func asStranger(t *testing.T, m *rig.Mount, script string) (string, error) {
	t.Helper()
	cmd := exec.Command("bash", "-euc", script)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "LC_ALL=C", "HOME=/", "mnt="+m.Dir, "spool="+m.Spool, fmt.Sprint("pid=", m.PID()))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	m.Within(rig.Limit, "a stranger's "+script, func() error {
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("become user %d: %w", stranger, err)
		}
		_ = cmd.Wait()
		return nil
	})
	if cmd.ProcessState.Success() {
		return out.String(), nil
	}
	return out.String(), fmt.Errorf("%v", cmd.ProcessState)
}

// refused demands that a script of the stranger's fails, for want of permission.
func refused(t *testing.T, m *rig.Mount, script string) {
	t.Helper()
	out, err := asStranger(t, m, script)
	if err == nil || !strings.Contains(out, "Permission denied") && !strings.Contains(out, "Operation not permitted") {
		t.Errorf("a stranger's %q: %v, %s", script, err, out)
	}
}

// granted demands that it succeeds.
func granted(t *testing.T, m *rig.Mount, script string) string {
	t.Helper()
	out, err := asStranger(t, m, script)
	if err != nil {
		t.Errorf("a stranger's %q: %v, %s", script, err, out)
	}
	return out
}

// open lets everybody walk to the mountpoint, so that what keeps a stranger out
// is the mount, and shows that they can.
func open(t *testing.T, r *rig.Rig, m *rig.Mount) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test must become another user: run it as root")
	}
	for dir := r.Dir; strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	beside := filepath.Join(r.Dir, "beside")
	if err := os.WriteFile(beside, []byte("a file beside the mount"), 0o644); err != nil {
		t.Fatal(err)
	}
	granted(t, m, "cat "+beside)
}

// TestAnotherUserStaysOut: nobody but the user who mounted enters, whatever the
// modes of the files say, nor sees or asks what mcfs keeps of it.
func TestAnotherUserStaysOut(t *testing.T) {
	rig.Need(t, "bash")
	r := rig.New(t, nil)
	m := r.Mount("a")
	m.Shell(`echo public >f; chmod 666 f; chmod 777 .`)
	open(t, r, m)
	for _, script := range []string{
		`ls $mnt`, `cat $mnt/f`, `cat $mnt/f.settings.json`, `echo mine >$mnt/f`, `echo mine >$mnt/new`, `rm $mnt/f`, `stat $mnt/f`, `cd $mnt`,
		`ls $spool`, `cat $spool/journal/log`, `echo 1 >$spool/lock`,
		`cat $mnt/../1-config.toml`,
		`cat /proc/$pid/environ`, `ls /proc/$pid/fd`, `head -c 1 /proc/$pid/mem`, `cat /proc/$pid/maps`, `kill $pid`,
	} {
		refused(t, m, script)
	}
	// The daemon cannot be told to end, nor asked what is in it.
	for _, line := range []string{"unmount --now", "sync", "status --json"} {
		binary := rig.Binary(t, rig.Race)
		if err := os.Chmod(filepath.Dir(binary), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := asStranger(t, m, binary+" "+line+" $mnt"); err == nil || strings.Contains(out, "public") {
			t.Errorf("a stranger's mcfs %s: %v, %s", line, err, out)
		}
	}
	if got := m.Run("cat", "f"); got != "public\n" {
		t.Errorf("f is now %q", got)
	}
	m.Unmount()
}

// TestAnotherUserLetIn: with allow_other the modes and owners decide, as on a disk.
func TestAnotherUserLetIn(t *testing.T) {
	rig.Need(t, "bash")
	r := rig.New(t, rig.Settings{"mount.allow_other": "true"})
	m := r.Mount("a")
	m.Shell(`umask 022
		echo public >public
		echo secret >secret; chmod 600 secret
		echo ours >ours; chmod 640 ours
		mkdir private shared
		echo inside >private/f; chmod 700 private
		echo theirs >shared/theirs; chmod 1777 shared
		ln -s secret link
		setfattr -n user.color -v red public 2>/dev/null || python3 -c 'import os; os.setxattr("public", "user.color", b"red")'`)
	open(t, r, m)
	if out := granted(t, m, `cat $mnt/public; ls $mnt; stat -c %U $mnt/secret`); !strings.HasPrefix(out, "public\n") || !strings.Contains(out, "secret") {
		t.Errorf("a stranger saw %q", out)
	}
	for _, script := range []string{
		`cat $mnt/secret`, `cat $mnt/link`, `cat $mnt/ours`, `cat $mnt/private/f`, `ls $mnt/private`, `stat $mnt/private/f`,
		`echo mine >>$mnt/public`, `: >$mnt/public`, `echo mine >$mnt/new`, `mkdir $mnt/d`, `ln -s x $mnt/l`,
		`rm -f $mnt/public`, `mv $mnt/public $mnt/shared/public`, `rm -f $mnt/shared/theirs`, `mv $mnt/shared/theirs $mnt/shared/mine`, `rmdir $mnt/private`,
		`chmod 777 $mnt/secret`, `chown ` + fmt.Sprint(stranger) + ` $mnt/secret`, `touch -d 2001-01-01 $mnt/public`, `truncate -s 1 $mnt/public`,
		`ls $spool`, `cat $spool/journal/log`,
	} {
		refused(t, m, script)
	}
	granted(t, m, `umask 077; echo mine >$mnt/shared/mine; echo more >>$mnt/shared/mine; mkdir $mnt/shared/d; ln -s x $mnt/shared/l; cat $mnt/shared/mine`)
	want := fmt.Sprintf("600 %d:%d\n700 %[1]d:%[2]d\n777 %[1]d:%[2]d\n", stranger, stranger)
	if got := m.Shell(`stat -c '%a %u:%g' shared/mine shared/d shared/l`); got != want {
		t.Errorf("what a stranger made is\n%snot\n%s", got, want)
	}
	granted(t, m, `mv $mnt/shared/mine $mnt/shared/m; rm $mnt/shared/m $mnt/shared/l; rmdir $mnt/shared/d`)
	if got := m.Shell(`cat public secret ours private/f shared/theirs`); got != "public\nsecret\nours\ninside\ntheirs\n" {
		t.Errorf("the files are now %q", got)
	}
	m.Unmount()
}
