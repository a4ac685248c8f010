package volume

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/crypt"
	"mcfs/volume/file"
)

// unisonsFolder is what unison calls a folder "new" until all of it is there.
const unisonsFolder = ".unison.new.1c034d237d282f009ab3289f25ab5cc2.unison.tmp"

// stagingRig is a volume with such a folder, and what its store was asked to make below that.
type stagingRig struct {
	*rig
	f    *flaky
	mu   sync.Mutex
	made []string
}

// inStaging runs a test in a bubble: two files have been saved into the folder.
func inStaging(t *testing.T, test func(t *testing.T, r *stagingRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newStaging(t)
		r.save(unisonsFolder+"/a", []byte("a"))
		r.save(unisonsFolder+"/deep/b", []byte("b"))
		test(t, r)
	})
}

func newStaging(t *testing.T) *stagingRig {
	rig, f := newFlakyRig(t, crypt.CTR)
	r := &stagingRig{rig: rig, f: f}
	f.set(r.note)
	r.mkdir(unisonsFolder)
	r.mkdir(unisonsFolder + "/deep")
	return r
}

// note notes what is put, begun or copied below the folder, but for the markers of directories.
func (r *stagingRig) note(op, key string) error {
	if op != "put" && op != "begin" && op != "copy" || !strings.HasPrefix(key, unisonsFolder+"/") || strings.HasSuffix(key, "/") {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made = append(r.made, op+" "+key)
	return nil
}

// nothingMade demands that the store was asked for nothing below the folder.
func (r *stagingRig) nothingMade() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.made) > 0 {
		r.t.Errorf("the store was asked for %q", r.made)
	}
}

// arrived demands that the two files are there under the names that the folder's rename has given them.
func (r *stagingRig) arrived() {
	r.t.Helper()
	r.sync()
	r.expectObjects("new/", "new/a", "new/a.settings.json", "new/deep/", "new/deep/b", "new/deep/b.settings.json")
	r.truthful()
	r.holds("in the end", map[string]string{"new/a": "a", "new/deep/b": "b", unisonsFolder: ""})
	r.cold()
	r.holds("cold", map[string]string{"new/a": "a", "new/deep/b": "b"})
}

