package offline

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mcfs/internal/mhl"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
)

// list writes a hash list of the source tree, as another program makes one, and what is added to it.
func (r *rig) list(kinds []mhl.Kind, ignore []string, more ...mhl.File) string {
	r.t.Helper()
	root := filepath.Join(r.dir, "source")
	files := more
	r.must(filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		h := mhl.NewHasher(kinds)
		_, _ = h.Write(text)
		files = append(files, mhl.File{Path: strings.TrimPrefix(path, root+"/"), Size: info.Size(), Hashes: h.Sums()})
		return err
	}))
	var text bytes.Buffer
	r.must(mhl.Write(&text, mhl.Header{Made: time.Now(), Ignore: ignore}, files))
	at := filepath.Join(r.dir, "list.mhl")
	r.must(os.WriteFile(at, text.Bytes(), 0o600))
	return at
}

// compareList compares a place with a hash list, and returns the state of each file by its key.
func (r *rig) compareList(list, key string, change func(*Options)) (map[string]State, error) {
	r.t.Helper()
	found := make(map[string]State)
	o := r.options()
	o.Report = func(i Item) error {
		key := strings.TrimPrefix(i.Address, r.c.Store.Path+"/")
		if _, twice := found[key]; twice {
			r.t.Errorf("%s comes twice", key)
		}
		found[key] = i.State
		return nil
	}
	if change != nil {
		change(&o)
	}
	err := CompareList(r.t.Context(), ListComparison{Options: o, Config: r.c, List: list, Place: r.place(key), Sample: 100})
	return found, err
}

// isDamage reports whether a run has ended with the status of damage.
func isDamage(err error) bool {
	e, ok := errors.AsType[verdict.Ended](err)
	return ok && e.Status == verdict.StatusDamage
}

// TestHashList: in each mode and by each hash every difference between a list and the store is found
// and named, and nothing else is.
func TestHashList(t *testing.T) {
	for n, mode := range modes {
		r := newRig(t, mode)
		for _, name := range []string{"well", "empty", "d/other", "bit", "cut", "longer", "swapped", "one", "gone", "bare"} {
			r.source(name, noise(100_000+len(name)))
		}
		r.source("empty", nil)
		r.must(r.encrypt("", "t", false))
		st, _ := r.open()
		for _, kinds := range [][]mhl.Kind{{mhl.XXH64}, {mhl.MD5, mhl.SHA1}, {mhl.XXH3}, {mhl.XXH128}, {mhl.C4}, mhl.Kinds}[n*2:] {
			found, err := r.compareList(r.list(kinds, nil), "t", nil)
			if err != nil || len(found) != 10 {
				t.Errorf("%s, %v: %v, %v", mode, kinds, found, err)
			}
		}
		list := r.list(mhl.Kinds, []string{"*.tmp"},
			mhl.File{Path: "absent", Size: 1}, mhl.File{Path: ".DS_Store", Size: 1}, mhl.File{Path: "well" + sidecar.Suffix, Size: 1})
		text, _, err := readWhole(t.Context(), st, "t/bit")
		r.must(err)
		text[50_000] ^= 1
		r.must(os.WriteFile(filepath.Join(r.c.Store.Path, "t/bit"), text, 0o600))
		r.source("cut", noise(100_003)[:99_999])
		r.source("longer", append(noise(100_006), 0))
		swapped := noise(100_007)
		slices.Reverse(swapped)
		r.source("swapped", swapped)
		one := noise(100_003)
		one[77_777] ^= 4
		r.source("one", one)
		for _, name := range []string{"cut", "longer", "swapped", "one"} {
			r.must(r.encrypt(name, "t/"+name, true))
		}
		r.source("more", []byte("more"))
		r.must(r.encrypt("more", "t/d/more", false))
		r.must(r.encrypt("more", "t/x.tmp", false))
		r.must(r.encrypt("more", "t/ascmhl/0001_t.mhl", false))
		r.must(r.encrypt("more", "t2", false))
		for _, key := range []string{"t/gone", "t/gone" + sidecar.Suffix, "t/bare" + sidecar.Suffix} {
			r.must(st.Delete(t.Context(), key, store.Condition{}))
		}
		put(t, st, "t/foreign", []byte("x"), nil)
		found, err := r.compareList(list, "t/", nil)
		want := map[string]State{"t/well": Sound, "t/empty": Sound, "t/d/other": Sound, "t/bit": Damaged, "t/cut": Damaged, "t/longer": Damaged,
			"t/swapped": Damaged, "t/one": Damaged, "t/gone": Damaged, "t/absent": Damaged, "t/d/more": Damaged, "t/foreign": Damaged, "t/bare": Failed,
			"t/x.tmp": Skipped, "t/ascmhl/0001_t.mhl": Skipped, "t/.DS_Store": Skipped, "t/well" + sidecar.Suffix: Skipped}
		if !reflect.DeepEqual(found, want) || !isDamage(err) {
			for key, state := range want {
				if found[key] != state {
					t.Errorf("%s: %s is %q, not %q", mode, key, found[key], state)
				}
			}
			t.Errorf("%s: found %v, %v", mode, found, err)
		}
		r.wholeByShards(list, want)
	}
}

