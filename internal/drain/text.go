package drain

import (
	"fmt"
	"strings"

	"mcfs/internal/human"
	"mcfs/volume"
)

// mostNames is how many files are named at most that stay on this machine.
const mostNames = 30

// Stay names, in one line, the files that no drain waits for, since their names keep them
// on this machine; "" if there is none.
func Stay(all []volume.DraftStatus) string {
	var names []string
	for _, s := range all {
		if s.Told != "" {
			continue // an error says more
		}
		switch s.State {
		case volume.Local.String():
			names = append(names, human.Quoted(s.Path))
		case volume.Temporary.String():
			names = append(names, human.Quoted(s.Path)+" (still open)")
		}
	}
	if len(names) == 0 {
		return ""
	}
	if more := len(names) - mostNames; more > 0 {
		names = append(names[:mostNames], fmt.Sprintf("and %d more", more))
	}
	return "on this machine alone while the name is temporary; rename to upload: " + strings.Join(names, ", ")
}

// progress returns in one line what is waited for.
func progress(waiting []volume.Pending) string {
	const most = 3
	var files, changes int
	var done, size int64
	var names []string
	for _, p := range waiting {
		if p.Size > 0 {
			files, done, size = files+1, done+min(p.Done, p.Size), size+p.Size
		} else {
			changes++
		}
		if len(names) < most {
			name := human.Quoted(p.Path)
			if p.Reason != "" {
				name += " (" + human.Printable(p.Reason) + ")"
			}
			names = append(names, name)
		}
	}
	if more := len(waiting) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	var what []string
	if files > 0 {
		what = append(what, fmt.Sprintf("%s (%s of %s sent)", human.Count(files, "file"), human.Progress(done), human.Progress(size)))
	}
	if changes > 0 {
		what = append(what, human.Count(changes, "change"))
	}
	return fmt.Sprintf("waiting for %s: %s", strings.Join(what, " and "), strings.Join(names, ", "))
}
