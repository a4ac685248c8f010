package setup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcfs/config"
	"mcfs/internal/launchd"
	"mcfs/internal/systemd"
	"mcfs/policy"
)

const keyARN = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// TestText: what is written is read as it was answered.
func TestText(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	a := Answers{Bucket: "ingest", Prefix: `it's "odd" \ü<&/`, Region: "eu-west-1", Endpoint: "https://s3.example.com", PathStyle: true, Key: "alias/ingest", KeyRegion: "us-west-2"}
	c, err := a.Config("test")
	if err != nil {
		t.Fatal(err)
	}
	if c.Store.Bucket != a.Bucket || c.Store.Prefix != a.Prefix || c.Store.Region != a.Region || c.Store.Endpoint != a.Endpoint || !c.Store.PathStyle ||
		c.Keys.KeyID != a.Key || c.Keys.Region != a.KeyRegion || c.Store.Kind != config.StoreS3 || c.Keys.Kind != config.KeysKMS {
		t.Errorf("%+v of\n%s", c, a.Text())
	}
	local, err := Answers{Local: true}.Config("test")
	if err != nil || local.Store.Kind != config.StoreDir || local.Keys.Kind != config.KeysLocal {
		t.Errorf("%+v, %v", local, err)
	}
}

// TestWrite: a file appears whole and for this user alone, and takes nothing's place unasked; what
// fails leaves nothing.
// TestFactsOfStore: what objects are given, and as whom they are written, is in the policies.
func TestFactsOfStore(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	const plain = "store.bucket = 'ingest'\nkeys.key_id = 'alias/media'\n"
	facts := func(text, principal string) policy.Facts {
		c, err := config.Parse([]byte(text), "config.toml")
		if err != nil {
			t.Fatal(err)
		}
		f, err := Facts(c, policy.Facts{Principal: principal})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := facts(plain, ""); f.Tags || f.Locks || f.Principal != "" {
		t.Errorf("%+v", f)
	}
	const role = "arn:aws:iam::111122223333:role/Ingest"
	full := plain + "store.tags = ['a=b']\nstore.object_lock_mode = 'GOVERNANCE'\nstore.object_lock_days = 1\nstore.role_arn = '" + role + "'"
	if f := facts(full, ""); !f.Tags || !f.Locks || f.Principal != role {
		t.Errorf("%+v", f)
	}
	if f := facts(full, "arn:aws:iam::111122223333:user/anna"); f.Principal != "arn:aws:iam::111122223333:user/anna" {
		t.Errorf("%+v", f)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(dir, "config.toml")
	must(t, Write(path, "one", 0o600, false))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Write(path, "two", 0o600, false); !errors.Is(err, ErrExists) {
		t.Errorf("over another: %v", err)
	}
	holds(t, path, "one")
	must(t, Write(path, "two", 0o600, true))
	holds(t, path, "two")
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("nowhere", link))
	if err := Write(link, "x", 0o600, false); !errors.Is(err, ErrExists) {
		t.Errorf("over a link: %v", err)
	}
	if err := Free(link); !errors.Is(err, ErrExists) {
		t.Errorf("a link is %v", err)
	}
	if err := Write(filepath.Join(path, "below"), "x", 0o600, false); err == nil {
		t.Error("below a file")
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("left: %v, %v", list, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%s holds %q, not %q (%v)", path, text, want, err)
	}
}

// TestBoot: the line names what it mounts as mount(8) reads it.
func TestBoot(t *testing.T) {
	for busybox, want := range map[bool]string{
		false: `/etc/my\040config\0431.toml  /mnt/a\011b  fuse.mcfs  _netdev,nofail,uid=1000,gid=100  0 0`,
		true:  `mcfs  /mnt/a\011b  fuse.mcfs  config=/etc/my\040config\0431.toml,_netdev,nofail,uid=1000,gid=100  0 0`,
	} {
		if got, err := (Places{Busybox: busybox}).FstabLine("/etc/my config#1.toml", "/mnt/a\tb", 1000, 100); got != want || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
	if got, err := (Places{Busybox: true}).FstabLine("/a,b", "/m", 0, 0); err == nil {
		t.Errorf("two options: %s", got)
	}
}

// TestAppendLine: the file keeps what it has, and no mountpoint has two lines.
func TestAppendLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fstab")
	must(t, os.WriteFile(path, []byte("# /x /mnt/a none\n/dev/a / ext4 rw 0 1"), 0o644))
	must(t, AppendLine(path, "/c /mnt/a fuse.mcfs x 0 0"))
	holds(t, path, "# /x /mnt/a none\n/dev/a / ext4 rw 0 1\n/c /mnt/a fuse.mcfs x 0 0\n")
	if err := AppendLine(path, "/d /mnt/a fuse.mcfs x 0 0"); !errors.Is(err, ErrExists) {
		t.Errorf("a second line: %v", err)
	}
}

// interview is one with a script of answers, and a proof that wants a bucket and a key.
type interview struct {
	Setup
	said   bytes.Buffer
	proved []string
}

func newInterview(t *testing.T, answers string) *interview {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	v := &interview{}
	v.Setup = Setup{
		Path: filepath.Join(dir, "config.toml"), Ask: &Terminal{bufio.NewReader(strings.NewReader(answers)), &v.said}, Program: "/bin/mcfs",
		Tell:   func(format string, args ...any) { fmt.Fprintf(&v.said, format+"\n", args...) },
		Places: Places{Fstab: filepath.Join(dir, "fstab"), Units: filepath.Join(dir, "units")},
		Ready: func(at string) error {
			if strings.HasSuffix(at, "bad") {
				return errors.New("nothing can be mounted there")
			}
			return nil
		},
	}
	v.Prove = func(_ context.Context, c config.Config) bool {
		v.proved = append(v.proved, c.Store.Bucket+" "+c.Keys.KeyID)
		return c.Store.Bucket == "ingest" && (c.Keys.KeyID == "" || c.Keys.KeyID == keyARN)
	}
	return v
}

// TestInterview: what is wrong is asked again, until it works; then the file is written, and what
// mounts it.
func TestInterview(t *testing.T) {
	at := filepath.Join(t.TempDir(), "at")
	v := newInterview(t, "No Bucket\n\n\nwrong\ncamera-a\n\ningest\n\n\nalias/other\n\n"+keyARN+"\n"+at+"-bad\n"+at+"\nsometimes\nunit\n")
	v.KeyRegion = "us-west-2"
	must(t, v.Run(t.Context()))
	if got := strings.Join(v.proved, ","); got != "wrong ,ingest ,ingest alias/other,ingest alias/other,ingest "+keyARN {
		t.Errorf("proved: %s", got)
	}
	c, err := config.Load(v.Path)
	if err != nil || c.Store.Bucket != "ingest" || c.Store.Prefix != "camera-a/" || c.Keys.KeyID != keyARN {
		t.Errorf("%+v, %v", c, err)
	}
	if info, err := os.Stat(at); err != nil || !info.IsDir() {
		t.Errorf("the mountpoint: %v", err)
	}
	unit, err := os.ReadFile(filepath.Join(v.Places.Units, systemd.UnitName(at)))
	if err != nil || !strings.Contains(string(unit), v.Path) {
		t.Errorf("the unit: %v\n%s", err, unit)
	}
	if said := v.said.String(); !strings.Contains(said, "nothing can be mounted there") || !strings.Contains(said, "store.bucket") || !strings.Contains(said, "enable --now mcfs-") {
		t.Error(said)
	}
	var b bytes.Buffer
	must(t, v.Policies(&b))
	if n := strings.Count(b.String(), "# mcfs policy "); n != 4 || !strings.Contains(b.String(), "arn:aws:s3:::ingest/camera-a/*") {
		t.Errorf("%d policies:\n%s", n, b.String())
	}
}

// TestFstab: with flags for the rest only what is missing is asked.
func TestFstab(t *testing.T) {
	v := newInterview(t, "-\n-\n")
	v.Bucket, v.Key, v.Mountpoint, v.Boot = "ingest", keyARN, t.TempDir(), BootFstab
	must(t, v.Run(t.Context()))
	if text, err := os.ReadFile(v.Places.Fstab); err != nil || !strings.HasPrefix(string(text), v.Path+"  "+v.Mountpoint+"  fuse.mcfs") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestAgent: where launchd starts programs, that is offered alone, and its property list is for this mountpoint.
func TestAgent(t *testing.T) {
	home := t.TempDir()
	at := filepath.Join(home, "it's mine")
	v := newInterview(t, "-\n-\n"+at+"\nfstab\nagent\n")
	v.Bucket, v.Key, v.Places = "ingest", keyARN, PlacesOf("darwin", false, home, filepath.Join(home, ".config"))
	must(t, v.Run(t.Context()))
	label := launchd.Label(at)
	file := filepath.Join(home, "Library/LaunchAgents", label+".plist")
	want, err := launchd.Agent{Program: "/bin/mcfs", Configuration: v.Path, Mountpoint: at, Log: filepath.Join(home, "Library/Logs", label+".log")}.List()
	must(t, err)
	holds(t, file, want)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if said := v.said.String(); strings.Count(said, "Mount it when you log in: agent, or - for no") != 2 || !strings.Contains(said, "launchctl bootstrap gui/$UID '"+file+"'\n") {
		t.Error(said)
	}
}

// TestPlaces: each system has its ways, and none of another's.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		system string
		root   bool
		want   Places
		ways   string
	}{
		{"linux", true, Places{Fstab: "/etc/fstab", Units: "/etc/systemd/system"}, "fstab or unit"},
		{"linux", false, Places{Fstab: "/etc/fstab", Units: "/h/.c/systemd/user", User: true}, "fstab or unit"},
		{"darwin", true, Places{Agents: "/Library/LaunchDaemons", Logs: "/Library/Logs"}, "agent"},
		{"darwin", false, Places{Agents: "/h/Library/LaunchAgents", Logs: "/h/Library/Logs", User: true}, "agent"},
	} {
		if got := PlacesOf(c.system, c.root, "/h", "/h/.c"); got != c.want || got.Named() != c.ways {
			t.Errorf("%+v has %s", got, got.Named())
		}
	}
	if got := BootAgent.Enable(Places{}, "/d/it's.plist"); got != `launchctl bootstrap system '/d/it'\''s.plist'` {
		t.Error(got)
	}
}

// TestNothing: what ends early, is there already or cannot work, writes nothing.
func TestNothing(t *testing.T) {
	nothing := func(v *interview, want error) {
		t.Helper()
		if err := v.Run(t.Context()); !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
		if _, err := os.Lstat(v.Path); err == nil {
			t.Error("it was written")
		}
	}
	nothing(newInterview(t, "ingest\n\n"), ErrNoAnswer)
	unsound := newInterview(t, "")
	unsound.Ask, unsound.Bucket, unsound.Key = nil, "wrong", keyARN
	nothing(unsound, ErrUnsound)
	if unsound.Bucket = ""; strings.Join(unsound.Missing(), " ") != "--bucket" {
		t.Errorf("%q", unsound.Missing())
	}

	there := newInterview(t, "")
	must(t, os.WriteFile(there.Path, []byte("mine"), 0o600))
	if err := there.Run(t.Context()); !errors.Is(err, ErrExists) || there.said.Len() > 0 {
		t.Errorf("%v, %s", err, there.said.String())
	}
	holds(t, there.Path, "mine")

	open := newInterview(t, "")
	open.Ask, open.Prove, open.Local = nil, nil, true
	must(t, os.Chmod(filepath.Dir(open.Path), 0o777))
	if err := open.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("in a folder of everybody: %v", err)
	}
	if Free(open.Path) != nil {
		t.Error("it was kept")
	}

	var printed bytes.Buffer
	dry := newInterview(t, "")
	dry.Ask, dry.Bucket, dry.Key, dry.DryRun, dry.Mountpoint = nil, "ingest", keyARN, &printed, filepath.Join(t.TempDir(), "none")
	must(t, dry.Run(t.Context()))
	if Free(dry.Path) != nil || Free(dry.Mountpoint) != nil || printed.String() != dry.Text() {
		t.Errorf("a dry run prints %q", printed.String())
	}

	in, out := io.Pipe()
	defer out.Close()
	cut := newInterview(t, "")
	cut.Ask.In = bufio.NewReader(in)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(os.ErrProcessDone)
	if err := cut.Run(ctx); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("%v", err)
	}
}
