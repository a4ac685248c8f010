package mhl

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Header is who made a list, and when.
type Header struct {
	Made                time.Time
	Host, Tool, Version string
	Ignore              []string
}

// Write writes a list of the ASC, 2.0. Files come in the order of their paths.
func Write(w io.Writer, h Header, files []File) error {
	out := &writer{w: bufio.NewWriter(w)}
	made := h.Made.UTC().Format(time.RFC3339)
	out.print(xml.Header, "<hashlist version=\"2.0\" xmlns=\"", Namespace, "\">\n  <creatorinfo>\n    <creationdate>", made, "</creationdate>\n    <hostname>")
	out.text(h.Host)
	out.print("</hostname>\n    <tool version=\"")
	out.text(h.Version)
	out.print("\">")
	out.text(h.Tool)
	out.print("</tool>\n  </creatorinfo>\n  <processinfo>\n    <process>in-place</process>\n")
	if len(h.Ignore) > 0 {
		out.print("    <ignore>\n")
		for _, pattern := range h.Ignore {
			out.print("      <pattern>")
			out.text(pattern)
			out.print("</pattern>\n")
		}
		out.print("    </ignore>\n")
	}
	out.print("  </processinfo>\n")
	out.files(files, made)
	out.print("</hashlist>\n")
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

// writer keeps the first error.
type writer struct {
	w   *bufio.Writer
	err error
}

func (o *writer) print(list ...string) {
	for _, s := range list {
		if o.err == nil {
			_, o.err = o.w.WriteString(s)
		}
	}
}

// text writes a text of an element or an attribute.
func (o *writer) text(s string) {
	if o.err == nil {
		o.err = xml.EscapeText(o.w, []byte(s))
	}
}

func (o *writer) files(files []File, made string) {
	if len(files) == 0 {
		return
	}
	o.print("  <hashes>\n")
	sorted := slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range sorted {
		if !canSay(f.Path) {
			o.err = fmt.Errorf("%q has a character that no hash list can have: %w", f.Path, ErrMalformed)
		}
		o.print("    <hash>\n      <path")
		if f.Size >= 0 {
			o.print(fmt.Sprintf(" size=\"%d\"", f.Size))
		}
		if !f.Modified.IsZero() {
			o.print(" lastmodificationdate=\"", f.Modified.UTC().Format(time.RFC3339), "\"")
		}
		o.print(">")
		o.text(f.Path)
		o.print("</path>\n")
		for _, h := range f.Hashes {
			k := string(h.Kind)
			o.print("      <", k, " action=\"original\" hashdate=\"", made, "\">", h.Sum, "</", k, ">\n")
		}
		o.print("    </hash>\n")
	}
	o.print("  </hashes>\n")
}

// canSay reports whether XML has all the characters of a text.
func canSay(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) < 0
}
