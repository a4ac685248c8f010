package faults

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// outcome is what a cell says: a word, the number of requests that reach the
// server's side (0: none can), and whether a failed call took effect.
type outcome struct {
	word     string
	requests int
	effect   bool
}

func (o outcome) String() string {
	s := o.word
	if o.requests > 0 {
		s += strconv.Itoa(o.requests)
	}
	if o.effect {
		s += "+"
	}
	return s
}

// table has the outcome of every fault, by row, at every operation, by column.
type table map[string]map[string]outcome

var cellForm = regexp.MustCompile(`^([a-z]+)([0-9]*)(\+?)$`)

// parse reads tables: each has a line of columns, then a line for each fault,
// whose name ends at the bar. It fails the test where a cell is missing, or is
// one too many.
func parse(t *testing.T, faults []fault, columns []string, texts ...string) table {
	t.Helper()
	all := make(table)
	for _, f := range faults {
		all[f.name] = make(map[string]outcome)
	}
	for _, text := range texts {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		_, head, _ := strings.Cut(lines[0], "|")
		names := strings.Fields(head)
		for _, line := range lines[1:] {
			row, rest, _ := strings.Cut(line, "|")
			row = strings.TrimSpace(row)
			if cells := strings.Fields(rest); all[row] == nil || len(cells) != len(names) {
				t.Errorf("row %q is of no fault, or has not %d cells", row, len(names))
			} else {
				all.fill(t, row, names, cells)
			}
		}
	}
	for row, cells := range all {
		for _, c := range columns {
			if cells[c] == (outcome{}) {
				t.Errorf("there is no cell for %s under %q", c, row)
			}
		}
		if len(cells) != len(columns) {
			t.Errorf("row %q has %d cells, and there are %d operations", row, len(cells), len(columns))
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return all
}

func (all table) fill(t *testing.T, row string, names, cells []string) {
	t.Helper()
	for i, c := range cells {
		m := cellForm.FindStringSubmatch(c)
		if m == nil || all[row][names[i]] != (outcome{}) {
			t.Errorf("row %q, column %s: %q means nothing, or is there twice", row, names[i], c)
			continue
		}
		n, _ := strconv.Atoi(m[2])
		all[row][names[i]] = outcome{m[1], n, m[3] != ""}
	}
}

// seen gathers what came of it, to show the table as it should be if it is wrong.
type seen struct {
	rows    []fault
	columns []string
	mu      sync.Mutex
	cells   table
}

func newSeen(rows []fault, columns []string) *seen {
	return &seen{rows: rows, columns: columns, cells: make(table)}
}

func (s *seen) note(row, column string, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cells[row] == nil {
		s.cells[row] = make(map[string]outcome)
	}
	s.cells[row][column] = o
}

// tell logs the table as it was seen, if the test has failed.
func (s *seen) tell(t *testing.T) {
	if !t.Failed() {
		return
	}
	var text strings.Builder
	line := func(name string, cell func(column string) string) {
		fmt.Fprintf(&text, "%-34s|", name)
		for _, c := range s.columns {
			fmt.Fprintf(&text, " %-*s", max(len(c), 7), cell(c))
		}
		text.WriteString("\n")
	}
	line("", func(c string) string { return c })
	for _, f := range s.rows {
		line(f.name, func(c string) string { return s.cells[f.name][c].String() })
	}
	t.Logf("the table, as it was seen:\n%s", text.String())
}
