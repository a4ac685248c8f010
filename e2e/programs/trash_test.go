package programs

import (
	"path"
	"strings"
	"testing"

	"mcfs/e2e/rig"
)

// TestTrashOfAFilm: a desktop's trash takes a film that is too large for the spool to fetch,
// and a folder. Nothing in it is ready, which is what a sidecar would say; a mount that
// knows nothing finds them as they were, and they are ready again once they are put back.
func TestTrashOfAFilm(t *testing.T) {
	t.Parallel()
	rig.Need(t, "gio", "find", "sha256sum", "python3")
	r := rig.New(t, nil)
	m := r.Mount("warm")
	const look = `cd "$1"; sha256sum film.mp4 d/clip.mp4; stat -c '%n %a %.9Y %s' film.mp4 d/clip.mp4; python3 -c 'import os; print(os.getxattr("film.mp4", "user.scene"))'`
	shown := func(m *rig.Mount, dir string) string {
		t.Helper()
		return m.Shell(strings.ReplaceAll(look, "$1", dir))
	}
	want := m.Shell(`mkdir d; head -c 70000000 /dev/urandom >film.mp4; head -c 300000 /dev/urandom >d/clip.mp4
chmod 640 film.mp4; chmod 604 d/clip.mp4; python3 -c 'import os; os.setxattr("film.mp4", "user.scene", b"12")'
touch -d '2001-02-03 04:05:06.789 UTC' film.mp4 d/clip.mp4`) + shown(m, ".")
	m.Unmount()
	m = r.Mount("cold") // what is cached would be drawn into the spool
	m.Shell(`gio trash film.mp4 d; ls .Trash-0/info; [ -z "$(ls)" ]`)
	m.Unmount()
	ready := func() (names []string) {
		for _, key := range r.Keys() {
			if strings.HasSuffix(key, ".settings.json") {
				names = append(names, path.Base(key))
			}
		}
		return names
	}
	if got := ready(); len(got) > 0 {
		t.Errorf("in the trash, and ready: %q", got)
	}
	m = r.Mount("another")
	if got := shown(m, ".Trash-0/files"); got != want {
		t.Errorf("in the trash:\n%s\nbefore:\n%s", got, want)
	}
	m.Shell(`mv .Trash-0/files/* .; [ -z "$(find . -name '*.settings.json' -size 0)" ]`)
	m.Unmount()
	m = r.Mount("last")
	if got := shown(m, "."); got != want {
		t.Errorf("put back:\n%s\nbefore:\n%s", got, want)
	}
	if got := strings.Join(ready(), " "); got != "clip.mp4.settings.json film.mp4.settings.json" {
		t.Errorf("ready: %s", got)
	}
	m.Unmount()
}
