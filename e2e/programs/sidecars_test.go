package programs

import (
	"strings"
	"testing"

	"mcfs/e2e/rig"
)

// TestSidecarsCopied copies trees with their sidecars in, out and within, as
// "cp -r" does: those of the source are taken and forgotten, each copy gets its own.
func TestSidecarsCopied(t *testing.T) {
	rig.Need(t, "cp", "rsync", "tar")
	b := newBench(t, nil)
	b.m.Shell(`cp -r '` + b.tree + `/.' a
cp -r a '` + b.r.Dir + `/out'; test -s '` + b.r.Dir + `/out/one.settings.json'
cp -r '` + b.r.Dir + `/out' in; cp -a '` + b.r.Dir + `/out' in-a; cp -r a within; cp -a a within-a
rsync -a '` + b.r.Dir + `/out/' synced; rsync -a --inplace a/ inplace; cp -r '` + b.r.Dir + `/out/.' a
cp a/one.settings.json a/block.settings.json
for f in in in-a within within-a synced inplace a; do cmp '` + b.tree + `/block' $f/block; until test -s $f/block.settings.json; do sleep 0.1; done; done`)
	for _, dir := range []string{"a", "in", "in-a", "within", "within-a", "synced", "inplace"} {
		b.locally(`cp -r "$TREE" ` + dir)
	}
	for _, name := range []string{"in/one", "inplace/block", "a/numbers.txt", "a/block"} {
		if got, want := b.m.Run("cat", name+rig.SidecarSuffix), b.r.Get(rig.Prefix+name+rig.SidecarSuffix).Body; got != string(want) {
			t.Errorf("the sidecar of %s shows as\n%s\nS3 has\n%s", name, got, want)
		}
	}
	b.m.Unmount()
	b.settled()
	cold := b.r.Mount("cold")
	for name, sum := range b.r.Truth(cold) {
		if strings.HasSuffix(name, rig.SidecarSuffix) {
			t.Errorf("%s is a file of its own (%s)", name, sum)
		}
	}
	cold.Unmount()
}

// TestSidecarsRestored keeps a tree with its sidecars in an archive, and brings
// it back: over what is there, and where nothing is.
func TestSidecarsRestored(t *testing.T) {
	rig.Need(t, "tar", "rsync", "unzip", "zip")
	b := newBench(t, nil)
	out := b.m.Shell(`cp -a '` + b.tree + `' a; cp -a '` + b.tree + `' kept
tar() { command tar --warning=no-timestamp "$@"; }
tar -cf '` + b.r.Dir + `/t.tar' a; [ "$(tar -tf '` + b.r.Dir + `/t.tar' | grep -c settings.json)" = 7 ]; (cd a && zip -qry '` + b.r.Dir + `/z.zip' .)
rm -r a; [ ! -e a ]; tar -xf '` + b.r.Dir + `/t.tar'; tar -xf '` + b.r.Dir + `/t.tar' --overwrite; tar -xf '` + b.r.Dir + `/t.tar' -C kept --strip-components=1
unzip -qo '` + b.r.Dir + `/z.zip' -d unzipped; unzip -qo '` + b.r.Dir + `/z.zip' -d unzipped`)
	if out != "" {
		t.Errorf("what restores the tree complains:\n%s", out)
	}
	b.locally(`cp -a "$TREE" a; cp -a a kept; cp -a a unzipped`)
	b.m.Unmount()
	b.settled()
	cold := b.r.Mount("cold")
	cold.Run("diff", "-r", "--no-dereference", "-x", "*"+rig.SidecarSuffix, b.local, ".")
	b.r.Truth(cold)
	cold.Unmount()
}

// TestSidecarsRemovedAndMoved: rm, mv and find meet sidecars and do what they would without.
func TestSidecarsRemovedAndMoved(t *testing.T) {
	rig.Need(t, "cp", "mv", "find")
	b := newBench(t, nil)
	b.both(`
for d in a b c d e; do cp -r "$TREE" $d; done
rm -r a; rm -rf b; [ ! -e a ]; [ ! -e b ]
find c -type f -delete; find c -not -name '*.settings.json' | sort; rm -r c
mv d moved; mv moved/one moved/block e/; rm -r e/sub*; mv moved/sub* e/; find . -type f -not -name '*.settings.json' | sort
find . -name 'block*' -not -name '*.settings.json' -newermt 2029-01-01 -print; find e -empty -type f -not -name '*.settings.json'
rm e/one; rm -f e/one e/one.settings.json; ls e/one* 2>/dev/null || echo gone; ls -A -I '*.settings.json' moved`)
	got := b.m.Shell(`rm e/block.settings.json; cat e/block.settings.json; find e -name '*.settings.json' | wc -l`)
	if !strings.Contains(got, "EncryptedDecryptionKey") {
		t.Errorf("after rm of a sidecar it reads %q", got)
	}
	b.m.Shell(`mv e/block.settings.json elsewhere; [ ! -e elsewhere ]; grep -c AES_ e/block.settings.json`)
	if out, err := b.m.TryShell(rig.Limit, `mv e/block.settings.json e/block 2>&1`); err == nil {
		t.Errorf("a sidecar has replaced a file: %s", out)
	}
	b.m.Unmount()
	b.settled()
	cold := b.r.Mount("cold")
	b.alike(cold, "cold")
	b.r.Truth(cold)
	cold.Unmount()
}

