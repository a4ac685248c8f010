package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// render is a manual page as a reader sees it, in lines that end nowhere but at its paragraphs.
func render(t *testing.T, page string) string {
	t.Helper()
	c := exec.Command("mandoc", "-Tutf8", "-Owidth=1000,indent=0", page)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("mandoc: %v: install the package mandoc", err)
	}
	var b bytes.Buffer // what is bold is printed over itself
	for _, r := range string(out) {
		if r == '\b' {
			for b.Truncate(b.Len() - 1); b.Len() > 0 && !validEnd(b.Bytes()); b.Truncate(b.Len() - 1) {
			}
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func validEnd(text []byte) bool {
	return text[len(text)-1] < 0x80 || string(text) == strings.ToValidUTF8(string(text), "")
}

// words are the words of a text, one space between.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestManualPages: each command has a page of all that its help says, as it says it: what it does,
// every flag with its meaning, every status, its examples; and no formatter finds fault with it.
func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if status := run(t.Context(), []string{"mcfs", "man", dir}, stdio{out: io.Discard, err: os.Stderr}); status != exitOK {
		t.Fatalf("mcfs man ends with %d", status)
	}
	var want []string
	root := newRoot(stdio{})
	check := func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		want = append(want, name)
		checkPage(t, c, filepath.Join(dir, name))
	}
	check(root)
	everyCommand(root, check)
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) < 20 {
		t.Errorf("the pages are\n%q\nthe commands\n%q", got, want)
	}
}

// checkPage demands that a page is sound, and says all that the help of its command does.
func checkPage(t *testing.T, c *cobra.Command, page string) {
	t.Helper()
	if out, err := exec.Command("mandoc", "-Tlint", page).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc -Tlint: %v\n%s", err, out)
	}
	text := words(render(t, page))
	at := 0
	find := func(what string) {
		i := strings.Index(text[at:], words(what))
		if i < 0 {
			t.Errorf("%s lacks, after the rest: %q", filepath.Base(page), words(what))
			return
		}
		at += i
	}
	find("NAME")
	find(strings.TrimSuffix(filepath.Base(page), ".1") + " - ")
	find("SYNOPSIS")
	find(strings.TrimSuffix(c.UseLine(), " [flags]"))
	find("DESCRIPTION")
	for line := range strings.Lines(withoutExits(c)) {
		find(line)
	}
	if len(c.Commands()) > 0 && c.Name() != "mcfs" {
		find("COMMANDS")
	}
	find("OPTIONS")
	c.InitDefaultHelpFlag()
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if value, usage := pflag.UnquoteUsage(f); !f.Hidden {
			find("--" + f.Name + " " + value)
			find(usage)
		}
	})
	find("EXIT STATUS")
	mine := exitsOf(c)
	for _, e := range exits {
		if slices.Contains(mine, e.status) {
			find(fmt.Sprint(e.status, " ", e.meaning))
		}
	}
	for line := range strings.Lines(c.Example) {
		find(line)
	}
}
