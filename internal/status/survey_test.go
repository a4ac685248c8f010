package status

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcfs/config"
	"mcfs/internal/control"
	"mcfs/spool"
)

// configuration is one with a spool of its own, which is not there yet.
func configuration(t *testing.T) config.Config {
	dir := t.TempDir()
	return config.Config{
		Source: filepath.Join(dir, "mcfs.toml"),
		Store:  config.Store{Kind: config.StoreDir, Path: filepath.Join(dir, "store")},
		Spool:  config.Spool{Dir: filepath.Join(dir, "state", "0123456789abcdef"), MaxSize: 1 << 30},
	}
}

func (s Survey) of(c config.Config) Survey {
	s.Load = func() (config.Config, error) { return c, nil }
	return s
}

// TestSurveyOfWhatIsNotMounted: of a path in no mount, what the configuration says is shown.
func TestSurveyOfWhatIsNotMounted(t *testing.T) {
	c := configuration(t)
	s := Survey{Path: t.TempDir()}.of(c)
	expect := func(state State, note string) {
		t.Helper()
		list, err := s.Reports(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		r := list[0]
		if r.State != state || !strings.Contains(r.Note, note) || r.Volume != "the folder "+c.Store.Path || r.Config != c.Source || r.Spool != c.Spool.Dir {
			t.Errorf("%+v", r)
		}
	}
	expect(Unmounted, "; it has no spool yet")
	open, err := spool.Open(spool.Options{Dir: c.Spool.Dir, MaxSize: int64(c.Spool.MaxSize), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	expect(InUse, "; a daemon has this spool")
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	expect(Unmounted, "this is what the configuration says")
	if list, err := s.Reports(t.Context()); err != nil || list[0].Status == nil || list[0].Cache.Limit != 1<<30 {
		t.Errorf("the spool is not shown: %+v, %v", list, err)
	}
	s.Path = filepath.Join(s.Path, "none")
	if _, err := s.Reports(t.Context()); err == nil || err.Error() != s.Path+" does not exist" {
		t.Errorf("of what is not there: %v", err)
	}
	s.Load = func() (config.Config, error) { return c, errors.New("it has mistakes") }
	s.Path = t.TempDir()
	if _, err := s.Reports(t.Context()); err == nil || !strings.Contains(err.Error(), "is not configured: it has mistakes") {
		t.Errorf("without a configuration: %v", err)
	}
}

// TestAsk: a daemon that says nothing is told from one that is not there.
func TestAsk(t *testing.T) {
	daemon := control.Client{Mountpoint: filepath.Join(t.TempDir(), "mnt"), Users: []int{os.Geteuid()}}
	if _, err := Ask(t.Context(), daemon, ""); !errors.Is(err, control.ErrNoDaemon) {
		t.Errorf("of none: %v", err)
	}
	hang := make(chan struct{})
	server, err := control.Listen(daemon.Mountpoint, control.Handler{Log: func(error) {}, Status: func(path string) any {
		if path == "slow" {
			<-hang
		}
		return Report{Mountpoint: "/" + path, State: Mounted}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if r, err := Ask(t.Context(), daemon, "d"); err != nil || r.Mountpoint != "/d" || r.State != Mounted {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := Ask(t.Context(), daemon, "slow"); err != errSlow {
		t.Errorf("of one that hangs: %v", err)
	}
	close(hang)
}

// TestPrint: it fails where a daemon does not answer, and a document is one also of no mount.
func TestPrint(t *testing.T) {
	if err := silent([]Report{{Mountpoint: "/a", State: Mounted}, {Mountpoint: "/b", State: Silent, Note: "hangs"}}); err == nil || err.Error() != "the daemon of /b hangs" {
		t.Errorf("%v", err)
	}
	s := Survey{Path: t.TempDir()}.of(configuration(t))
	for asJSON, want := range map[bool]string{false: "the folder ", true: "{\n  \"version\": 1,"} {
		var out bytes.Buffer
		if err := Print(t.Context(), s, &out, asJSON); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("JSON %v: %v, %q", asJSON, err, out.String())
		}
	}
}
