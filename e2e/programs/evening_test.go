package programs

import (
	"bufio"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// evening is what a DIT does with the card of a day, step by step.
var evening = []struct{ what, script string }{
	{"a card is copied, looked at again, and checked", `
rsync -a "$CARD/" A001; [ -z "$(rsync -ai --exclude '*.settings.json' "$CARD/" A001)" ]; cd A001; sha256sum -c --quiet A001.sha256`},
	{"proxies are made", `
mkdir proxies; for clip in A001C001 A001C002; do ffmpeg -v error -i A001/$clip.mov -c:v libx264 -pix_fmt yuv420p -movflags +faststart proxies/$clip.mp4; done
for clip in proxies/*.mp4; do ffmpeg -v error -i $clip -f null -; done; [ $(ls proxies/*.settings.json | wc -l) = 2 ]`},
	{"an edit list is begun in an editor, and saved again", `
edit() { vim -u NONE -i NONE -N -es -c 'set swapfile directory=. backup backupskip=' "$@" </dev/null; }
edit -c 'normal iTITLE: day one' -c wq day.edl; edit -c '%s/one/1/' -c wq day.edl; [ "$(cat day.edl)" = "TITLE: day 1" ]`},
	{"the folder gets its name, and is checked again", `
mv A001 'A001 day 1'; cd 'A001 day 1'; sha256sum -c --quiet A001.sha256`},
	{"a proxy goes to the trash", `
gio trash proxies/A001C002.mp4; [ "$(ls -A .Trash-0/files)" = A001C002.mp4 ]; [ "$(ls proxies)" = "A001C001.mp4
A001C001.mp4.settings.json" ]`},
}

// TestEveningOfADIT: nothing in it is surprising, nor is what the bucket has at its end, and it
// was given nothing under a name that nobody means.
func TestEveningOfADIT(t *testing.T) {
	t.Parallel()
	rig.Need(t, "rsync", "sha256sum", "ffmpeg", "vim", "gio", "bash")
	r := rig.New(t, rig.Settings{"mount.grace": `"1h"`}) // a busy machine may take longer from a close to a rename
	m := r.Mount("warm")
	card := makeCard(t)
	for _, step := range evening {
		if out, err := m.TryShell(rig.Limit, "export CARD='"+card+"'"+step.script); err != nil {
			t.Fatalf("%s: %v\n%s", step.what, err, out)
		}
	}
	unmountWhileWriting(t, m)
	left := []string{"A001 day 1/A001.sha256", "A001 day 1/A001C001.mov", "A001 day 1/A001C002.mov", "proxies/A001C001.mp4", "day.edl", "day.edl~", "notes.txt"}
	r.Settle(30*time.Second, append([]string{"A001 day 1/", "proxies/"}, left...))
	meant := append([]string{"A001/A001.sha256", "A001/A001C001.mov", "A001/A001C002.mov", "proxies/A001C002.mp4"}, left...)
	for key, given := range r.Writes() {
		name := strings.TrimSuffix(key, rig.SidecarSuffix)
		if !strings.HasSuffix(name, "/") && !slices.Contains(meant, name) {
			t.Errorf("S3 was given %s: %v", key, given)
		}
	}
	cold := r.Mount("cold")
	cold.Shell(`cd 'A001 day 1'; sha256sum -c --quiet A001.sha256; [ "$(cat ../day.edl ../notes.txt)" = "TITLE: day 1
begun
done" ]`)
	r.Truth(cold)
	cold.Unmount()
}

// makeCard is a card with two clips and a manifest of their sums.
func makeCard(t *testing.T) string {
	t.Helper()
	card := t.TempDir()
	const script = `cd "$1"; for i in 1 2; do ffmpeg -v error -f lavfi -i testsrc=size=320x180:rate=25:duration=2 -c:v mjpeg -q:v 2 -y A001C00$i.mov; done
head -c 9000000 /dev/urandom >>A001C002.mov; sha256sum *.mov >A001.sha256`
	if out, err := exec.Command("bash", "-euc", script, "bash", card).CombinedOutput(); err != nil {
		t.Fatalf("make a card: %v\n%s", err, out)
	}
	return card
}

// unmountWhileWriting unmounts while a program has a file open: that is refused, and it is named.
// Once it has closed its file, which goes on undisturbed, the unmount succeeds.
func unmountWhileWriting(t *testing.T, m *rig.Mount) {
	t.Helper()
	cmd := exec.Command("bash", "-c", "exec 3>notes.txt; echo begun >&3; echo; read -r; echo done >&3")
	cmd.Dir = m.Dir
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Error(err)
	}
	said, err := m.Mcfs(time.Minute, "unmount", m.Path())
	if err == nil || !strings.Contains(said, "bash") || !strings.Contains(said, "notes.txt") {
		t.Errorf("unmount while a file is open: %v: %s", err, said)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program: %v", err)
	}
	m.Unmount()
}
