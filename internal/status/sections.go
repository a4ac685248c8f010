package status

import (
	"cmp"
	"time"

	"mcfs/internal/human"
	"mcfs/volume"
)

// Line is one thing that a status tells, in the words of the lines for a terminal.
type Line struct {
	Key  string // what it is about
	Kind string
	Path string // of the file, in the volume and as it is; "": it is of none
	Name string
	Now  string  // what changes all the time
	Rest string  // what is true for longer than a moment
	Cure string  // "": the others tell, or there is none
	Bar  bool    // a part of it is done
	Part float64 // of 1, which
}

// Section is the first lines of a kind.
type Section struct {
	Lines []Line
	More  int // than these
}

// All is how many there are.
func (s Section) All() int { return len(s.Lines) + s.More }

// Sections is what a page shows of a mount.
type Sections struct {
	Failing   Section // what needs somebody
	Conflicts Section
	Moving    Section // uploads
	Waiting   Section // for its turn, its close, or another name
	Folders   Section // hot folders
	Cache     string
}

const (
	cureTried      = "nothing is lost, and it is tried again by itself; mcfs doctor looks for what is amiss"
	cureGivenUp    = "look at what the store has, and do it again"
	cureQuarantine = "mcfs quarantine list tells what can be brought back, and mcfs help quarantine how"
	cureUnopened   = "mount the volume with the keyring or KMS key under which it was sealed"
)

// Sections sorts what a status tells by what it asks of a person, at most so many lines of each kind.
func (r Report) Sections(now time.Time, most int) (s Sections) {
	if r.Status == nil {
		return s
	}
	for _, d := range r.Drafts {
		part, cure := s.partOf(d)
		part.add(most, func() Line { return draftItem(d, now).lineOf(d.Path, cure) })
	}
	for _, c := range r.Changes {
		part, cure := &s.Waiting, ""
		if c.Failure != nil {
			part, cure = &s.Failing, cureTried
		}
		part.add(most, func() Line { return changeItem(c, now).lineOf(c.Path, cure) })
	}
	r.wrong(&s, now, most)
	for _, c := range r.Conflicts {
		if c.There {
			s.Conflicts.add(most, func() Line { return conflictItem(c, now).lineOf(c.Aside, "") })
		}
	}
	for _, f := range r.HotFolders {
		s.Folders.add(most, func() Line { return hotItem(f, now).lineOf("", "") })
	}
	s.Cache = r.cacheItem().name
	return s
}

// wrong adds what has ended badly.
func (r Report) wrong(s *Sections, now time.Time, most int) {
	for _, u := range r.Unopened {
		s.Failing.add(most, func() Line { return unopenedItem(u).lineOf("", cureUnopened) })
	}
	for _, c := range r.GivenUp {
		s.Failing.add(most, func() Line { return givenUpItem(c, now).lineOf(c.Path, cureGivenUp) })
	}
	for _, q := range r.Quarantine {
		s.Failing.add(most, func() Line { return quarantineItem(q, now).lineOf("", cureQuarantine) })
	}
}

// partOf returns where a draft is shown, and the cure where something is wrong with it.
func (s *Sections) partOf(d volume.DraftStatus) (part *Section, cure string) {
	switch {
	case d.State == volume.Lost.String():
		return &s.Failing, cureQuarantine
	case d.State == volume.Interrupted.String(), d.Overdue, d.Told != "":
		return &s.Failing, "" // its line says it
	case d.Failure != nil:
		return &s.Failing, cmp.Or(d.Failure.Cure, cureTried)
	case d.State == volume.Uploading.String(), d.State == volume.Publishing.String():
		return &s.Moving, ""
	}
	return &s.Waiting, ""
}

// add makes the line unless there are as many as are shown, and counts it then.
func (s *Section) add(most int, line func() Line) {
	if len(s.Lines) >= most {
		s.More++
		return
	}
	s.Lines = append(s.Lines, line())
}

func (i item) lineOf(path, cure string) Line {
	text := human.Printable // what quotes have left as it is
	return Line{Key: i.key, Kind: text(i.kind), Path: path, Name: text(i.name), Now: text(i.now), Rest: text(i.rest), Cure: cure, Bar: i.bar, Part: i.part}
}
