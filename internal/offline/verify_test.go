package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mcfs/crypt"
	"mcfs/internal/verdict"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/volume/remote"
)

// verify checks places, and returns the state of each file by its key.
func (r *rig) verify(keys ...string) (map[string]State, error) {
	r.t.Helper()
	found := make(map[string]State)
	o := r.options()
	o.Report = func(i Item) error {
		key := strings.TrimPrefix(i.Address, r.c.Store.Path+"/")
		if _, twice := found[key]; twice {
			r.t.Errorf("%s is looked at twice", key)
		}
		found[key] = i.State
		return nil
	}
	err := Verify(r.t.Context(), Verification{Options: o, Config: r.c, Sample: 100, Places: func(_ context.Context, do func(string, error) bool) error {
		for _, key := range keys {
			do(r.c.Store.Path+"/"+key, nil)
		}
		return nil
	}})
	return found, err
}

// put puts an object as somebody else does.
func put(t *testing.T, st store.Store, key string, text []byte, meta map[string]string) {
	t.Helper()
	body := store.Body{ReadSeeker: bytes.NewReader(text), Size: int64(len(text)), CRC32C: crcOf(string(text))}
	if _, err := st.Put(t.Context(), key, body, store.Attributes{Metadata: meta}, store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// TestVerify: in each mode every way in which an object may have been altered is damage, and nothing else is.
func TestVerify(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, mode)
			content := noise(100_001)
			for _, name := range []string{"well", "first", "last", "cut", "longer", "swapped", "other", "iv", "size", "key", "gone", "bare", "malformed"} {
				r.source(name, content)
			}
			r.must(r.encrypt("", "", false))
			st, _ := r.open()
			alter := func(name string, change func(text []byte, meta map[string]string) []byte) {
				text, info, err := readWhole(t.Context(), st, name)
				r.must(err)
				put(t, st, name, change(text, info.Metadata), info.Metadata)
			}
			alter("first", func(p []byte, _ map[string]string) []byte { p[0] ^= 1; return p })
			alter("last", func(p []byte, _ map[string]string) []byte { p[len(p)-1] ^= 1; return p })
			alter("cut", func(p []byte, _ map[string]string) []byte { return p[:len(p)-16] })
			alter("longer", func(p []byte, _ map[string]string) []byte { return append(p, 0) })
			other, info, err := readWhole(t.Context(), st, "other")
			r.must(err)
			alter("swapped", func(_ []byte, meta map[string]string) []byte {
				for k := range meta {
					meta[k] = info.Metadata[k]
				}
				return other[:len(other)-16]
			})
			alter("iv"+sidecar.Suffix, func(p []byte, _ map[string]string) []byte {
				i := bytes.Index(p, []byte(`"InitializationVector": "`)) + 25
				p[i] = map[bool]byte{true: 'B', false: 'A'}[p[i] == 'A']
				return p
			})
			alter("size"+sidecar.Suffix, func(p []byte, m map[string]string) []byte { m[sidecar.KeySize] = "100000"; return p })
			alter("key"+sidecar.Suffix, func(p []byte, m map[string]string) []byte { m[sidecar.KeyMAC] = strings.Repeat("A", 64); return p })
			alter("malformed"+sidecar.Suffix, func(p []byte, _ map[string]string) []byte { return p[:20] })
			r.must(st.Delete(t.Context(), "gone", store.Condition{}))
			r.must(st.Delete(t.Context(), "bare"+sidecar.Suffix, store.Condition{}))
			put(t, st, "foreign", []byte("x"), nil)
			put(t, st, "dir/", nil, nil)

			found, err := r.verify("")
			want := map[string]State{"well": Sound, "other": Sound, "first": Damaged, "last": Damaged, "cut": Damaged, "longer": Damaged,
				"swapped": Damaged, "iv": Damaged, "size": Damaged, "key": Damaged, "gone" + sidecar.Suffix: Damaged, "bare": Unchecked, "malformed": Damaged, "foreign": Unchecked}
			if mode == "GCM" { // its tag goes with the object, and is what is checked
				want["bare"] = Sound
			}
			for key, state := range want {
				if found[key] != state {
					t.Errorf("%s is %q, not %q", key, found[key], state)
				}
			}
			if len(found) != len(want) {
				t.Errorf("found %v", found)
			}
			if e, ok := errors.AsType[verdict.Ended](err); !ok || e.Status != verdict.StatusDamage {
				t.Errorf("the end is %v", err)
			}
			found, err = r.verify("well", "dir", "gone")
			if len(found) != 2 && len(found) != 3 || found["well"] != Sound || found["gone"+sidecar.Suffix] != Damaged || err == nil {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

// TestPairs: objects meet their sidecars whatever stands between them, each once, and few wait.
func TestPairs(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		names := make(map[string]bool)
		for range 40 {
			name := ""
			for range 1 + draw.IntN(4) {
				name += []string{"a", "b", "-", ".", ".settings", ".settings.json", "/", "~", "z"}[draw.IntN(9)]
			}
			names[name] = true
		}
		var list []string
		for name := range names {
			list = append(list, name)
		}
		slices.Sort(list)
		want := make(map[string]bool) // and whether it has a sidecar
		for _, name := range list {
			base, is := sidecar.Base(name)
			_, paired := want[base]
			if strings.HasSuffix(name, "/") || is && names[base] && paired && !want[base] {
				if is {
					want[base] = true
				}
				continue
			}
			want[name] = false
		}
		got := make(map[string]bool)
		p := pairs{emit: func(e entry) bool {
			if _, twice := got[e.listing.Key]; twice {
				t.Errorf("%q comes twice", e.listing.Key)
			}
			got[e.listing.Key] = e.listing.Sidecar.ETag != ""
			if _, is := sidecar.Base(e.listing.Key); e.lost != (is && e.listing.Sidecar.ETag == "") {
				t.Errorf("%q is lost: %v", e.listing.Key, e.lost)
			}
			return true
		}}
		most := 0
		for _, name := range list {
			p.add(store.Info{Key: name, ETag: "e"})
			most = max(most, len(p.open))
		}
		p.end()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("of %q came\n%v, not\n%v", list, got, want)
		}
		if most > 40 {
			t.Errorf("%d wait", most)
		}
	}
}

// decrypt decrypts a place into a folder.
func (r *rig) decrypt(key, to string, force bool) error {
	r.t.Helper()
	return Decrypt(r.t.Context(), Decryption{Options: r.options(), Config: r.c, Source: r.place(key), Target: filepath.Join(r.dir, to), Force: force})
}

// TestDecrypt: what was encrypted comes back in each mode; of what is damaged nothing is there.
func TestDecrypt(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		files := map[string][]byte{"empty": nil, "d/short": noise(17), "d/long": noise(3_000_000)}
		for name, content := range files {
			r.source(name, content)
		}
		r.must(r.encrypt("", "t", false))
		r.must(r.decrypt("t", "out", false))
		for name, content := range files {
			got, err := os.ReadFile(filepath.Join(r.dir, "out", name))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %s is not what it was: %v", mode, name, err)
			}
		}
		at := filepath.Join(r.c.Store.Path, "t/d/long")
		text, err := os.ReadFile(at)
		r.must(err)
		text[len(text)/2] ^= 0x10
		r.must(os.WriteFile(at, text, 0o600))
		err = r.decrypt("t/d/long", "damaged/long", false)
		if e, ok := errors.AsType[verdict.Ended](err); !ok || e.Status != verdict.StatusDamage {
			t.Errorf("%s: damage ends with %v", mode, err)
		}
		if left, err := os.ReadDir(filepath.Join(r.dir, "damaged")); err != nil || len(left) > 0 {
			t.Errorf("%s: of a damaged file is left %v, %v", mode, left, err)
		}
	}
}

