package manual

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// program is one with all that a help can have.
func program() *cobra.Command {
	do := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "tool", Short: "A tool", Long: "Does it.", Run: do}
	work := &cobra.Command{Use: "work PATH...", Short: "Work on paths", Run: do, Example: "  tool work 'a b' | jq .\n  .tool -x\n", Long: `.hidden files are files, and so is \n.
It's "quoted", with ^ and ~ and ` + "`ticks`" + ` and an ellipsis…

  first     means one
            thing
  second-x  means another

and this:
  {"v": 1,  "x"}
   no list
last.`}
	work.Flags().StringP("config", "c", "", "configuration `FILE`")
	work.Flags().Int("jobs", 4, "how many")
	work.Flags().Bool("secret", false, "")
	_ = work.Flags().MarkHidden("secret")
	unseen := &cobra.Command{Use: "unseen", Short: "Unseen", Run: do, Hidden: true}
	root.AddCommand(work, unseen)
	return root
}

func pages() []Page {
	return Manual{
		Date: "2026-01-02", Version: "tool 1-2", Long: func(c *cobra.Command) string { return c.Long },
		Exits: func(*cobra.Command) []Exit { return []Exit{{0, "done"}, {3, "some"}} },
	}.Pages(program())
}

// TestPage: each part of a help comes where it belongs, and is printed as it stands.
func TestPage(t *testing.T) {
	list := pages()
	if len(list) != 2 || list[0].Name != "tool.1" || list[1].Name != "tool-work.1" {
		t.Fatalf("the pages are %+v", list)
	}
	want := strings.TrimPrefix(`
.TH "TOOL\-WORK" 1 "2026-01-02" "tool 1\-2" "User Commands"
.SH "NAME"
tool\-work \- work on paths
.SH "SYNOPSIS"
\fBtool work\fR \fIPATH...\fR [\fIoptions\fR]
.SH "DESCRIPTION"
\&.hidden files are files, and so is \en. It\(aqs "quoted", with \(ha and \(ti
and \(gaticks\(ga and an ellipsis\[u2026]
.TP
\fBfirst\fR
means one thing
.TP
\fBsecond\-x\fR
means another
.PP
and this:
.PP
.nf
  {"v": 1,  "x"}
   no list
.fi
.PP
last.
.SH "OPTIONS"
.TP
\fB\-c\fR, \fB\-\-config\fR \fIFILE\fR
configuration FILE
.TP
\fB\-h\fR, \fB\-\-help\fR
help for work
.TP
\fB\-\-jobs\fR \fIint\fR
how many (default 4)
.SH "EXIT STATUS"
.TP
\fB0\fR
done
.TP
\fB3\fR
some
.SH "EXAMPLES"
.nf
  tool work \(aqa b\(aq | jq .
  .tool \-x
.fi
.SH "SEE ALSO"
.BR "tool" "(1)"
`, "\n")
	if diff := cmp.Diff(want, list[1].Text); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{".SH \"COMMANDS\"\n.TP\n\\fBtool work\\fR\nWork on paths\n", ".BR \"tool\\-work\" \"(1)\"\n"} {
		if !strings.Contains(list[0].Text, part) {
			t.Errorf("the page lacks %q:\n%s", part, list[0].Text)
		}
	}
	if strings.Contains(list[0].Text, "nseen") {
		t.Error("a hidden command is on the page")
	}
}

// TestWrite: the pages are written into a folder that is made, and a place that is none is an error
// that names it.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "share", "man1")
	for range 2 { // the second time over the first
		if err := Write(dir, pages()); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"tool-work.1", "tool.1"}) {
		t.Errorf("written are %q", names)
	}
	file := filepath.Join(dir, "tool.1")
	if err := Write(file, pages()); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("into a file: %v", err)
	}
}
