package status

import (
	"fmt"
	"strings"
	"time"

	"mcfs/internal/human"
	"mcfs/volume"
)

// mostItems is how many items of a kind are shown to a person at most.
const mostItems = 30

// item is one line of a status for a person.
type item struct {
	key   string // what it is about, to see what has changed
	kind  string
	name  string
	rest  string // what is true for longer than a moment
	now   string // what changes all the time
	part  float64
	bar   bool // part of it is done
	extra bool // not worth a line of its own when it comes or goes
}

func (i item) line() string {
	if i.kind == "" {
		return "  " + i.text(i.now)
	}
	return fmt.Sprintf("  %-12s %s", i.kind, i.text(i.now))
}

// text returns the item's name, and what is known of it.
func (i item) text(now string) string {
	var b strings.Builder
	b.WriteString(i.name)
	sep := "  "
	for _, s := range []string{now, i.rest} {
		if s != "" {
			b.WriteString(sep + s)
			sep = "; "
		}
	}
	return b.String()
}

// Lines returns a status for a person.
func Lines(all []Report, now time.Time) []string {
	var lines []string
	for _, r := range all {
		lines = append(lines, r.head())
		for _, i := range r.items(now) {
			lines = append(lines, i.line())
		}
	}
	return append(lines, nothing(all)...)
}

func nothing(all []Report) []string {
	if len(all) > 0 {
		return nil
	}
	return []string{"nothing is mounted"}
}

func (r Report) head() string {
	s := human.Quoted(r.where()) + ": " + human.Quoted(string(r.State))
	if r.Mountpoint != "" && r.Volume != "" {
		s += ", " + human.Quoted(r.Volume)
	}
	if r.Note != "" {
		s += ": " + human.Quoted(r.Note)
	}
	return s
}

func (r Report) items(now time.Time) []item {
	if r.Status == nil {
		return nil
	}
	var list []item
	list = append(list, draftItems(r.Drafts, now)...)
	list = append(list, clip(r.Changes, "change", func(c volume.ChangeStatus) item { return changeItem(c, now) })...)
	list = append(list, clip(r.Unopened, "unopened", unopenedItem)...)
	for _, c := range r.Conflicts {
		if c.There {
			list = append(list, conflictItem(c, now))
		}
	}
	list = append(list, clip(r.GivenUp, "given up", func(c volume.GivenUpStatus) item { return givenUpItem(c, now) })...)
	list = append(list, clip(r.Quarantine, "quarantine", func(q volume.Quarantined) item { return quarantineItem(q, now) })...)
	list = append(list, clip(r.HotFolders, "hot folder", func(f HotFolder) item { return hotItem(f, now) })...)
	if len(r.Drafts)+len(r.Changes)+len(r.Unopened) == 0 {
		list = append(list, item{key: "nothing", name: "nothing is pending", extra: true})
	}
	if r.Page != "" {
		list = append(list, item{key: "page", kind: "page", name: human.Quoted(r.Page), extra: true})
	}
	return append(list, r.cacheItem())
}

func unopenedItem(u volume.Unopened) item {
	return item{key: "unopened " + u.ID.String(), kind: "unopened", name: u.ID.String(), rest: human.Quoted(u.Cause)}
}

func conflictItem(c volume.ConflictStatus, now time.Time) item {
	return item{
		key: "conflict " + c.Aside, kind: "conflict", name: human.Quoted(c.Aside),
		rest: fmt.Sprintf("set aside at %s: another machine had saved %s", human.Clock(c.At, now), human.Quoted(c.Path)),
	}
}

func givenUpItem(c volume.GivenUpStatus, now time.Time) item {
	i := changeItem(volume.ChangeStatus{What: c.What, Path: c.Path, To: c.To}, now)
	i.key, i.rest = "given up "+i.key, fmt.Sprintf("given up at %s, the store may have it in part: %s", human.Clock(c.At, now), human.Quoted(c.Cause))
	return i
}

func quarantineItem(q volume.Quarantined, now time.Time) item {
	return item{
		key: "quarantine " + q.File, kind: "quarantine", name: human.Quoted(q.File),
		rest: fmt.Sprintf("%s, since %s: %s", human.Size(q.Bytes), human.Clock(q.At, now), human.Quoted(q.Why)),
	}
}

func (r Report) cacheItem() item {
	text := human.Size(r.Cache.Used)
	if r.Cache.Limit > 0 {
		text += " of " + human.Size(r.Cache.Limit)
	}
	if r.Cache.Drafts > 0 {
		text += fmt.Sprintf(", %s of it drafts", human.Size(r.Cache.Drafts))
	}
	return item{key: "cache", kind: "cache", name: text, extra: true}
}

// clip returns items for the first of a long list, and one with the number of the others.
func clip[T any](all []T, what string, show func(T) item) []item {
	var list []item
	for _, x := range all[:min(len(all), mostItems)] {
		list = append(list, show(x))
	}
	if more := len(all) - len(list); more > 0 {
		list = append(list, item{key: "more " + what, kind: what, name: fmt.Sprintf("and %d more", more), extra: true})
	}
	return list
}

