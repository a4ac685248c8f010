package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// roff is a page being written, with the macros of man(7).
type roff struct {
	strings.Builder
	fresh bool // nothing is in the section yet
}

// width is about how long the lines of the source are. The formatter fills its own.
const width = 78

// special are the characters that mean something to a formatter, or that it would print as others.
var special = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// escape writes a text so that it is printed as it stands.
func escape(text string) string {
	var b strings.Builder
	for _, r := range special.Replace(text) {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

func bold(text string) string { return `\fB` + escape(text) + `\fR` }

// request writes a macro with its arguments.
func (r *roff) request(name string, args ...string) {
	r.WriteString("." + name)
	for _, a := range args {
		r.WriteString(` "` + strings.ReplaceAll(escape(a), `"`, `\(dq`) + `"`)
	}
	r.WriteByte('\n')
}

func (r *roff) section(name string) {
	r.request("SH", name)
	r.fresh = true
}

// paragraph begins one, but where the section does so already.
func (r *roff) paragraph() {
	if !r.fresh {
		r.request("PP")
	}
	r.fresh = false
}

// line writes a line of text that is escaped already. One that begins as a request does is none.
func (r *roff) line(text string) {
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	r.WriteString(text + "\n")
}

// filled writes words, of which the formatter makes lines.
func (r *roff) filled(text string) {
	now := ""
	for _, word := range strings.Fields(text) {
		word = escape(word)
		if now != "" && len(now)+1+len(word) > width {
			r.line(now)
			now = ""
		}
		if now != "" {
			now += " "
		}
		now += word
	}
	r.line(now)
}

// entry is a term and what it means. The term is escaped already.
func (r *roff) entry(term, meaning string) {
	r.fresh = false
	r.request("TP")
	r.line(term)
	r.filled(meaning)
}

// verbatim writes lines as they stand.
func (r *roff) verbatim(lines []string) {
	r.paragraph()
	r.request("nf")
	for _, l := range lines {
		r.line(escape(l))
	}
	r.request("fi")
}

// listLine is a line of a list: a term, and in a column of its own what it means.
var listLine = regexp.MustCompile(`^  (\S+(?: \S+)*)  +(\S.*)$`)

// text writes the help of a command: paragraphs; lists, whose lines begin with two spaces, a term and
// its meaning; and what else is indented, as it stands.
func (r *roff) text(help string) {
	for _, part := range blocks(help) {
		switch list := entries(part); {
		case list != nil:
			for _, e := range list {
				r.entry(bold(e.term), e.meaning)
			}
		case strings.HasPrefix(part[0], "  "):
			r.verbatim(part)
		default:
			r.paragraph()
			r.filled(strings.Join(part, "\n"))
		}
	}
}

// blocks are the parts of a help: what is indented is one of its own, blank lines are between others.
func blocks(help string) (list [][]string) {
	var now []string
	end := func() {
		if now != nil {
			list = append(list, now)
			now = nil
		}
	}
	for _, line := range strings.Split(strings.Trim(help, "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			end()
			continue
		}
		if now != nil && strings.HasPrefix(line, "  ") != strings.HasPrefix(now[0], "  ") {
			end()
		}
		now = append(now, strings.TrimRight(line, " "))
	}
	end()
	return list
}

// entry is a term of a list and what it means.
type entry struct{ term, meaning string }

// entries are those of an indented block in which every meaning stands in one column; nil if it is no
// list.
func entries(block []string) (list []entry) {
	first := listLine.FindStringSubmatchIndex(block[0])
	if first == nil {
		return nil
	}
	column := first[4]
	for _, line := range block {
		switch {
		case len(line) <= column:
			return nil
		case strings.TrimSpace(line[:column]) == "" && line[column] != ' ':
			if list == nil {
				return nil
			}
			list[len(list)-1].meaning += " " + line[column:]
		case strings.HasPrefix(line, "  ") && line[2] != ' ' && line[column-1] == ' ' && line[column] != ' ':
			list = append(list, entry{strings.TrimSpace(line[:column]), line[column:]})
		default:
			return nil
		}
	}
	return list
}
