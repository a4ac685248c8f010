// Package report turns what was measured into RESULTS.md: a line for each line
// of the table of targets, with its verdict, and below it every figure. What
// could not be measured, and a goal that was missed, are lines as well.
package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"mcfs/bench/measure"
)

// Check is one target and what came of it.
type Check struct {
	What   string  // "wall, of rclone copyto's"
	Value  float64 // measured
	Limit  float64
	Least  bool   // Value must be at least Limit; else at most
	Unit   string // "×", "ms", "MiB"
	Toward bool   // a direction beyond the goal: to be short of it is no failure
	Err    error  // why there is no Value
}

// Verdicts.
const (
	Met         = "met"
	Missed      = "**missed**"
	Reached     = "reached"
	NotYet      = "not yet"
	NotMeasured = "**not measured**"
)

// Verdict says what came of the target.
func (c Check) Verdict() string {
	good := c.Value <= c.Limit
	if c.Least {
		good = c.Value >= c.Limit
	}
	switch {
	case c.Err != nil:
		return NotMeasured
	case c.Toward && good:
		return Reached
	case c.Toward:
		return NotYet
	case good:
		return Met
	}
	return Missed
}

// String is the target, what was measured, and the verdict, for a terminal.
func (c Check) String() string {
	return fmt.Sprintf("%s; measured: %s: %s", c.target(), c.measured(), strings.Trim(c.Verdict(), "*"))
}

func (c Check) target() string {
	bound := "at most"
	if c.Least {
		bound = "at least"
	}
	if c.Toward {
		bound = "then toward"
	}
	return fmt.Sprintf("%s: %s %s", c.What, bound, number(c.Limit, c.Unit))
}

func (c Check) measured() string {
	if c.Err != nil {
		return cell(c.Err.Error())
	}
	text := number(c.Value, c.Unit)
	if c.Value != c.Limit && text == number(c.Limit, c.Unit) { // the verdict needs more digits
		text = strings.TrimSpace(fmt.Sprintf("%.4f %s", c.Value, c.Unit))
	}
	return text
}

// number is a figure with three digits that count.
func number(v float64, unit string) string {
	text := fmt.Sprintf("%.0f", v)
	switch {
	case v == 0:
	case v < 10:
		text = fmt.Sprintf("%.2f", v)
	case v < 100:
		text = fmt.Sprintf("%.1f", v)
	}
	return strings.TrimSpace(text + " " + unit)
}

// Row is one line of the table of targets.
type Row struct {
	Name   string // short, for anchors and for choosing
	Work   string
	Checks []Check
	Series measure.All
	Notes  []string // how it was measured, where that is a choice or differs from the target
	Missed string   // why a goal was missed, and what was tried; shown only then
	Took   time.Duration
}

// Failed says whether a goal of the row was missed or not measured.
func (r Row) Failed() bool {
	for _, c := range r.Checks {
		if v := c.Verdict(); v == Missed || v == NotMeasured || v == NotYet {
			return true
		}
	}
	return len(r.Checks) == 0
}

// Machine is what the figures are from.
type Machine struct {
	When     time.Time
	Commit   string
	Hardware string
	Kernel   string
	Versions [][2]string // program, what it says of itself
	Scale    float64     // 1 is the size of the targets
	Took     time.Duration
}

// Write writes all of it.
func Write(w io.Writer, m Machine, rows []Row) error {
	var b strings.Builder
	b.WriteString("# mcfs and its peers, measured side by side\n\n")
	b.WriteString("Written by `make bench`; every figure is from one run, contenders in turn (A B A B …) against the same\n" +
		"servers, medians, the first run of each not counted. Ratios count: absolute times are those of one machine.\n\n")
	machine(&b, m)
	b.WriteString("\n## Targets\n\n| work | target | measured | verdict |\n|---|---|---|---|\n")
	for _, r := range rows {
		targets(&b, r)
	}
	b.WriteString("\n*Met* and *missed* are goals; *reached* and *not yet* are directions beyond one.\n\n## Figures\n")
	for _, r := range rows {
		figures(&b, r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func machine(b *strings.Builder, m Machine) {
	fmt.Fprintf(b, "- %s, commit %s, in %s\n", m.When.UTC().Format("2006-01-02 15:04 UTC"), m.Commit, m.Took.Round(time.Second))
	fmt.Fprintf(b, "- %s; %s\n", m.Hardware, m.Kernel)
	if m.Scale != 1 {
		fmt.Fprintf(b, "- **a trial at %g of the targets' sizes: its verdicts mean nothing**\n", m.Scale)
	}
	b.WriteString("\n| program | version |\n|---|---|\n")
	for _, v := range m.Versions {
		fmt.Fprintf(b, "| %s | %s |\n", v[0], cell(v[1]))
	}
}

func targets(b *strings.Builder, r Row) {
	checks := r.Checks
	if len(checks) == 0 {
		checks = []Check{{What: "all", Err: fmt.Errorf("no figures")}}
	}
	for i, c := range checks {
		work := ""
		if i == 0 {
			work = fmt.Sprintf("[%s](#%s)", cell(r.Work), r.Name)
		}
		target := c.target()
		if c.Limit == 0 && c.Err != nil {
			target = c.What
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", work, cell(target), c.measured(), c.Verdict())
	}
}

func figures(b *strings.Builder, r Row) {
	fmt.Fprintf(b, "\n### %s\n\n%s. Measured in %s.\n", r.Name, r.Work, r.Took.Round(time.Second))
	for _, n := range r.Notes {
		fmt.Fprintf(b, "\n%s\n", n)
	}
	if len(r.Series) > 0 {
		b.WriteString("\n| contender | runs | wall, s | its CPU, s | server's CPU, s | peak, MiB | more |\n|---|---|---|---|---|---|---|\n")
	}
	for _, s := range r.Series {
		fmt.Fprintln(b, line(s))
	}
	if r.Missed != "" && r.Failed() {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSpace(r.Missed))
	}
}

// line is a contender's in the table of figures.
func line(s measure.Series) string {
	if s.Err != nil && len(s.Samples) == 0 {
		return fmt.Sprintf("| %s | 0 | | | | | failed: %s |", cell(s.Name), cell(s.Err.Error()))
	}
	least, most := s.Range(measure.Wall)
	var more []string
	for _, name := range s.Names() {
		more = append(more, name+" "+number(s.Median(measure.More(name)), ""))
	}
	if s.Err != nil {
		more = append(more, "then failed: "+s.Err.Error())
	}
	server := func(x measure.Sample) float64 { return x.Server.Seconds() }
	return fmt.Sprintf("| %s | %d | %.2f (%.2f to %.2f) | %.2f | %s | %s | %s |", cell(s.Name), len(s.Samples),
		s.Median(measure.Wall), least, most, s.Median(measure.CPU), optional(s.Median(server), "%.2f"),
		optional(s.Median(measure.Peak)/(1<<20), "%.0f"), cell(strings.Join(more, ", ")))
}

func optional(v float64, format string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}

// cell makes a text fit for a table.
func cell(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 400 {
		text = strings.ToValidUTF8(text[:400], "") + "…"
	}
	return cmp.Or(strings.ReplaceAll(text, "|", `\|`), " ")
}