// TestSettingsOfOnesOwn: a user's file may end in .settings.json where no file
// stands whose sidecar it would be; that file then cannot be made.
func TestSettingsOfOnesOwn(t *testing.T) {
	b := newBench(t, nil)
	b.both(`
printf '{"editor": 4}' >local.settings.json; cat local.settings.json; cp local.settings.json copy.settings.json
echo more >>local.settings.json; cat local.settings.json; mv copy.settings.json moved.settings.json; mkdir local; ls local; rmdir local
cp -r . "$HOME/out"; cat "$HOME/out/moved.settings.json"; echo other >other`)
	for _, script := range []string{`echo x >local`, `cp other local`, `mv other local`, `cp other moved`} {
		out, err := b.m.TryShell(rig.Limit, script)
		if err == nil || !strings.Contains(out, "File exists") {
			t.Errorf("%s beside local.settings.json: %v, %s", script, err, out)
		}
	}
	b.both(`cat local.settings.json moved.settings.json other; rm local.settings.json; echo now >local; cat local; cat moved.settings.json`)
	b.m.Unmount()
	b.settled()
	cold := b.r.Mount("cold")
	b.r.Truth(cold)
	if got := cold.Run("cat", "moved.settings.json"); got != `{"editor": 4}` {
		t.Errorf("cold, a user's own settings are %q", got)
	}
	cold.Unmount()
}

// TestSettingsOfAFile: a shell that writes over a sidecar is told, though it does not look
// at what close says.
func TestSettingsOfAFile(t *testing.T) {
	b := newBench(t, nil)
	b.m.Expect(`level=ERROR.*reserved for the settings`)
	b.m.Shell(`echo film >clip.mov`)
	for _, script := range []string{
		`echo >clip.mov.settings.json`, `echo more >>clip.mov.settings.json`, `printf '{"editor": 4}' >clip.mov.settings.json`,
		`exec 3>new.mov; echo >new.mov.settings.json`,
	} {
		out, err := b.m.TryShell(rig.Limit, script)
		if err == nil || !strings.Contains(out, "not permitted") {
			t.Errorf("%s: %v, %s", script, err, out)
		}
	}
	if got := b.m.Shell(`cat clip.mov; grep -c EncryptedDecryptionKey clip.mov.settings.json`); got != "film\n1\n" {
		t.Errorf("afterwards: %q", got)
	}
	b.m.Unmount()
}

// TestSidecarsNotListed: hidden sidecars, and those of dotfiles and below
// directories with a dot, are found by name, and in no listing.
func TestSidecarsNotListed(t *testing.T) {
	const make = `cp "$1" .dot; mkdir -p .d/e d; cp "$1" .d/a; cp "$1" .d/e/b; cp "$1" d/c; cp "$1" f; cp "$1" d/.dot`
	b := newBench(t, rig.Settings{"mount.sidecars": `"hidden"`})
	b.both(strings.ReplaceAll(make, "$1", "$TREE/one") + `; find . -mindepth 1 | sort; ls -AR; rm -r .d; tar -cf - . | tar -tf - | sort; cp -r . "$HOME/out"; ls -A "$HOME/out"`)
	const read = `for f in f d/c .dot d/.dot; do grep -c EncryptedDecryptionKey $f.settings.json; stat -c %a $f.settings.json; done`
	want := strings.Repeat("1\n444\n", 4)
	want = strings.ReplaceAll(want, "444", "400")
	if got := b.m.Shell(read); got != want {
		t.Errorf("hidden sidecars read as %q", got)
	}
	b.m.Unmount()
	b.settled()

	m := rig.New(t, nil).Mount("listed")
	m.Shell(strings.ReplaceAll(make, "$1", b.tree+"/one"))
	got := m.Shell(`find . -name '*.settings.json' | sort; ` + read + `; grep -c AES_ .d/e/b.settings.json`)
	if got != "./d/c.settings.json\n./f.settings.json\n"+want+"1\n" {
		t.Errorf("listed sidecars: %s", got)
	}
	m.Unmount()
}

