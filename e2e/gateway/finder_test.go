package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mcfs/e2e/rig"
)

// info are Finder's 60 bytes of a file.
const info = `
info = b'AFP\0' + struct.pack('>LLL', 0x100, 0, 0x80) + b'MooVTVOD' + noise(24) + bytes(12)
`

// TestFinderSaves has a Mac copy a folder, save a document, save over it, move, and throw away. Each
// file is in S3 as one upload, when its close has returned.
func TestFinderSaves(t *testing.T) {
	t.Parallel()
	r, m := mount(t, nil)
	g := serve(t, m, "", nil)
	g.mac(info + `
film, cut = noise(6000000), noise(650000)
mac.folder('Shots')
# A copy: made empty, grown, written, cut, dated, with Finder's bytes while it is open.
h, _ = mac.open('Shots/film.mov', how=CREATE)
mac.truncate(h, len(film))
mac.write(h, film)
i, _ = mac.open('Shots/film.mov' + AFP_INFO)
mac.write(i, info)
mac.close(i)
mac.born(h, 130000000000000000)
mac.flush(h)
mac.close(h)
h, _ = mac.open('Shots/cut.mov', how=CREATE)
mac.write(h, cut + b'more')
mac.truncate(h, len(cut))
mac.close(h)
mac.put('Shots/.DS_Store', noise(6148))
check('film', mac.get('Shots/film.mov'), film)
check('cut', mac.get('Shots/cut.mov'), cut)
check('bytes of Finder', mac.get('Shots/film.mov' + AFP_INFO, 60), info)
h, _ = mac.open('Shots/film.mov', READ, how=OPEN_IT)
check('creation', mac.born(h), 130000000000000000)
# A folder whose file is open moves along.
mac.move('Shots', 'Takes', options=FOLDER)
mac.close(h)
check('moved', mac.get('Takes/film.mov'), film)
check('creation of the moved', mac.born(mac.open('Takes/film.mov', READ, how=OPEN_IT)[0]), 130000000000000000)
`)
	r.Settle(30*time.Second, []string{"Takes/", "Takes/film.mov", "Takes/cut.mov"})
	saves := r.Saves(0)
	for _, name := range []string{"Shots/film.mov", "Shots/cut.mov"} {
		if saves[name].Objects != 1 || saves[name].Sidecars != 1 {
			t.Errorf("%s was saved as %v", name, saves[name])
		}
	}
	for name := range saves {
		if base := name[strings.LastIndex(name, "/")+1:]; strings.HasPrefix(base, ".") {
			t.Errorf("%s has been in the bucket", name)
		}
	}
	r.Truth(m, "Takes/.DS_Store")
	m.Unmount()
	cold := r.Mount("cold")
	again := serve(t, cold, "", nil)
	again.mac(`
check('creation, elsewhere', mac.born(mac.open('Takes/film.mov', READ, how=OPEN_IT)[0]), 130000000000000000)
check('bytes of Finder, elsewhere', mac.get('Takes/film.mov' + AFP_INFO, 60)[16:24], b'MooVTVOD')
`)
	cold.Unmount()
}

// TestDocumentSaved saves a document as macOS does: into a folder beside it and over the old one, and by
// two moves; then a folder with what Finder leaves in it is removed, file by file.
func TestDocumentSaved(t *testing.T) {
	t.Parallel()
	r, m := mount(t, nil)
	g := serve(t, m, "", nil)
	g.mac(`
mac.put('notes.txt', b'old')
mac.put('cut.prproj', b'one')
`)
	r.Settle(30*time.Second, []string{"notes.txt", "cut.prproj"})
	mark := r.Mark()
	g.mac(`
beside, new = '(A Document Being Saved By TextEdit)', noise(40000)
mac.folder(beside)
mac.put(beside + '/notes.txt', new)
mac.move(beside + '/notes.txt', 'notes.txt', over=True)
mac.remove(beside, FOLDER)
check('saved', mac.get('notes.txt'), new)
check('the folder', refused(lambda: mac.open(beside, how=OPEN_IT)), 'STATUS_OBJECT_NAME_NOT_FOUND')
mac.put('cut.prproj.sb-1234abcd-AbCdEf', b'two')
mac.move('cut.prproj', 'cut.prproj.sb-5678abcd-GhIjKl')
mac.move('cut.prproj.sb-1234abcd-AbCdEf', 'cut.prproj')
mac.remove('cut.prproj.sb-5678abcd-GhIjKl')
check('swapped', mac.get('cut.prproj'), b'two')
check('not over', refused(lambda: mac.move('notes.txt', 'cut.prproj')), 'STATUS_OBJECT_NAME_COLLISION')
mac.folder('bin')
mac.put('bin/a.mov', noise(1000))
mac.put('bin/.DS_Store', noise(6148))
mac.folder('bin/deep')
mac.put('bin/deep/b.mov', noise(1000))
`)
	r.Settle(30*time.Second, []string{"notes.txt", "cut.prproj", "bin/", "bin/a.mov", "bin/deep/", "bin/deep/b.mov"})
	saves := r.Saves(mark)
	for name, s := range saves {
		if strings.Contains(name, ".sb-") || strings.Contains(name, ".DS_Store") {
			t.Errorf("%s has been in the bucket: %v", name, s)
		}
	}
	if s := saves["cut.prproj"]; s.Objects != 1 {
		t.Errorf("the project was saved as %v", s)
	}
	g.client("deltree bin")
	r.Settle(30*time.Second, []string{"notes.txt", "cut.prproj"})
	r.Truth(m)
	m.Unmount()
}