// wholeByShards demands that shards find together what one run has found, each file once.
func (r *rig) wholeByShards(list string, want map[string]State) {
	r.t.Helper()
	together := make(map[string]State)
	for i := range 3 {
		found, _ := r.compareList(list, "t", func(o *Options) { o.Shard = Shard{i, 3} })
		for key, state := range found {
			if _, twice := together[key]; twice {
				r.t.Errorf("%s is in two shards", key)
			}
			together[key] = state
		}
	}
	if !reflect.DeepEqual(together, want) {
		r.t.Errorf("shards found %v", together)
	}
}

// TestHashListThatSaysLittle: what a list does not say, or says of itself, is not taken for a proof.
func TestHashListThatSaysLittle(t *testing.T) {
	r := newRig(t, "CTR")
	text := `<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0"><hashes>`
	for _, name := range []string{"well", "failed"} {
		r.source(name, []byte(name))
		text += fmt.Sprintf(`<hash><path size="%d">%s</path><md5 action="%s">%x</md5></hash>`, len(name), name, map[string]string{"well": "verified", "failed": "failed"}[name], md5.Sum([]byte(name)))
	}
	r.source("unknown", []byte("x"))
	r.source("sub/file", []byte("x"))
	r.source("short", []byte("x"))
	text += `<hash><path size="2">short</path><xxh32>00000000</xxh32></hash><hash><path>unknown</path><xxh32>00000000</xxh32></hash></hashes>
		<references><hashlistreference><path>sub/ascmhl/0001.mhl</path><c4/></hashlistreference></references></hashlist>`
	r.must(r.encrypt("", "", false))
	list := filepath.Join(r.dir, "list.mhl")
	r.must(os.WriteFile(list, []byte(text), 0o600))
	found, err := r.compareList(list, "", nil)
	want := map[string]State{"well": Sound, "failed": Unchecked, "unknown": Unchecked, "sub/file": Unchecked, "short": Damaged}
	if !reflect.DeepEqual(found, want) || !isDamage(err) {
		t.Errorf("%v, %v", found, err)
	}
	r.must(os.WriteFile(list, []byte(text[:len(text)-1]), 0o600))
	if _, err := r.compareList(list, "", nil); !errors.Is(err, mhl.ErrMalformed) || verdict.LineOf(err).Code != verdict.HashList {
		t.Errorf("a cut list: %v", err)
	}
}

// TestMakeList: in each mode a list is made of all that is there, whose hashes are those of the files; it
// is what the store is compared with again. Of what is damaged, or cannot be checked, there is none.
func TestMakeList(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		contents := map[string][]byte{"empty": nil, "d/long": noise(300_000), "d/ü & <b>": []byte("abc")}
		for name, content := range contents {
			r.source(name, content)
		}
		r.must(r.encrypt("", "t", false))
		at := filepath.Join(r.dir, "made.mhl")
		makeList := func(change func(*ListMaking)) error {
			m := ListMaking{Options: r.options(), Config: r.c, List: at, Place: r.place("t"), Kinds: mhl.Kinds, Version: "1"}
			if change != nil {
				change(&m)
			}
			return MakeList(t.Context(), m)
		}
		r.must(makeList(func(m *ListMaking) { m.DryRun = true }))
		r.must(makeList(nil))
		list, err := readList(at)
		r.must(err)
		if len(list.Files) != len(contents) {
			t.Errorf("%s: %+v", mode, list.Files)
		}
		for _, f := range list.Files {
			h := mhl.NewHasher(mhl.Kinds)
			_, _ = h.Write(contents[f.Path])
			if !reflect.DeepEqual(f.Hashes, h.Sums()) || f.Size != int64(len(contents[f.Path])) || time.Since(f.Modified).Abs() > time.Hour {
				t.Errorf("%s: %+v", mode, f)
			}
		}
		if found, err := r.compareList(at, "t", nil); err != nil || len(found) != len(contents) {
			t.Errorf("%s: %v, %v", mode, found, err)
		}
		if err := makeList(nil); verdict.LineOf(err).Code != verdict.Exists {
			t.Errorf("%s: a list is replaced: %v", mode, err)
		}
		r.must(os.Remove(at))
		st, _ := r.open()
		put(t, st, "t/foreign", []byte("x"), nil)
		if err := makeList(nil); err == nil {
			t.Errorf("%s: a list is made with a file that cannot be checked", mode)
		}
		r.must(st.Delete(t.Context(), "t/foreign", store.Condition{}))
		text, _, err := readWhole(t.Context(), st, "t/d/long")
		r.must(err)
		text[7] ^= 1
		r.must(os.WriteFile(filepath.Join(r.c.Store.Path, "t/d/long"), text, 0o600))
		if err := makeList(nil); !isDamage(err) {
			t.Errorf("%s: %v", mode, err)
		}
		if _, err := os.Lstat(at); err == nil {
			t.Errorf("%s: a list is there of what is not well", mode)
		}
	}
}
