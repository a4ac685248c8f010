package batch

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Tally is what has become of the files of a batch, as a line of JSON, too.
type Tally struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	Files    int    `json:"files"`
	Printed  int    `json:"printed,omitempty"`
	Would    int    `json:"would_create,omitempty"`
	Complete int    `json:"complete,omitempty"`
	Running  int    `json:"running,omitempty"`
	Error    int    `json:"error,omitempty"`
	Canceled int    `json:"canceled,omitempty"`
	Failed   int    `json:"failed,omitempty"`
	Skipped  int    `json:"skipped,omitempty"`
}

// JSON is the tally as a line.
func (c Tally) JSON() string {
	c.V, c.Type = 1, "summary"
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	return string(text)
}

// String is the tally for a person.
func (c Tally) String() string {
	list := []string{fmt.Sprintf("%d files", c.Files)}
	if c.Files == 1 {
		list[0] = "1 file"
	}
	for _, n := range []struct {
		n    int
		what string
	}{
		{c.Printed, "documents printed"}, {c.Would, "would have a job created"}, {c.Complete, "complete"}, {c.Running, "still running"},
		{c.Error, "ended in error"}, {c.Canceled, "cancelled"}, {c.Failed, "failed"}, {c.Skipped, "left out"},
	} {
		if n.n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	return strings.Join(list, ", ")
}