// TestDecryptAfterAKill: what a killed run has left under the passing name is written over, and a run
// that lives is not disturbed.
func TestDecryptAfterAKill(t *testing.T) {
	r := newRig(t, "CTR")
	r.source("f", []byte("content"))
	r.must(r.encrypt("f", "f", false))
	out := filepath.Join(r.dir, "out")
	r.must(os.Mkdir(out, 0o700))
	left := filepath.Join(out, partial("f"))
	r.must(os.WriteFile(left, noise(1000), 0o666))
	to := &target{dir: out}
	r.must(to.open())
	defer to.close()
	lives, err := to.lock(partial("f"))
	r.must(err)
	if err := r.decrypt("f", "out/f", false); err == nil || !strings.Contains(r.out.String(), "another run") {
		t.Errorf("two runs write one file: %v\n%s", err, r.out.String())
	}
	r.must(lives.Close())
	r.must(r.decrypt("f", "out/f", false))
	if got, err := os.ReadFile(filepath.Join(out, "f")); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the passing name is left: %v", err)
	}
}

// TestDecryptAfterALateKill: of a run that was killed when its file had its name already nothing is left
// by the next, whatever that does with the file; what a run that lives writes stays.
func TestDecryptAfterALateKill(t *testing.T) {
	r := newRig(t, "CTR")
	r.source("f", []byte("content"))
	r.must(r.encrypt("f", "f", false))
	r.must(r.decrypt("f", "out/f", false))
	name := filepath.Join(r.dir, "out", "f")
	left := filepath.Join(r.dir, "out", partial("f"))
	whole := func(when string, there bool) {
		t.Helper()
		if got, err := os.ReadFile(name); err != nil || string(got) != "content" {
			t.Errorf("%s: %q, %v", when, got, err)
		}
		if _, err := os.Lstat(left); there == errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, the passing name: %v", when, err)
		}
	}
	r.must(os.Link(name, left))
	r.must(r.decrypt("f", "out/f", false))
	whole("a second name", false)
	r.must(os.WriteFile(left, noise(1000), 0o600))
	r.must(r.decrypt("f", "out/f", false))
	whole("the rest of a run that was to replace it", false)
	to := &target{dir: filepath.Dir(name)}
	r.must(to.open())
	defer to.close()
	lives, err := to.lock(partial("f"))
	r.must(err)
	r.must(r.decrypt("f", "out/f", false))
	whole("a run that lives", true)
	r.must(errors.Join(lives.Close(), os.Remove(left), os.Link(name, left)))
	to.force = true
	fails := errors.New("it fails")
	if _, err := to.write("f", sidecar.Attr{}, func(*os.File) (bool, error) { return false, fails }); !errors.Is(err, fails) {
		t.Error(err)
	}
	whole("a second name, and a run that fails", false)
}