// TestForks keeps what belongs to a file and is not its content. A resource fork of any size stays in the spool,
// as ._NAME, and goes with the file; an attribute that S3 has no room for is refused, and the file is whole.
func TestForks(t *testing.T) {
	t.Parallel()
	r, m := mount(t, nil)
	g := serve(t, m, "", nil)
	g.mac(`
for size in (1 << 10, 1 << 20):
    name, fork, film = 'fork%d.mov' % size, noise(size), noise(300000)
    mac.put(name, film)
    h, _ = mac.open(name + AFP_RESOURCE)
    mac.truncate(h, 0)
    mac.write(h, fork)
    mac.truncate(h, size)
    mac.close(h)
    check('fork', mac.get(name + AFP_RESOURCE), fork)
    mac.move(name, 'moved-' + name)
    check('fork of the moved', mac.get('moved-' + name + AFP_RESOURCE), fork)
    check('content', mac.get('moved-' + name), film)
# The server itself has these files.
check('a file ._NAME', refused(lambda: mac.put('._mine', b'x')), 'STATUS_OBJECT_NAME_NOT_FOUND')
# Names and values as Finder and browsers set them, below a kilobyte in all.
h, film = mac.open('tagged.mov')[0], noise(300000)
mac.write(h, film)
mac.put('tagged.mov:com.apple.metadata\uf022_kMDItemUserTags:$DATA', noise(60))
mac.put('tagged.mov:com.apple.quarantine:$DATA', noise(60))
mac.put('tagged.mov:com.apple.FinderComment:$DATA', noise(400))
check('an attribute', len(mac.get('tagged.mov:com.apple.FinderComment:$DATA')), 400)
for size in (2100, 70000):
    large = 'tagged.mov:com.apple.large%d:$DATA' % size
    s, _ = mac.open(large)
    check('%d bytes' % size, refused(lambda: mac.write(s, noise(size))), 'STATUS_DISK_FULL')
    mac.close(s)
mac.write(h, b'goes on', len(film))
mac.close(h)
check('the file', mac.get('tagged.mov'), film + b'goes on')
`)
	small, large := fmt.Sprintf("moved-fork%d.mov", 1<<10), fmt.Sprintf("moved-fork%d.mov", 1<<20)
	r.Settle(30*time.Second, []string{small, large, "tagged.mov"})
	r.Truth(m, "._"+small, "._"+large)
	m.Unmount()
	again := m.Again()
	g.mac(fmt.Sprintf(`check('fork after a restart', len(mac.get('%s' + AFP_RESOURCE)), 1 << 20)`, large))
	g.mac(fmt.Sprintf(`mac.remove('%s')`, large))
	r.Settle(30*time.Second, []string{small, "tagged.mov"})
	if out := again.Run("ls", "-A"); strings.Contains(out, "._"+large) {
		t.Errorf("the fork has outlived its file:\n%s", out)
	}
	again.Unmount()
}

// TestNames looks files up in other case among a thousand, and without asking S3 for each; modes are those
// of the configuration, whatever the client wishes.
func TestNames(t *testing.T) {
	t.Parallel()
	const many = 1000
	r, m := mount(t, rig.Settings{"mount.durability": `"spool"`, "mount.fresh": `"1h"`})
	g := serve(t, m, "", nil)
	g.mac(`mac.folder('d')`)
	for i := range many { // by another program; who looks for them sees them when the listing is made anew
		r.Put(rig.Prefix+fmt.Sprintf("d/Clip-%d.MOV", i), rig.Object{Body: fmt.Appendln(nil, i)})
	}
	m.Unmount()
	m = m.Again()
	g.mac(`mac.get('d/Clip-0.MOV')`)
	mark := r.Mark()
	g.mac(fmt.Sprintf(`
for i in range(0, %d, 50):
    check('of another case', mac.get('D/clip-%%d.mov' %% i, 4), ('%%d\n' %% i).encode()[:4])
    check('of no case', refused(lambda: mac.get('d/clap-%%d.mov' %% i)), 'STATUS_OBJECT_NAME_NOT_FOUND')
mac.put('d/CLIP-7.mov', b'again\n')
h, _ = mac.open('d/new.mov', how=CREATE)
mac.close(h)
mac.folder('d/e')
mac.put('d/take\uf0221\uf025.mov', b'x') # as Finder sends "take:1?.mov"
`, many))
	listings := 0
	for _, q := range r.S3.Proxy.Requests()[mark:] {
		if strings.HasPrefix(q.Op, "List") {
			listings++
		}
	}
	if listings > 10 {
		t.Errorf("S3 was asked for %d listings, for 42 names", listings)
	}
	if got := strings.Fields(m.Run("stat", "-c", "%a:%U", "d/new.mov", "d/e", "d/Clip-7.MOV")); got[0] != "770:"+owner || got[1] != "770:"+owner {
		t.Errorf("modes and owners are %q", got)
	}
	if got := m.Run("cat", "d/Clip-7.MOV"); got != "again\n" {
		t.Errorf("written under another case: %q", got)
	}
	m.Run("test", "-f", "d/take:1?.mov")
	m.Unmount()
}
