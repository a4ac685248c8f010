package notify

import (
	"fmt"
	"slices"
	"strings"

	"mcfs/internal/feed"
	"mcfs/internal/human"
)

const (
	// named is how many files a notification names.
	named = 3
	// longest is how much of a name it shows, characters.
	longest = 80
)

// failures are what one notification is about.
type failures struct {
	count int      // files; the same one may be counted twice
	names []string // of the first
	cure  string   // of the first that has one
}

func (f *failures) add(l feed.Line) {
	if slices.Contains(f.names, l.Path) {
		return
	}
	f.count++
	if len(f.names) < named {
		f.names = append(f.names, l.Path)
	}
	if f.cure == "" && l.Failure != nil {
		f.cure = l.Failure.Cure
	}
}

// text is what is shown. The cause is not: it has the words of a server, which are for the log.
func (f failures) text(mountpoint string) (title, body string) {
	title = "mcfs: a file is not saved in the store"
	if f.count > 1 {
		title = fmt.Sprintf("mcfs: %d files are not saved in the store", f.count)
	}
	var b strings.Builder
	for _, name := range f.names {
		fmt.Fprintln(&b, short(human.Printable(name)))
	}
	if more := f.count - len(f.names); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	if f.cure != "" {
		fmt.Fprintln(&b, human.Printable(f.cure))
	}
	fmt.Fprintf(&b, "mcfs status %s tells more.", short(human.Printable(mountpoint)))
	return title, b.String()
}

// short is the end of a name that is too long, which tells more than its begin.
func short(name string) string {
	if runes := []rune(name); len(runes) > longest {
		return "…" + string(runes[len(runes)-longest:])
	}
	return name
}
