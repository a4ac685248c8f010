package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit is a status with which a command may end.
type Exit struct {
	Status  int
	Meaning string
}

// Manual is what a program's pages have besides its commands.
type Manual struct {
	Date    string // of the program, as 2026-01-02
	Version string
	Long    func(*cobra.Command) string // what a command does, without its statuses
	Exits   func(*cobra.Command) []Exit
}

// Page is a manual page, of section 1.
type Page struct {
	Name string // of the file
	Text string
}

// Pages are those of a command and of all below it that a user sees.
func (m Manual) Pages(c *cobra.Command) []Page {
	c.InitDefaultHelpFlag()
	list := []Page{{pageName(c) + ".1", m.page(c)}}
	for _, below := range seen(c) {
		list = append(list, m.Pages(below)...)
	}
	return list
}

// Write writes pages into a folder, which is made if it is not there.
func Write(dir string, pages []Page) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder of the manual pages: %w", err)
	}
	for _, p := range pages {
		if err := os.WriteFile(filepath.Join(dir, p.Name), []byte(p.Text), 0o644); err != nil {
			return fmt.Errorf("manual page: %w", err)
		}
	}
	return nil
}

// seen are the commands below c of which its help tells. Those of cobra's own have none.
func seen(c *cobra.Command) (list []*cobra.Command) {
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() && below.Name() != "help" && below.Name() != "completion" {
			list = append(list, below)
		}
	}
	return list
}

// pageName is what man(1) is asked for: mcfs-job-status.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func (m Manual) page(c *cobra.Command) string {
	var r roff
	fmt.Fprintf(&r, ".TH \"%s\" 1 \"%s\" \"%s\" \"User Commands\"\n", escape(strings.ToUpper(pageName(c))), m.Date, escape(m.Version))
	r.section("NAME")
	r.filled(pageName(c) + " - " + lowerFirst(c.Short))
	r.section("SYNOPSIS")
	r.synopsis(c)
	r.section("DESCRIPTION")
	r.text(m.Long(c))
	if below := seen(c); len(below) > 0 {
		r.section("COMMANDS")
		for _, b := range below {
			r.entry(bold(b.CommandPath()), b.Short)
		}
	}
	r.section("OPTIONS")
	c.NonInheritedFlags().VisitAll(r.option)
	r.section("EXIT STATUS")
	for _, e := range m.Exits(c) {
		r.entry(bold(fmt.Sprint(e.Status)), e.Meaning)
	}
	if c.Example != "" {
		r.section("EXAMPLES")
		r.verbatim(strings.Split(strings.Trim(c.Example, "\n"), "\n"))
	}
	r.seeAlso(c)
	return r.String()
}

// synopsis is how a command is called, and what it is below.
func (r *roff) synopsis(c *cobra.Command) {
	r.call(c)
	if !c.Runnable() || c.HasSubCommands() {
		for _, b := range seen(c) {
			r.request("br")
			r.call(b)
		}
	}
}

// call is one line of a synopsis.
func (r *roff) call(c *cobra.Command) {
	args := strings.TrimPrefix(strings.TrimSuffix(c.UseLine(), " [flags]"), c.CommandPath())
	text := bold(c.CommandPath())
	if args = strings.TrimSpace(args); args != "" {
		text += ` \fI` + escape(args) + `\fR`
	}
	r.line(text + ` [\fIoptions\fR]`)
}

// option is one flag.
func (r *roff) option(f *pflag.Flag) {
	if f.Hidden {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	tag := bold("--" + f.Name)
	if f.Shorthand != "" {
		tag = bold("-"+f.Shorthand) + ", " + tag
	}
	if value != "" {
		tag += ` \fI` + escape(value) + `\fR`
	}
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	r.entry(tag, usage)
}

// seeAlso names the pages beside a command's.
func (r *roff) seeAlso(c *cobra.Command) {
	var names []string
	if c.HasParent() {
		names = append(names, pageName(c.Parent()))
	}
	for _, b := range seen(c) {
		names = append(names, pageName(b))
	}
	if len(names) == 0 {
		return
	}
	r.section("SEE ALSO")
	for i, name := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		r.request("BR", name, "(1)"+end)
	}
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
