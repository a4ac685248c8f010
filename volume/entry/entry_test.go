package entry

import (
	"testing"
	"time"

	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/file"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

const (
	before = "boot before"
	now    = "boot now"
)

// made is a version, as a record has it.
var made = &remote.Record{}

// TestComesBackAs: what a draft is after a restart; content that a power cut may have cut short
// replaces nothing by itself.
func TestComesBackAs(t *testing.T) {
	for _, c := range []struct {
		name   string
		r      Record
		state  file.State
		want   file.State
		wanted bool // a mount takes it up
	}{
		{"hidden, before a power cut", Record{Promised: true, Boot: before}, file.Local, file.Local, true},
		{"hidden", Record{Promised: true, Boot: now}, file.Local, file.Local, true},
		{"asked for, before a power cut", Record{Promised: true, Asked: true, Boot: before}, file.Queued, file.Interrupted, true},
		{"asked for, before a kill", Record{Promised: true, Asked: true, Boot: now}, file.Queued, file.Queued, true},
		{"asked for, and fsynced", Record{Promised: true, Asked: true}, file.Queued, file.Queued, true},
		{"lost, before a power cut", Record{Promised: true, Boot: before}, file.Lost, file.Lost, true},
		{"lost, and shown", Record{}, file.Lost, file.Lost, true},
		{"written, and nobody promised", Record{}, file.Writing, file.Interrupted, false},
		{"written, and fsynced", Record{Promised: true}, file.Writing, file.Interrupted, true},
		{"being made", Record{Making: made}, file.Uploading, file.Queued, true},
		{"being made, before a power cut", Record{Making: made, Boot: before}, file.Uploading, file.Queued, true},
		{"temporary", Record{Promised: true}, file.Temporary, file.Temporary, true},
		{"temporary, before a power cut", Record{Promised: true, Boot: before}, file.Temporary, file.Interrupted, true},
		{"an upload alone had some of it", Record{Partial: true}, file.Writing, file.Lost, false},
		{"an upload alone had some of it, and may have ended", Record{Partial: true, Making: made}, file.Uploading, file.Queued, true},
		{"an upload alone had some, and then it was kept", Record{Partial: true, Promised: true}, file.Writing, file.Interrupted, true},
	} {
		e := spool.Entry{State: c.state.String()}
		if got := c.r.ComesBackAs(e, now); got != c.want || c.r.IsWanted(e) != c.wanted {
			t.Errorf("%s: %s, wanted %t; want %s, %t", c.name, got, c.r.IsWanted(e), c.want, c.wanted)
		}
	}
}

// TestStateUnder: a mount may have other local-only names than the one before.
func TestStateUnder(t *testing.T) {
	whole, loose := Record{Promised: true}, Record{Promised: true, Boot: before}
	for _, c := range []struct {
		name  string
		r     Record
		state file.State
		path  string
		class naming.Class
		want  file.State
	}{
		{"still hidden", whole, file.Local, "a", naming.LocalOnly, file.Local},
		{"hidden, and ordinary now", whole, file.Local, "a", naming.Ordinary, file.Queued},
		{"hidden, and ordinary now, after a power cut", loose, file.Local, "a", naming.Ordinary, file.Interrupted},
		{"hidden, and a guess now", whole, file.Local, "a", naming.Temporary, file.Temporary},
		{"hidden, and a guess now, after a power cut", loose, file.Local, "a", naming.Temporary, file.Interrupted},
		{"temporary, and hidden now", whole, file.Temporary, "a", naming.LocalOnly, file.Local},
		{"temporary, and ordinary now", whole, file.Temporary, "a", naming.Ordinary, file.Queued},
		{"staged", whole, file.Temporary, "a", naming.Staged, file.Temporary},
		{"temporary, after a power cut", loose, file.Temporary, "a", naming.LocalOnly, file.Interrupted},
		{"a control file", whole, file.Local, "d/a.aria2", naming.Temporary, file.Local},
		{"interrupted", whole, file.Interrupted, "a", naming.LocalOnly, file.Interrupted},
		{"asked for", Record{Promised: true, Asked: true}, file.Queued, "a", naming.LocalOnly, file.Queued},
	} {
		if got := c.r.StateUnder(spool.Entry{State: c.state.String(), Path: c.path}, now, c.class); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestMayBeNothing: only what waits, and was not fsynced, may have nothing.
func TestMayBeNothing(t *testing.T) {
	for _, c := range []struct {
		r     Record
		state file.State
		want  bool
	}{
		{Record{Promised: true, Boot: before}, file.Writing, true},
		{Record{Promised: true, Boot: now}, file.Local, true},
		{Record{Promised: true}, file.Writing, false},
		{Record{Promised: true, Asked: true, Boot: now}, file.Queued, false},
		{Record{Promised: true, Boot: before}, file.Lost, false},
	} {
		if got := c.r.MayBeNothing(spool.Entry{State: c.state.String()}, now); got != c.want {
			t.Errorf("%+v, %s: %t", c.r, c.state, got)
		}
	}
}

// TestDraft: what is said of a spool that waits is what the next mount will show.
func TestDraft(t *testing.T) {
	old := time.Now().Add(-2 * OverdueAfter)
	dir := sidecar.Attr{Mode: modeDir | 0o755}
	for _, c := range []struct {
		name    string
		r       Record
		e       spool.Entry
		shown   bool
		state   file.State
		safe    bool
		overdue bool
		failed  bool
	}{
		{"asked for", Record{Promised: true, Asked: true}, spool.Entry{State: file.Queued.String()}, true, file.Queued, true, false, false},
		{"nobody was promised it", Record{}, spool.Entry{State: file.Writing.String()}, false, 0, false, false, false},
		{"a directory", Record{Promised: true}, spool.Entry{State: file.Local.String(), Attr: dir}, false, 0, false, false, false},
		{"hidden for long", Record{Promised: true}, spool.Entry{State: file.Local.String(), Updated: old}, true, file.Local, true, true, false},
		{"lost with the mount", Record{Partial: true}, spool.Entry{State: file.Writing.String()}, true, file.Lost, false, false, true},
		{"lost, over a version that stays", Record{Partial: true, Replaces: made}, spool.Entry{State: file.Writing.String()}, false, 0, false, false, false},
		{"failing", Record{Promised: true, Asked: true}, spool.Entry{State: file.Queued.String(), Reason: "why"}, true, file.Queued, true, false, true},
	} {
		e, err := c.r.In(c.e)
		if err != nil {
			t.Fatal(err)
		}
		d, shown := draft(e, now)
		if shown != c.shown {
			t.Errorf("%s: shown %t", c.name, shown)
			continue
		}
		if shown && (d.State != c.state.String() || d.Safe != c.safe || d.Overdue != c.overdue || (d.Failure != nil) != c.failed) {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
	if _, shown := draft(spool.Entry{State: file.Queued.String(), Data: []byte("{")}, now); shown {
		t.Error("an entry that cannot be read is shown")
	}
}

// TestLocal: the entry of a local-only directory or symlink is told from a draft's, and a symlink's
// has its target.
func TestLocal(t *testing.T) {
	link := remote.NewVersion(remote.Content{IV: []byte("0123456789abcdef")}, remote.State{Key: "l", Body: []byte("sealed")})
	for _, c := range []struct {
		mode       uint32
		link       *remote.Version
		local, dir bool
	}{
		{modeDir | 0o755, nil, true, true},
		{modeSymlink | 0o777, link, true, false},
		{0o100644, nil, false, false},
	} {
		e, err := Local(spool.NewID(), "p", sidecar.Attr{Mode: c.mode}, c.link)
		if err != nil {
			t.Fatal(err)
		}
		if IsLocal(e) != c.local || IsLocalDir(e) != c.dir {
			t.Errorf("mode %o: local %t, a directory's %t", c.mode, IsLocal(e), IsLocalDir(e))
		}
		r, err := Read(e)
		if err != nil {
			t.Fatal(err)
		}
		ver, err := r.Link()
		if (err == nil) != (c.link != nil) || err == nil && string(ver.State().Body) != "sealed" {
			t.Errorf("mode %o: %v, %v", c.mode, ver, err)
		}
	}
}
