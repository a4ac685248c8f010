package programs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// terminal is a tmux session in which a program is used by its keys.
type terminal struct {
	t      *testing.T
	m      *rig.Mount
	socket string
}

// newTerminal starts a program in the mount's directory. The tmux server itself
// stays outside of it.
func newTerminal(b *bench, m *rig.Mount, command string) *terminal {
	b.t.Helper()
	s := &terminal{b.t, m, filepath.Join(b.t.TempDir(), "tmux")}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "-c", m.Dir, command)
	b.t.Cleanup(func() { _, _ = s.try("kill-server") })
	return s
}

func (s *terminal) try(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm", "HOME="+filepath.Dir(s.socket))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *terminal) tmux(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return out
}

// keys presses keys, by tmux's names for them.
func (s *terminal) keys(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

// shows waits until the screen shows a text.
func (s *terminal) shows(text string) {
	s.t.Helper()
	screen := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if screen = s.tmux("capture-pane", "-p"); strings.Contains(screen, text) {
			return
		}
	}
	s.t.Fatalf("the screen does not show %q but\n%s", text, screen)
}

// ends waits until the program has ended, and with it the session.
func (s *terminal) ends() {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := s.try("has-session"); err != nil {
			return
		}
	}
	s.t.Fatalf("the program does not end; its screen is\n%s", s.tmux("capture-pane", "-p"))
}

// TestNano types a new file, changes it, and searches and replaces in it, with
// backups on.
func TestNano(t *testing.T) {
	rig.Need(t, "nano", "tmux")
	b := newBench(t, nil)
	s := newTerminal(b, b.m, "nano --ignorercfiles --backup note.txt")
	s.shows("New File")
	s.keys("first line", "Enter", "second line", "Enter")
	s.keys("C-s")
	s.shows("Wrote 3 lines")
	s.keys("third line", "Enter", "C-o")
	s.shows("File Name to Write [Backup]: note.txt")
	s.keys("Enter")
	s.shows("Wrote 4 lines")
	s.keys("C-x")
	s.ends()
	s = newTerminal(b, b.m, "nano --ignorercfiles --backup note.txt")
	s.shows("third line")
	s.keys("C-\\")
	s.shows("Search (to replace)")
	s.keys("line", "Enter")
	s.shows("Replace with")
	s.keys("row", "Enter")
	s.shows("Replace this instance?")
	s.keys("A")
	s.shows("Replaced 3 occurrences")
	s.keys("C-x")
	s.shows("Save modified buffer?")
	s.keys("Y")
	s.shows("File Name to Write [Backup]: note.txt")
	s.keys("Enter")
	s.ends()
	b.locally(`printf 'first row\nsecond row\nthird row\n\n' >note.txt; printf 'first line\nsecond line\nthird line\n\n' >note.txt~`)
	b.finish(each(restated(3, 3), "", "note.txt"), each(restated(1, 3), "", "note.txt~"))
}

// TestVimByHand writes with vim as a person does: :w again and again, another
// file, a rescue from the swap file of an editor that was killed.
func TestVimByHand(t *testing.T) {
	rig.Need(t, "vim", "tmux")
	b := newBench(t, nil)
	const vim = "vim -u NONE -i NONE -N --cmd 'set directory=. updatecount=1 shortmess='"
	s := newTerminal(b, b.m, vim+" a.txt")
	s.shows("[New")
	s.keys("i", "hello", "Enter", "world", "Escape", ":w", "Enter")
	s.shows("written")
	if got := b.m.Run("cat", "a.txt"); got != "hello\nworld\n" {
		t.Errorf("after :w the file holds %q", got)
	}
	s.keys("gg", "A", ", big", "Escape", ":w", "Enter")
	s.shows("17 bytes written")
	s.keys(":sav b.txt", "Enter")
	s.shows("b.txt")
	s.keys("G", "o", "never saved", "Escape", ":preserve", "Enter")
	s.shows("File preserved")
	s.tmux("kill-server")
	b.m.Within(20*time.Second, "the swap file", func() error {
		_, err := os.Stat(b.m.Path(".b.txt.swp"))
		return err
	})
	s = newTerminal(b, b.m, vim+" -r b.txt")
	s.shows("ENTER")
	s.keys("Enter")
	s.shows("never saved")
	s.keys(":w!", "Enter")
	s.shows("written")
	s.keys(":q", "Enter")
	s.ends()
	b.m.Run("rm", ".b.txt.swp")
	b.locally(`printf 'hello, big\nworld\n' >a.txt; printf 'hello, big\nworld\nnever saved\n' >b.txt`)
	// vim sets the mode after its close: a machine that is slow gets to it behind the first put.
	b.finish(each(restated(2, 2), "", "a.txt", "b.txt"))
}
