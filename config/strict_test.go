package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree is a folder of a user's, and who that is: as root, somebody else than root.
type tree struct {
	t     *testing.T
	root  string
	owner int
}

func newTree(t *testing.T) tree {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for dir := root; strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	owner := os.Geteuid()
	if owner == 0 {
		owner = 1234
	}
	return tree{t, root, owner}
}

// make makes a file, a folder ("a/") or a link ("a -> b"), of the user's or of root's.
func (r tree) make(what string, mode os.FileMode, owner int) {
	r.t.Helper()
	name, target, link := strings.Cut(what, " -> ")
	path, err := filepath.Join(r.root, name), error(nil)
	switch {
	case link:
		err = os.Symlink(strings.ReplaceAll(target, "ROOT", r.root), path)
	case strings.HasSuffix(name, "/"):
		err = os.Mkdir(path, 0o700)
	default:
		err = os.WriteFile(path, nil, 0o600)
	}
	if err == nil && !link {
		err = os.Chmod(path, mode)
	}
	if err == nil && os.Geteuid() == 0 {
		err = os.Lchown(path, owner, owner)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestTrusted: what nobody but root and the user could change or replace is used, and
// nothing else is.
func TestTrusted(t *testing.T) {
	const sticky = 0o777 | os.ModeSticky
	type entry struct {
		what string
		mode os.FileMode
	}
	for _, c := range []struct {
		name  string
		tree  []entry
		path  string
		fault string // in the error; empty: it is used
	}{
		{"a file", []entry{{"d/", 0o755}, {"d/f", 0o644}}, "d/f", ""},
		{"a private one", []entry{{"d/", 0o700}, {"d/f", 0o600}}, "d/f", ""},
		{"that is not there yet", []entry{{"d/", 0o755}}, "d/e/f", ""},
		{"the group writes it", []entry{{"d/", 0o755}, {"d/f", 0o664}}, "d/f", "d/f may be written by others"},
		{"everybody writes it", []entry{{"d/", 0o755}, {"d/f", 0o646}}, "d/f", "d/f may be written by others"},
		{"the group writes its folder", []entry{{"d/", 0o775}, {"d/f", 0o600}}, "d/f", "d may be written by others"},
		{"everybody writes the folder above", []entry{{"d/", 0o777}, {"d/e/", 0o700}, {"d/e/f", 0o600}}, "d/e/f", "d may be written by others"},
		{"of which it is not there yet", []entry{{"d/", 0o777}}, "d/e/f", "d may be written by others"},
		{"a folder as /tmp is", []entry{{"d/", sticky}, {"d/f", 0o600}}, "d/f", ""},
		{"not there yet in one", []entry{{"d/", sticky}}, "d/f", ""},
		{"one in itself", []entry{{"d/", sticky}}, "d", "d may be written by others"},
		{"a link", []entry{{"d/", 0o755}, {"d/f", 0o600}, {"l -> d/f", 0}}, "l", ""},
		{"a link to a folder", []entry{{"d/", 0o755}, {"d/f", 0o600}, {"e/", 0o755}, {"e/l -> ../d", 0}}, "e/l/f", ""},
		{"a link in full", []entry{{"d/", 0o755}, {"d/f", 0o600}, {"l -> ROOT/d", 0}}, "l/f", ""},
		{"a link through a loose folder", []entry{{"d/", 0o777}, {"d/e/", 0o755}, {"d/e/f", 0o600}, {"l -> d/e", 0}}, "l/f", "d may be written by others"},
		{"a link to a loose file", []entry{{"d/", 0o755}, {"d/f", 0o666}, {"l -> d/f", 0}}, "l", "d/f may be written by others"},
		{"a link in a loose folder", []entry{{"d/", 0o777}, {"f", 0o600}, {"d/l -> ../f", 0}}, "d/l", "d may be written by others"},
		{"a link in a circle", []entry{{"l -> m", 0}, {"m -> l", 0}}, "l", "too many levels of symbolic links"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTree(t)
			for _, e := range c.tree {
				r.make(e.what, e.mode, r.owner)
			}
			err := trusted(filepath.Join(r.root, c.path), r.owner)
			switch {
			case err == nil && c.fault == "":
			case err == nil:
				t.Fatalf("used, although %s", c.fault)
			case c.fault == "" || !strings.Contains(err.Error(), c.fault):
				t.Fatalf("%v", err)
			case strings.Contains(c.fault, "may be written") && !strings.Contains(err.Error(), "chmod go-w "+r.root):
				t.Errorf("no cure: %v", err)
			}
		})
	}
}

// TestTrustedOwners: what belongs to another user is not used, be it in a folder where
// others cannot remove it; what belongs to root is.
func TestTrustedOwners(t *testing.T) {
	r := newTree(t)
	r.make("d/", 0o755, r.owner)
	r.make("d/f", 0o600, r.owner)
	r.make("s/", 0o777|os.ModeSticky, 0)
	r.make("s/f", 0o600, r.owner)
	r.make("s/l -> /etc/passwd", 0, r.owner)
	others := []int{r.owner + 1}
	if os.Geteuid() == 0 {
		others = append(others, 0)
	}
	for _, uid := range others {
		for path, whose := range map[string]string{"d/f": "d", "d/none": "d", "s/f": "s/f", "s/l": "s/l"} {
			if os.Geteuid() != 0 && strings.HasPrefix(path, "s") {
				continue // the folder is not root's either
			}
			err := trusted(filepath.Join(r.root, path), uid)
			if want := fmt.Sprintf("%s belongs to user %d", filepath.Join(r.root, whose), r.owner); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("as user %d, %s: %v, want %s", uid, path, err, want)
			}
		}
	}
	for _, path := range []string{"/etc/passwd", filepath.Join(r.root, "d/f"), filepath.Join(r.root, "s/l")} {
		if err := trusted(path, r.owner); err != nil {
			t.Errorf("as user %d: %v", r.owner, err)
		}
	}
}

// TestLoadTrusts: neither a configuration that others may write, nor one that names such
// a place, is loaded; the error names the key.
func TestLoadTrusts(t *testing.T) {
	r := newTree(t)
	r.owner = os.Geteuid()
	t.Setenv("HOME", r.root)
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_DATA_HOME", "")
	r.make("loose/", 0o777, r.owner)
	loose := filepath.Join(r.root, "loose")
	file := filepath.Join(r.root, "config.toml")
	for text, want := range map[string]string{
		"":                                 "",
		"store.path = '" + loose + "/s'":   "store.path: " + loose + " may be written by others",
		"keys.path = '" + loose + "/k'":    "keys.path: " + loose + " may be written by others",
		"spool.dir = '" + loose + "/deep'": "spool.dir: " + loose + " may be written by others",
	} {
		if err := os.WriteFile(file, []byte("store.kind = 'dir'\nkeys.kind = 'local'\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(file)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	text := watched + "[[watch]]\ntemplate = '" + loose + "/house.json'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "watch.template: "+loose+" may be written by others") {
		t.Errorf("a template that others may write: %v", err)
	}
	for _, mode := range []os.FileMode{0o620, 0o602} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), file+" may be written by others") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	t.Setenv("XDG_STATE_HOME", loose)
	if _, err := Default(); err == nil || !strings.Contains(err.Error(), "built-in default: spool.dir: ") {
		t.Errorf("the built-in default in a loose folder: %v", err)
	}
}
