package programs

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// manager is a file manager on a desktop, asked over the desktop's bus to do what its
// menus do, with the whole selection: files and their sidecars.
type manager struct {
	*desktop
	b   *bench
	out string // a folder outside of the mount
	ask func(m *manager, what string, names []string, to string)
}

// newManager starts a program on a desktop with a bus, and waits for its name there.
func newManager(b *bench, ask func(*manager, string, []string, string), bus string, program ...string) *manager {
	b.t.Helper()
	m := &manager{desktop: newDesktop(b), b: b, out: filepath.Join(b.r.Dir, "out"), ask: ask}
	m.env = append(m.env, "GTK_A11Y=none", "GIO_USE_VFS=local", "DBUS_SESSION_BUS_ADDRESS="+m.bus())
	m.start(exec.Command(program[0], program[1:]...))
	m.run("gdbus", "wait", "--session", "--timeout", "60", bus)
	b.m.Shell(`mkdir x y z`)
	if err := os.Mkdir(m.out, 0o700); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// bus starts a bus for the programs of this desktop, and returns its address.
func (m *manager) bus() string {
	m.t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address=3")
	cmd.ExtraFiles = []*os.File{write}
	m.start(cmd)
	write.Close()
	address, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		m.t.Fatalf("the bus names no address: %v", err)
	}
	return strings.TrimSpace(address)
}

// start starts a program that lasts as long as the test.
func (m *manager) start(cmd *exec.Cmd) {
	m.t.Helper()
	cmd.Dir, cmd.Env = "/", m.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
}

// run runs a program on the desktop. It must end with status 0.
func (m *manager) run(name string, args ...string) {
	m.t.Helper()
	if err := m.try(name, args...); err != nil {
		m.t.Fatal(err)
	}
}

func (m *manager) try(name string, args ...string) error {
	cmd := exec.Command("timeout", append([]string{"120", name}, args...)...)
	cmd.Dir, cmd.Env = "/", m.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}

// call calls a method on the bus, and waits for its end.
func (m *manager) call(bus, object, method string, args ...string) {
	m.t.Helper()
	m.begin(bus, object, method, args...)()
}

// begin calls a method on the bus, which may ask something before it ends.
func (m *manager) begin(bus, object, method string, args ...string) (end func()) {
	args = append([]string{"call", "--session", "--timeout", "90", "-d", bus, "-o", object, "-m", method}, args...)
	ended := make(chan error, 1)
	go func() { ended <- m.try("gdbus", args...) }() // ends with the call
	return func() {
		m.t.Helper()
		if err := <-ended; err != nil {
			m.t.Fatal(err)
		}
	}
}

// list spells an array of strings for gdbus.
func list(names []string) string { return "['" + strings.Join(names, "','") + "']" }

// uri is the address of a path.
func uri(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// thunar has Thunar do it.
func thunar(m *manager, what string, names []string, to string) {
	m.t.Helper()
	const bus, object, files = "org.xfce.FileManager", "/org/xfce/FileManager", "org.xfce.FileManager."
	display := m.display()
	switch what {
	case "copy":
		m.call(bus, object, files+"CopyInto", "/", list(names), to, display, "")
	case "move":
		m.call(bus, object, files+"MoveInto", "/", list(names), to, display, "")
	case "trash":
		m.call(bus, object, "org.xfce.Trash.MoveToTrash", list(names), display, "")
	case "delete":
		answered := m.begin(bus, object, files+"UnlinkFiles", "/", list(names), display, "")
		m.answer("--name", "Attention", []string{"key", "Return"})
		answered()
	case "rename":
		answered := m.begin(bus, object, files+"RenameFile", names[0], display, "")
		m.answer("--name", "^Rename", []string{"key", "ctrl+a"}, []string{"type", "--delay", "20", to}, []string{"key", "Return"})
		answered()
	default:
		m.t.Fatalf("Thunar is not asked to %s", what)
	}
}

// nautilus has Nautilus do it, which takes the last of a selection first.
func nautilus(m *manager, what string, names []string, to string) {
	m.t.Helper()
	const bus, object, files = "org.gnome.Nautilus", "/org/gnome/Nautilus/FileOperations2", "org.gnome.Nautilus.FileOperations2."
	var uris []string
	for _, name := range slices.Backward(names) {
		uris = append(uris, uri(name))
	}
	switch what {
	case "copy":
		m.call(bus, object, files+"CopyURIs", list(uris), uri(to), "{}")
	case "move":
		m.call(bus, object, files+"MoveURIs", list(uris), uri(to), "{}")
	case "trash":
		m.call(bus, object, files+"TrashURIs", list(uris), "{}")
	case "delete":
		m.call(bus, object, files+"DeleteURIs", list(uris), "{}")
		m.answer("--class", ".", []string{"key", "alt+d"})
	case "rename":
		m.call(bus, object, files+"RenameURI", uris[0], to, "{}")
	default:
		m.t.Fatalf("Nautilus is not asked to %s", what)
	}
}

// display is the desktop's own.
func (m *manager) display() string {
	for _, v := range slices.Backward(m.env) {
		if display, ok := strings.CutPrefix(v, "DISPLAY="); ok {
			return display
		}
	}
	return ""
}

// answer waits for a window, presses keys in it, and waits until it is gone.
func (m *manager) answer(kind, window string, keys ...[]string) {
	m.t.Helper()
	m.xdotool("search", "--sync", "--onlyvisible", kind, window, "windowfocus", "--sync")
	for _, k := range keys {
		m.xdotool(k...)
	}
	for deadline := time.Now().Add(rig.Limit); len(m.questions()) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%s does not go by %q", window, keys)
		}
	}
}