// TestMadeByHand: an object that openssl has made, with settings put beside it by hand, is decrypted,
// and cannot be checked.
func TestMadeByHand(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "CTR")
	st, k := r.open()
	content := noise(5000)
	for _, cipher := range []string{"aes-256-ctr", "aes-256-cbc"} {
		key, err := k.New(t.Context(), 256)
		r.must(err)
		iv := noise(16)
		c := exec.Command("openssl", "enc", "-"+cipher, "-K", fmt.Sprintf("%x", key.Plain), "-iv", fmt.Sprintf("%x", iv))
		c.Stdin = bytes.NewReader(content)
		text, err := c.Output()
		r.must(err)
		mode := strings.ToUpper(cipher[len(cipher)-3:])
		doc, err := sidecar.Settings{Mode: "AES_" + mode, Key: key.Wrapped, IV: iv}.Marshal()
		r.must(err)
		put(t, st, mode, text, nil)
		put(t, st, mode+sidecar.Suffix, doc, nil)
		r.must(r.decrypt(mode, mode, false))
		got, err := os.ReadFile(filepath.Join(r.dir, mode))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is not what it was: %v", mode, err)
		}
		if !strings.Contains(r.out.String(), "could not be checked") {
			t.Errorf("%s: it is not said: %s", mode, r.out.String())
		}
		if found, err := r.verify(mode); found[mode] != Unchecked || err == nil {
			t.Errorf("%s is %v, %v", mode, found, err)
		}
	}
}

// TestSymlinks: one is checked, and left out of what is decrypted.
func TestSymlinks(t *testing.T) {
	r := newRig(t, "CTR")
	st, k := r.open()
	for _, name := range []string{"well", "altered"} {
		key, err := k.New(t.Context(), 256)
		r.must(err)
		x, err := remote.SealSymlink(key, crypt.CTR, 16, name, "target", sidecar.Attr{Mode: linkBits | 0o777})
		r.must(err)
		meta, err := sidecar.EncodeAttr(x.Attr())
		r.must(err)
		for k, v := range x.Object().Encode() {
			meta[k] = v
		}
		body := x.State().Body
		if name == "altered" {
			body[0] ^= 1
		}
		put(t, st, name, body, meta)
	}
	found, err := r.verify("")
	if found["well"] != Sound || found["altered"] != Damaged || err == nil {
		t.Errorf("%v, %v", found, err)
	}
	r.must(r.decrypt("", "out", false))
	if list, err := os.ReadDir(filepath.Join(r.dir, "out")); err != nil || len(list) > 0 {
		t.Errorf("links came out: %v, %v", list, err)
	}
}

// TestAgainst: each difference between the card and what is read from the store is found, in each mode.
func TestAgainst(t *testing.T) {
	for _, mode := range modes {
		r := newRig(t, mode)
		names := []string{"well", "empty", "bit", "cut", "flipped", "gone", "swapped", "bare", "d/other"}
		for _, name := range names {
			r.source(name, noise(100_000+len(name)))
		}
		r.source("empty", nil)
		r.must(r.encrypt("", "t", false))
		at := func(name string) string { return filepath.Join(r.c.Store.Path, "t", name) }
		compare := func() map[string]State {
			found := make(map[string]State)
			o := r.options()
			o.Report = func(i Item) error {
				found[strings.TrimPrefix(i.Path, filepath.Join(r.dir, "source")+"/")] = i.State
				return nil
			}
			_ = Compare(t.Context(), Comparison{Options: o, Config: r.c, Source: filepath.Join(r.dir, "source"), Place: r.place("t"), Sample: 100})
			return found
		}
		for name, state := range compare() {
			if state != Sound {
				t.Errorf("%s: %s is %s", mode, name, state)
			}
		}
		card := noise(100_003)
		card[77_777] ^= 4
		r.source("bit", card)
		r.source("cut", noise(100_003)[:99_999])
		text, err := os.ReadFile(at("flipped"))
		r.must(err)
		text[50_000] ^= 1
		r.must(os.WriteFile(at("flipped"), text, 0o600))
		r.must(os.Remove(at("gone")))
		swapped := noise(100_007)
		slices.Reverse(swapped)
		r.source("swapped", swapped)
		r.must(os.Remove(at("bare" + sidecar.Suffix)))
		want := map[string]State{"well": Sound, "empty": Sound, "d/other": Sound, "bit": Damaged, "cut": Damaged, "flipped": Damaged, "gone": Damaged, "swapped": Damaged, "bare": Failed}
		found := compare()
		for name, state := range want {
			if found[name] != state {
				t.Errorf("%s: %s is %s, not %s\n%s", mode, name, found[name], state, r.out.String())
			}
		}
	}
}