// TestSidecarsGoneAlong: programs that have listed a directory, sidecars among its files,
// and take one after the other meet sidecars that have gone with their files. They do
// what they do on a disk, in any order, and are not told of anything.
func TestSidecarsGoneAlong(t *testing.T) {
	rig.Need(t, "rm", "mv", "xargs", "python3", "gio")
	b := newBench(t, nil)
	const fill = `fill() { mkdir -p $1 && for f in a.txt "b c.mp4" d; do echo $1 >"$1/$f"; done; }; py() { python3 -c "import os, sys; $1" "${@:2}"; }
`
	for _, script := range []string{
		`rm *`, `rm -f *`, `ls | xargs -d '\n' rm`, `ls -r | xargs -d '\n' rm`, `ls | xargs -d '\n' -n 1 rm`, `gio remove *`,
		`py '[os.remove(n) for n in os.listdir(".")]'`, `py '[os.remove(n) for n in sorted(os.listdir("."))]'`,
		`py '[os.unlink(n) for n in sorted(os.listdir("."), reverse=True)]'`,
		`py '[os.remove(n) for n in sorted(os.listdir("."), key=len)]'`,
		`mv * ../y`, `mv -n * ../y`, `mv $(ls -r | grep -v " ") ../y; mv * ../y`, `for f in *; do mv "$f" ../y/; done`,
		`py '[os.rename(n, "../y/" + n) for n in sorted(os.listdir("."))]'`,
		`py '[os.rename(n, "../y/" + n) for n in sorted(os.listdir("."), reverse=True)]'`,
		`for f in *; do mv "$f" "../y/new-$f"; done`, `gio move * ../y`, pasted(`sorted(os.listdir("."))`),
		pasted(`sorted(os.listdir("."), reverse=True)`), pasted(`sorted(os.listdir("."), key=len)`), `mv * ../y; cd ../y; mv * ../x`,
		`mv * ../y; cd ../y; rm *`,
	} {
		b.both(fill + `fill x; mkdir y; cd x; ` + script + `
cd ..; find x y -not -name '*.settings.json' | sort; find . -name '*.settings.json' -size 0
rm -r y; rmdir x 2>/dev/null || rm -r x; ls -A`)
	}
	b.m.Shell(fill + `fill x; cd x; gio trash *; ls -A; cd ..; rmdir x; find .Trash-* -name d -o -name 'a.txt.settings.json'; rm -r .Trash-*`)
	b.alike(b.m, "in the end")
	b.m.Unmount()
	b.settled()
}

// pasted moves files as Thunar and Nautilus paste what was cut: nothing is overwritten,
// and where something is in the way somebody is asked.
func pasted(names string) string {
	return `python3 - <<'END'
import ctypes, os
gio = ctypes.CDLL("libgio-2.0.so.0")
gio.g_file_new_for_path.restype = ctypes.c_void_p
gio.g_file_move.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int] + [ctypes.c_void_p] * 4
def file(path): return gio.g_file_new_for_path(path.encode())
NOFOLLOW, NO_FALLBACK = 2, 8
for n in ` + names + `:
    if not gio.g_file_move(file(n), file("../y/" + n), NOFOLLOW | NO_FALLBACK, None, None, None, None):
        raise SystemExit("something is in the way of " + n)
END`
}

// TestSidecarsMovedByName: either may come first, and the sidecar is there once, beside its file.
func TestSidecarsMovedByName(t *testing.T) {
	rig.Need(t, "rm", "mv")
	b := newBench(t, nil)
	for _, both := range []string{"a.txt a.txt.settings.json", "a.txt.settings.json a.txt"} {
		got := b.m.Shell(`mkdir x y; echo 1 >x/a.txt; cd x; mv ` + both + ` ../y; ls -A; cd ..; rmdir x; grep -c AES_ y/a.txt.settings.json; cd y; rm ` + both + `
ls -A; [ ! -e a.txt.settings.json ]; cd ..; rmdir y`)
		if want := "1\n"; got != want {
			t.Errorf("mv %s gives\n%s\nwanted\n%s", both, got, want)
		}
	}
	b.alike(b.m, "in the end")
	b.m.Unmount()
	b.settled()
}