// TestStagedFolder: what is saved into the folder is safe here, and leaves once, for the name
// that it has after the folder's rename.
func TestStagedFolder(t *testing.T) {
	inStaging(t, func(t *testing.T, r *stagingRig) {
		closed := time.Now()
		if d := r.draft(r.v.Status(), unisonsFolder+"/a"); d.State != "temporary" || !d.Safe || !d.Claims.Equal(closed.Add(30*time.Second)) {
			t.Errorf("status: %+v", d)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.mustRename(unisonsFolder, "new", 0)
		r.sync()
		r.nothingMade()
		r.arrived()
	})
}

// TestStagedFolderIsKilled: before and after the rename, which had no store to finish it.
func TestStagedFolderIsKilled(t *testing.T) {
	bubble(t, "before", func(t *testing.T) {
		r := newStaging(t)
		r.save(unisonsFolder+"/a", []byte("a"))
		r.save(unisonsFolder+"/deep/b", []byte("b"))
		r.settle()
		r.crash(r.f, "again")
		r.f.set(r.note)
		if d := r.draft(r.v.Status(), unisonsFolder+"/deep/b"); d.State != "temporary" || d.Claims.IsZero() {
			t.Errorf("after a restart: %+v", d)
		}
		r.mustRename(unisonsFolder, "new", 0)
		r.settle()
		r.nothingMade()
		r.expectObjects("new/", "new/a", "new/a.settings.json", "new/deep/", "new/deep/b", "new/deep/b.settings.json")
		r.arrived()
	})
	bubble(t, "after", func(t *testing.T) {
		r := newStaging(t)
		r.save(unisonsFolder+"/a", []byte("a"))
		r.save(unisonsFolder+"/deep/b", []byte("b"))
		r.f.set(down)
		r.mustRename(unisonsFolder, "new", 0)
		r.crash(r.f, "again")
		r.f.set(r.note)
		r.sync()
		r.nothingMade()
		r.arrived()
	})
	bubble(t, "before, and it is not renamed", func(t *testing.T) {
		r := newStaging(t)
		r.save(unisonsFolder+"/a", []byte("a"))
		r.crash(r.f, "again")
		time.Sleep(31 * time.Second)
		synctest.Wait()
		r.expectObjects(unisonsFolder+"/", unisonsFolder+"/a", unisonsFolder+"/a.settings.json", unisonsFolder+"/deep/")
	})
}

// TestStagedFileIsSynced: by its path, and by an unmount; the rename moves what has left.
func TestStagedFileIsSynced(t *testing.T) {
	inStaging(t, func(t *testing.T, r *stagingRig) {
		if err := r.v.Sync(t.Context(), unisonsFolder+"/a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the folders, for which a file's sync does not wait
		r.expectObjects(unisonsFolder+"/", unisonsFolder+"/a", unisonsFolder+"/a.settings.json", unisonsFolder+"/deep/")
		r.mustRename(unisonsFolder, "new", 0)
		r.arrived()
	})
	inStaging(t, func(t *testing.T, r *stagingRig) {
		r.cold()
		r.expectObjects(unisonsFolder+"/", unisonsFolder+"/a", unisonsFolder+"/a.settings.json",
			unisonsFolder+"/deep/", unisonsFolder+"/deep/b", unisonsFolder+"/deep/b.settings.json")
		r.mustRename(unisonsFolder, "new", 0)
		r.arrived()
	})
}

// TestStagedFolderHasADeadline: it begins when nobody works in the folder any more; after it the
// folder counts as any other.
func TestStagedFolderHasADeadline(t *testing.T) {
	inStaging(t, func(t *testing.T, r *stagingRig) {
		long := r.create(unisonsFolder+"/long", os.O_EXCL)
		r.write(long, []byte("lo"), 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		r.write(long, []byte("ng"), 2)
		r.finish(long)
		time.Sleep(29 * time.Second)
		synctest.Wait()
		r.nothingMade()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.expectObjects(unisonsFolder+"/", unisonsFolder+"/a", unisonsFolder+"/a.settings.json", unisonsFolder+"/deep/", unisonsFolder+"/deep/b",
			unisonsFolder+"/deep/b.settings.json", unisonsFolder+"/long", unisonsFolder+"/long.settings.json")
		r.save(unisonsFolder+"/later", []byte("later"))
		if d := r.node(unisonsFolder + "/later").content.PeekState(); d != Clean {
			t.Errorf("what is saved later is %v", d)
		}
		r.remove(unisonsFolder + "/later")
		r.remove(unisonsFolder + "/long")
		r.mustRename(unisonsFolder, "new", 0)
		r.arrived()
	})
}

// TestStagedNames: a file waits by its folder's name as long as it is in there, and by its own
// beyond that.
func TestStagedNames(t *testing.T) {
	inStaging(t, func(t *testing.T, r *stagingRig) {
		r.put(unisonsFolder+"/clip.mp4.part", []byte("part"))
		r.put(unisonsFolder+"/own.part", []byte("own"))
		r.put(unisonsFolder+"/notes.mp4.Edited", []byte("notes"))
		r.put(unisonsFolder+"/.goutputstream-A1B2C3", []byte("from GIO"))
		r.put("film.part", []byte("film"))
		r.mustRename(unisonsFolder+"/own.part", unisonsFolder+"/own", 0)
		r.mustRename(unisonsFolder+"/.goutputstream-A1B2C3", unisonsFolder+"/gio", 0)
		r.mustRename("film.part", unisonsFolder+"/deep/film", 0)
		r.mustRename(unisonsFolder+"/deep", unisonsFolder+"/deeper", 0)
		r.mustRename(unisonsFolder+"/deeper/b", "out.mp4.Edited", 0)
		r.settle()
		r.nothingMade()
		r.expectObjects(unisonsFolder+"/", unisonsFolder+"/deeper/", "out.mp4.Edited", "out.mp4.Edited.settings.json")
		r.mustRename(unisonsFolder, "new", 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		r.nothingMade()
		r.expectObjects("new/", "new/a", "new/a.settings.json", "new/deeper/", "new/deeper/film", "new/deeper/film.settings.json",
			"new/gio", "new/gio.settings.json", "new/notes.mp4.Edited", "new/notes.mp4.Edited.settings.json", "new/own", "new/own.settings.json",
			"out.mp4.Edited", "out.mp4.Edited.settings.json")
		if d := r.draft(r.v.Status(), "new/clip.mp4.part"); d.State != "temporary" {
			t.Errorf("its own name is temporary: %+v", d)
		}
		r.truthful()
	})
}

// TestCommittedIsNotStaged: nothing that has left, or was about to, is taken back for a name of a folder.
func TestCommittedIsNotStaged(t *testing.T) {
	inStaging(t, func(t *testing.T, r *stagingRig) {
		r.mkdir("there")
		r.save("there/c", []byte("c"))
		r.save("d", []byte("d"))
		const other = ".unison.other.00000000000000000000000000000000.unison.tmp"
		r.mustRename("there", other, 0)
		r.mustRename("d", other+"/d", 0)
		r.settle()
		r.expectObjects(unisonsFolder+"/", unisonsFolder+"/deep/", other+"/", other+"/c", other+"/c.settings.json", other+"/d", other+"/d.settings.json")
		r.mustRename(other+"/d", unisonsFolder+"/a", Exchange)
		r.settle()
		r.expectObjects(unisonsFolder+"/", unisonsFolder+"/a", unisonsFolder+"/a.settings.json", unisonsFolder+"/deep/", other+"/", other+"/c", other+"/c.settings.json")
		r.holds("exchanged", map[string]string{other + "/d": "a", unisonsFolder + "/a": "d"})
		r.truthful()
	})
}

// TestStagedHalfFile: a killed writer's is not committed because its folder has a name.
func TestStagedHalfFile(t *testing.T) {
	inStaging(t, func(t *testing.T, r *stagingRig) {
		h := r.create(unisonsFolder+"/half", os.O_EXCL)
		r.write(h, []byte("half"), 0)
		h.markKilled()
		h.Node().commit.Interrupt(file.EvKill)
		h.Release()
		time.Sleep(time.Second)
		r.nothingMade()
		if d := r.draft(r.v.Status(), unisonsFolder+"/half"); d.State != "interrupted" {
			t.Errorf("before the rename: %+v", d)
		}
		r.mustRename(unisonsFolder, "new", 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := r.draft(r.v.Status(), "new/half"); d.State != "interrupted" {
			t.Errorf("%+v", d)
		}
		r.expectObjects("new/", "new/a", "new/a.settings.json", "new/deep/", "new/deep/b", "new/deep/b.settings.json")
	})
}

// TestStagedFolderLargerThanTheSpool: its files make room under the names that they have, one
// that is larger than the spool itself, too.
func TestStagedFolderLargerThanTheSpool(t *testing.T) {
	for _, sizes := range [][]int{{longFile / 8, longFile / 8, longFile / 8, longFile / 8, longFile / 8, longFile / 8, longFile / 8}, {longFile, 77}, {77, longFile}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			r := newTight(t, crypt.CTR, false)
			r.mkdir(unisonsFolder)
			for i, size := range sizes {
				h := r.create(fmt.Sprintf("%s/%d", unisonsFolder, i), os.O_EXCL)
				if err := r.fill(h, random(size)); err != nil {
					t.Fatalf("write %d: %v", i, err)
				}
				r.finish(h)
				if got := r.load(fmt.Sprintf("%s/%d", unisonsFolder, i)); !bytes.Equal(got, random(size)) {
					t.Errorf("file %d, right after its close: not what was written", i)
				}
			}
			r.mustRename(unisonsFolder, "new", 0)
			r.sync()
			r.truthful()
			r.cold()
			for i, size := range sizes {
				if !bytes.Equal(r.load(fmt.Sprintf("new/%d", i)), random(size)) {
					t.Errorf("file %d: not what was written", i)
				}
			}
		})
	}
}

// TestStagedFolderOfAFullSpoolAndNoStore: nothing leaves, so that the write fails, and what was closed is safe.
func TestStagedFolderOfAFullSpoolAndNoStore(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	r.mkdir(unisonsFolder)
	r.sync()
	r.f.set(down)
	r.save(unisonsFolder+"/0", random(tightSpool/2))
	h := r.create(unisonsFolder+"/1", os.O_EXCL)
	if err := r.fill(h, random(tightSpool)); !errors.Is(err, ErrFull) {
		t.Errorf("write into a full spool: %v", err)
	}
	h.Release()
	r.remove(unisonsFolder + "/1")
	r.f.set(nil)
	r.mustRename(unisonsFolder, "new", 0)
	r.sync()
	r.truthful()
	if !bytes.Equal(r.load("new/0"), random(tightSpool/2)) {
		t.Error("not what was written")
	}
}

// TestStagedTellsNoOtherName: what a name would tell of a final one means nothing in there.
func TestStagedTellsNoOtherName(t *testing.T) {
	r := newTight(t, crypt.CTR, false)
	r.mkdir(unisonsFolder)
	h := r.create(unisonsFolder+"/film.mp4.Edited", os.O_EXCL)
	if err := r.fill(h, random(shortFile/2)); err != nil {
		t.Fatal(err)
	}
	r.v.mu.Lock()
	h.n.content.Lock()
	key := r.v.uploadKey(h.n)
	h.n.content.Unlock()
	r.v.mu.Unlock()
	if key != "" {
		t.Errorf("parts of it would leave for %q", key)
	}
	r.finish(h)
}

// TestStagedCloseIsOnTheDisk: its close promises a staged file, over a power cut, too.
func TestStagedCloseIsOnTheDisk(t *testing.T) {
	inStaging(t, func(t *testing.T, r *stagingRig) {
		r.save("a.part", []byte("a"))
		for name, promised := range map[string]bool{unisonsFolder + "/a": true, "a.part": false} {
			n := r.node(name)
			n.content.Lock()
			boot := n.content.ThroughBootLocked()
			n.content.Unlock()
			if (boot == "") != promised {
				t.Errorf("%s: it is there through the boot %q", name, boot)
			}
		}
	})
}

// settle waits until what is under way is done, without having what waits for a name committed.
func (r *stagingRig) settle() {
	r.t.Helper()
	time.Sleep(5 * time.Second)
	synctest.Wait()
}
