package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"mcfs/internal/human"
	"mcfs/internal/status"
)

const (
	mostRows   = 30 // of a kind, in a mount
	mostMounts = 20
	mostText   = 600 // bytes of a cause
)

// view is what the page shows.
type view struct {
	Summary string // changes seldom, and is read out
	Note    string
	Mounts  []mountView
	More    int
}

type mountView struct {
	ID, Place, State, Volume, Note, Cache string

	Sections []sectionView
	Readable bool // the settings of its files can be asked for
}

type sectionView struct {
	ID, Title, Bad string
	Rows           []row
	More           int
	Hint           string // what to do to see more
}

// row is one line of the page.
type row struct {
	ID, Kind, Name, Now, Rest, Cure, Link string
	Bar                                   bool
	Done                                  int // percent
}

// idOf is the name of something in the page, of letters and digits alone.
func idOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "i" + hex.EncodeToString(sum[:8])
}

// text is what people choose and servers say, as text of bounded length.
func text(s string) string {
	s = human.Printable(s)
	if len(s) <= mostText {
		return s
	}
	cut := mostText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// viewOf is what the page shows of reports. recently is what has happened in a mount; it may be nil.
func viewOf(reports []status.Report, err error, now time.Time, recently func(mountpoint string) *recent) view {
	var v view
	if err != nil {
		v.Note = text(human.OneLine(err))
	}
	failing, conflicts, silent := 0, 0, 0
	for _, r := range reports {
		s := r.Sections(now, mostRows)
		failing, conflicts = failing+s.Failing.All(), conflicts+s.Conflicts.All()
		if r.State == status.Silent || r.State == status.Dead {
			silent++
		}
		if len(v.Mounts) == mostMounts {
			v.More++
			continue
		}
		v.Mounts = append(v.Mounts, mountOf(r, s, now, recently))
	}
	v.Summary = "Failures: " + fmt.Sprint(failing) + ". Conflicts: " + fmt.Sprint(conflicts) + "."
	if silent > 0 {
		v.Summary += fmt.Sprintf(" Mounts that do not answer: %d.", silent)
	}
	if len(reports) == 0 {
		v.Summary = "Nothing is mounted."
	}
	return v
}

func mountOf(r status.Report, s status.Sections, now time.Time, recently func(string) *recent) mountView {
	place := cmp.Or(r.Mountpoint, r.Volume, r.Spool)
	m := mountView{ID: mountID(r), Place: text(place), State: text(string(r.State)), Volume: text(r.Volume), Note: text(r.Note), Cache: text(s.Cache)}
	if r.Status == nil {
		return m
	}
	var lately *recent
	if m.Readable = r.Mountpoint != "" && (r.State == status.Mounted || r.State == status.Ending); m.Readable {
		lately = recently(r.Mountpoint)
	}
	add := func(title, bad string, part status.Section) {
		if part.All() > 0 {
			m.Sections = append(m.Sections, m.sectionOf(title, bad, part, lately))
		}
	}
	add("Failures", "bad", s.Failing)
	add("Conflicts", "bad", s.Conflicts)
	add("Uploads", "", s.Moving)
	add("Waiting", "", s.Waiting)
	add("Hot folders", "", s.Folders)
	if lately != nil {
		m.addRecent(lately, now)
	}
	return m
}

func mountID(r status.Report) string { return idOf("mount", r.Mountpoint, r.Volume, r.Spool) }

func (m *mountView) sectionOf(title, bad string, part status.Section, lately *recent) sectionView {
	s := sectionView{ID: idOf(m.ID, title), Title: title, Bad: bad, More: part.More, Hint: "mcfs status --json has all"}
	for _, l := range part.Lines {
		at := row{ID: idOf(m.ID, title, l.Key), Kind: l.Kind, Name: text(l.Name), Now: text(l.Now), Rest: text(l.Rest), Cure: l.Cure, Bar: l.Bar, Done: int(100 * l.Part)}
		if lately != nil && l.Cure != "" && l.Path != "" {
			at.Cure = text(cmp.Or(lately.cureOf(l.Path), l.Cure))
		}
		s.Rows = append(s.Rows, at)
	}
	return s
}

// addRecent adds the jobs and the files that were last saved.
func (m *mountView) addRecent(lately *recent, now time.Time) {
	files, jobs := lately.latest()
	if len(jobs) > 0 {
		s := sectionView{ID: idOf(m.ID, "jobs"), Title: "Jobs", More: max(0, len(jobs)-mostRows), Hint: "mcfs job list has all"}
		for _, j := range jobs[:min(len(jobs), mostRows)] {
			s.Rows = append(s.Rows, j.row(m.ID, now))
		}
		m.Sections = append(m.Sections, s)
	}
	if len(files) > 0 {
		s := sectionView{ID: idOf(m.ID, "files"), Title: "Saved last", More: max(0, len(files)-mostRows), Hint: "their settings are found by their path, below"}
		for _, f := range files[:min(len(files), mostRows)] {
			s.Rows = append(s.Rows, row{
				ID: idOf(m.ID, "file", f.path), Kind: "in the store", Name: text(f.path), Now: human.Size(f.size) + ", at " + human.Clock(f.at, now),
				Link: "/settings?" + url.Values{"mount": {m.ID}, "path": {f.path}}.Encode(),
			})
		}
		m.Sections = append(m.Sections, s)
	}
}

func (j job) row(mount string, now time.Time) row {
	at := row{ID: idOf(mount, "job", j.id, j.path), Kind: text(cmp.Or(strings.ToLower(j.status), j.what)), Name: text(cmp.Or(j.path, "all files")), Now: "job " + text(cmp.Or(j.id, "not created")) + ", " + text(j.what) + " at " + human.Clock(j.at, now)}
	at.Rest, at.Cure = text(j.cause), text(j.cure)
	if len(j.outputs) > 0 {
		at.Rest = "outputs: " + text(strings.Join(j.outputs, ", "))
	}
	return at
}
