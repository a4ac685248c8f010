package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commandsPage is the page of the contract of all commands.
func commandsPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// everyCommand calls do with each command that a user sees.
func everyCommand(c *cobra.Command, do func(*cobra.Command)) {
	for _, below := range c.Commands() {
		if below.Name() == "help" || below.Name() == "completion" || below.Hidden {
			continue
		}
		do(below)
		everyCommand(below, do)
	}
}

// TestExitStatuses: the help of every command says with which statuses it ends, and the page of
// the commands says the same of it.
func TestExitStatuses(t *testing.T) {
	page := commandsPage(t)
	for _, e := range exits {
		if row := fmt.Sprintf("| %d | %s |", e.status, e.meaning); !strings.Contains(page, row) {
			t.Errorf("docs/commands.md lacks %q", row)
		}
	}
	count := 0
	everyCommand(newRoot(stdio{}), func(c *cobra.Command) {
		count++
		path := strings.Fields(c.CommandPath())
		var out, said bytes.Buffer
		args := append([]string{"mcfs", "help"}, path[1:]...)
		if status := run(t.Context(), args, stdio{out: &out, err: &said}); status != exitOK {
			t.Errorf("%v ends with %d: %s", args, status, said.String())
		}
		var numbers []string
		for _, e := range exits {
			line := fmt.Sprintf("\n  %-4d %s\n", e.status, e.meaning)
			may := slices.Contains(exitsOf(c), e.status)
			if strings.Contains(out.String(), line) != may {
				t.Errorf("the help of %s: is %q in it? it should be: %v", c.CommandPath(), line, may)
			}
			if may {
				numbers = append(numbers, strconv.Itoa(e.status))
			}
		}
		if row := fmt.Sprintf("| `%s` | %s |", c.CommandPath(), strings.Join(numbers, " ")); !strings.Contains(page, row) {
			t.Errorf("docs/commands.md lacks %q", row)
		}
	})
	if count < 15 {
		t.Errorf("only %d commands were found", count)
	}
}

// TestJSONOfAll: every command that does something has --json, and the page of the commands says
// what it prints.
func TestJSONOfAll(t *testing.T) {
	page := commandsPage(t)
	_, page, _ = strings.Cut(page, "| command | `--json` prints |\n")
	page, _, _ = strings.Cut(page, "\n\n")
	var want []string
	everyCommand(newRoot(stdio{}), func(c *cobra.Command) {
		if c.HasSubCommands() && c.Name() != "job" { // which only leads to others
			return
		}
		want = append(want, "`"+c.CommandPath()+"`")
		if c.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", c.CommandPath())
		}
	})
	var got []string
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) == 2 && len(cells[1]) > 5 {
			got = append(got, strings.TrimPrefix(cells[0], "| "))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the page has\n%q\nthe commands are\n%q", got, want)
	}
}