// questions are the names of windows in which somebody would be asked or told something.
func (m *manager) questions() (names []string) {
	m.t.Helper()
	windows := func(args ...string) []string {
		cmd := exec.Command("timeout", append([]string{"60", "xdotool"}, args...)...)
		cmd.Env = m.env
		out, _ := cmd.Output() // it fails where there is no window, or none any more
		return strings.Fields(string(out))
	}
	for _, id := range windows("search", "--onlyvisible", "--class", ".") {
		name := strings.Join(windows("getwindowname", id), " ")
		if name != "File Operation Progress" && slices.Contains(windows("search", "--onlyvisible", "--class", "."), id) {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	return names
}

// folders are where files are put, in the mount and outside of it.
var folders = []string{"x", "y", "z", "out"}

// path is where a folder is.
func (m *manager) path(folder string) string {
	if folder == "out" {
		return m.out
	}
	return m.b.m.Path(folder)
}

// listed are the entries of a folder, and of the trash.
func (m *manager) listed(folder string) string {
	m.t.Helper()
	return strings.Join(strings.Fields(m.b.m.Run("find", m.path(folder), "-mindepth", "1", "-printf", "%P\n")), " ")
}

// do has all files of a folder, with their sidecars, put somewhere, and waits until the
// folders have what is wanted. Nobody may be asked or told anything.
func (m *manager) do(what, from, to string, before bool, want map[string]string) {
	m.t.Helper()
	var names []string
	for name := range strings.Lines(m.b.m.Run("ls", m.path(from))) {
		names = append(names, filepath.Join(m.path(from), strings.TrimSpace(name)))
	}
	if before {
		slices.Reverse(names)
	}
	m.ask(m, what, names, to)
	m.await(fmt.Sprintf("%s from %s to %s, each sidecar before its file: %v", what, from, to, before), want)
}

// await waits until the folders have what is wanted.
func (m *manager) await(after string, want map[string]string) {
	m.t.Helper()
	for deadline := time.Now().Add(rig.Limit); ; time.Sleep(50 * time.Millisecond) {
		right, got := true, ""
		for _, folder := range folders {
			names := strings.Split(m.listed(folder), " ")
			slices.Sort(names)
			is := strings.Join(names, " ")
			right = right && is == want[folder]
			got += fmt.Sprintf("%s: %s\n", folder, is)
		}
		if asked := m.questions(); len(asked) > 0 {
			m.t.Fatalf("%s: somebody is asked something by %q; there is\n%s", after, asked, got)
		}
		if right {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: there is\n%s\nwanted: %q", after, got, want)
		}
	}
}

// both are what a folder lists of the films.
const (
	films = "a.mov b%c.mov d"
	both  = "a.mov a.mov.settings.json b%c.mov b%c.mov.settings.json d d.settings.json"
)

// rounds have a file manager do everything with files and their sidecars, each sidecar
// before its file or behind it, and leave the films in y.
func (m *manager) rounds(before bool) {
	m.t.Helper()
	m.b.m.Shell(`rm -f y/*; for f in a.mov b%c.mov d; do echo "film $f" >"x/$f"; done`)
	do := func(what, from, to, x, y, z, out string) {
		m.t.Helper()
		m.do(what, from, m.path(to), before, map[string]string{"x": x, "y": y, "z": z, "out": out})
	}
	do("copy", "x", "y", both, both, "", "")
	do("move", "y", "z", both, "", both, "")
	do("move", "z", "y", both, both, "", "") // to where they have just come from
	if before {
		do("move", "y", "out", both, "", "", both)
		do("copy", "out", "y", both, both, "", both)
		m.b.m.Shell(`rm '` + m.out + `'/*`)
	}
	do("copy", "y", "out", both, both, "", both)
	do("trash", "y", "y", both, "", "", both)
	m.emptyTrash()
	do("copy", "out", "y", both, both, "", both)
	do("delete", "x", "x", "", both, "", both)
	if err := os.RemoveAll(m.out); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Mkdir(m.out, 0o700); err != nil {
		m.t.Fatal(err)
	}
}

// emptyTrash demands the films in the trash, none of which is ready, and removes it.
func (m *manager) emptyTrash() {
	m.t.Helper()
	if got := strings.Join(strings.Fields(m.b.m.Shell(`ls .Trash-*/files`)), " "); got != films {
		m.t.Errorf("in the trash there is %q", got)
	}
	if out, err := m.b.m.Mcfs(rig.Limit, "sync", m.b.m.Dir); err != nil {
		m.t.Fatalf("mcfs sync: %v\n%s", err, out)
	}
	for _, key := range m.b.r.Keys() {
		if strings.Contains(key, "Trash") && strings.HasSuffix(key, rig.SidecarSuffix) {
			m.t.Errorf("in the trash, and ready: %s", key)
		}
	}
	m.b.m.Shell(`rm -r .Trash-*`)
}

// folder has a folder of films moved and copied, and a film renamed.
func (m *manager) folder() {
	m.t.Helper()
	const roll, rolls = "roll", "roll roll/a.mov roll/a.mov.settings.json roll/b%c.mov roll/b%c.mov.settings.json roll/d roll/d.settings.json"
	m.b.m.Shell(`mkdir x/roll; mv y/* x/roll`)
	for _, step := range []struct{ what, from, to, x, y, z, out string }{
		{"move", "x", "y", "", rolls, "", ""},
		{"move", "y", "x", rolls, "", "", ""},
		{"copy", "x", "z", rolls, "", rolls, ""},
		{"move", "x", "out", "", "", rolls, rolls},
	} {
		m.do(step.what, step.from, m.path(step.to), false, map[string]string{"x": step.x, "y": step.y, "z": step.z, "out": step.out})
	}
	m.b.m.Shell(`rm -r '` + m.out + `'/*`)
	m.ask(m, "rename", []string{m.b.m.Path("z", roll, "a.mov")}, "new.mov")
	m.await("rename", map[string]string{"z": "roll roll/b%c.mov roll/b%c.mov.settings.json roll/d roll/d.settings.json roll/new.mov roll/new.mov.settings.json"})
	m.b.locally(`mkdir -p x y z/roll; cd z/roll; echo 'film a.mov' >new.mov; echo 'film b%c.mov' >b%c.mov; echo 'film d' >d`)
}

// drive does all of it with a file manager, and looks at what the bucket has then.
func (m *manager) drive() {
	m.t.Helper()
	for _, before := range []bool{false, true} {
		m.rounds(before)
	}
	m.folder()
	m.b.alike(m.b.m, "where it was done")
	m.b.m.Unmount()
	m.b.settled()
	cold := m.b.r.Mount("cold")
	m.b.alike(cold, "cold")
	m.b.r.Truth(cold)
	cold.Unmount()
}

// TestThunar: copies, moves, trashes, deletes and renames files that are selected with
// their sidecars, as Thunar does it. Nobody is asked or told anything.
func TestThunar(t *testing.T) {
	rig.Need(t, "thunar", "Xvfb", "xdotool", "dbus-daemon", "gdbus")
	newManager(newBench(t, nil), thunar, "org.xfce.FileManager", "thunar", "--daemon").drive()
}

// TestNautilus is TestThunar with Nautilus.
func TestNautilus(t *testing.T) {
	rig.Need(t, "nautilus", "Xvfb", "xdotool", "dbus-daemon", "gdbus")
	newManager(newBench(t, nil), nautilus, "org.gnome.Nautilus", "nautilus", "--gapplication-service").drive()
}