// draftItems returns the items of drafts. Those under local-only names come last, since
// there may be many.
func draftItems(all []volume.DraftStatus, now time.Time) []item {
	var first, stay []volume.DraftStatus
	for _, d := range all {
		if d.State == volume.Local.String() && !d.Overdue && d.Failure == nil {
			stay = append(stay, d)
		} else {
			first = append(first, d)
		}
	}
	show := func(d volume.DraftStatus) item { return draftItem(d, now) }
	return append(clip(first, "draft", show), clip(stay, "local-only", show)...)
}

func draftItem(d volume.DraftStatus, now time.Time) item {
	i := item{key: "draft " + d.Path, kind: human.Quoted(d.State), name: human.Quoted(d.Path), now: human.Size(d.Size)}
	switch d.State {
	case volume.Writing.String():
		i.now += " so far" + sentText(d)
		i.rest = writingText(d)
	case volume.Uploading.String():
		i.bar, i.part = true, min(1, float64(d.Sent)/float64(max(1, d.Size)))
		i.now = uploadText(d)
	case volume.Interrupted.String():
		i.rest = "its writer was killed or cut off: write and close it again, or commit it as it is with mcfs sync and its path"
		if d.Failure != nil {
			i.rest = "it is not whole: save it again, or commit it as it is with mcfs sync and its path"
		}
	case volume.Local.String():
		i.kind, i.rest, i.extra = "local-only", "stays on this machine while it has this name", !d.Overdue
		if d.Overdue {
			i.rest = fmt.Sprintf("closed at %s and not renamed since: it is in this spool alone; rename it, or remove it", human.Clock(d.Closed, now))
		}
	case volume.Temporary.String():
		i.rest, i.extra = "open, under a name that looks temporary", true
		if !d.Claims.IsZero() {
			i.rest = fmt.Sprintf("uploaded under this name at %s, unless it is renamed; at once by mcfs sync and its path", human.Clock(d.Claims, now))
		} else if !d.Closed.IsZero() {
			i.rest = "uploaded under this name a while after the mount, unless it is renamed"
		}
	case volume.Lost.String():
		i.rest = "cannot be committed; its bytes are in quarantine"
	}
	if d.Told != "" {
		i.rest, i.extra = "larger than the spool: not safe, and lost when mcfs ends, until it is renamed to "+human.Quoted(d.Told)+", and to no other name", false
	}
	i.waitFor(d.Behind)
	i.fail(d.Failure, now)
	return i
}

func sentText(d volume.DraftStatus) string {
	if d.Sent == 0 {
		return ""
	}
	return fmt.Sprintf(", %s sent, %s/s", human.Size(d.Sent), human.Size(d.Rate))
}

func writingText(d volume.DraftStatus) string {
	switch {
	case d.Dropped:
		return "larger than the spool, which keeps no more than its end: not safe before its close"
	case !d.Safe:
		return "not safe before its close or an fsync"
	}
	return ""
}

func uploadText(d volume.DraftStatus) string {
	s := fmt.Sprintf("%s of %s (%d%%), %s/s", human.Size(min(d.Sent, d.Size)), human.Size(d.Size), 100*min(d.Sent, d.Size)/max(1, d.Size), human.Size(d.Rate))
	if d.Left > 0 {
		s += fmt.Sprintf(", %s left", time.Duration(d.Left)*time.Second)
	}
	return s
}

func changeItem(c volume.ChangeStatus, now time.Time) item {
	i := item{key: fmt.Sprintf("change %s %s %s", c.What, c.Path, c.To), kind: human.Quoted(c.What), name: human.Quoted(c.Path)}
	if c.To != "" {
		i.name += " -> " + human.Quoted(c.To)
	}
	i.waitFor(c.Behind)
	i.fail(c.Failure, now)
	return i
}

// waitFor adds what has to be finished before.
func (i *item) waitFor(b *volume.Behind) {
	if b == nil {
		return
	}
	text := fmt.Sprintf("waits for the %s of %s", human.Quoted(b.What), human.Quoted(b.Path))
	if b.To != "" {
		text += " to " + human.Quoted(b.To)
	}
	i.rest = strings.TrimPrefix(i.rest+"; "+text, "; ")
}

// fail adds a failure, and when the next try is.
func (i *item) fail(f *volume.Failure, now time.Time) {
	if f == nil {
		return
	}
	text := "failed"
	if f.Tries > 1 {
		text = fmt.Sprintf("failed %d times", f.Tries)
	}
	if !f.Since.IsZero() {
		text += " since " + human.Clock(f.Since, now)
	}
	switch {
	case !f.Next.IsZero():
		text += fmt.Sprintf(", next try in %s", max(0, f.Next.Sub(now)).Round(time.Second))
	case f.Tries > 0:
		text += ", being tried again"
	}
	i.now = strings.TrimPrefix(i.now+"; "+text, "; ")
	i.rest = strings.TrimPrefix(i.rest+"; cause: "+human.Quoted(f.Cause), "; ")
}
