package model

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// op is one step: a verb and what it needs of the rest. Handles are slots, so
// that a step whose handle is not open does nothing, and a script stays a script
// when steps are taken out of it.
type op struct {
	Verb   string
	H, H2  int    // slots of handles
	Path   string // relative to the root of the run; "." is the root itself
	To     string // second path, or a symlink's target
	Off    int64
	To2    int64 // second offset
	Len    int64
	Flags  string // names of flags, joined by "|"
	Mode   uint32
	ID     uint32 // owner
	Seed   uint64 // of the content to write
	Name   string // of an xattr
	Second int64  // of a time
	Nano   int64

	short int64 // of Len, what a full spool has taken; 0: all
}

// flagBits are the names that Flags may hold, for all verbs.
var flagBits = map[string]int{
	"RDONLY": unix.O_RDONLY, "WRONLY": unix.O_WRONLY, "RDWR": unix.O_RDWR,
	"CREAT": unix.O_CREAT, "EXCL": unix.O_EXCL, "TRUNC": unix.O_TRUNC, "APPEND": unix.O_APPEND,
	"KEEP_SIZE": unix.FALLOC_FL_KEEP_SIZE, "PUNCH_HOLE": unix.FALLOC_FL_PUNCH_HOLE, "ZERO_RANGE": unix.FALLOC_FL_ZERO_RANGE,
	"NOREPLACE": unix.RENAME_NOREPLACE, "EXCHANGE": unix.RENAME_EXCHANGE,
	"CREATE": unix.XATTR_CREATE, "REPLACE": unix.XATTR_REPLACE,
}

func (o op) bits() int {
	bits := 0
	if o.Flags == "" {
		return 0
	}
	for name := range strings.SplitSeq(o.Flags, "|") {
		bits |= flagBits[name]
	}
	return bits
}

// fields are the parts of an op under the names that scripts give them.
func (o *op) fields() []field {
	return []field{
		{"h", &o.H}, {"h2", &o.H2}, {"path", &o.Path}, {"to", &o.To}, {"off", &o.Off}, {"off2", &o.To2}, {"len", &o.Len},
		{"flags", &o.Flags}, {"mode", &o.Mode}, {"id", &o.ID}, {"seed", &o.Seed}, {"name", &o.Name}, {"sec", &o.Second}, {"nsec", &o.Nano},
	}
}

type field struct {
	name string
	at   any
}

func (o op) String() string {
	var b strings.Builder
	b.WriteString(o.Verb)
	for _, f := range o.fields() {
		var text string
		switch at := f.at.(type) {
		case *int:
			text = strconv.Itoa(*at)
		case *int64:
			text = strconv.FormatInt(*at, 10)
		case *uint64:
			text = strconv.FormatUint(*at, 10)
		case *uint32:
			text = fmt.Sprintf("%#o", *at)
		case *string:
			text = *at
		}
		if text != "" && text != "0" {
			fmt.Fprintf(&b, " %s=%s", f.name, text)
		}
	}
	return b.String()
}

// parseOp reads what String wrote.
func parseOp(line string) (op, error) {
	var o op
	words := strings.Fields(line)
	o.Verb, words = words[0], words[1:]
	if _, ok := verbs[o.Verb]; !ok {
		return o, fmt.Errorf("no verb %q", o.Verb)
	}
	for _, word := range words {
		name, text, _ := strings.Cut(word, "=")
		if err := o.set(name, text); err != nil {
			return o, fmt.Errorf("%s: %s: %w", line, word, err)
		}
	}
	return o, nil
}

func (o *op) set(name, text string) (err error) {
	for _, f := range o.fields() {
		if f.name != name {
			continue
		}
		switch at := f.at.(type) {
		case *int:
			*at, err = strconv.Atoi(text)
		case *int64:
			*at, err = strconv.ParseInt(text, 10, 64)
		case *uint64:
			*at, err = strconv.ParseUint(text, 10, 64)
		case *uint32:
			var n uint64
			n, err = strconv.ParseUint(text, 0, 32)
			*at = uint32(n)
		case *string:
			*at = text
		}
		return err
	}
	return fmt.Errorf("no such field")
}

// readScript reads steps, one a line; "#" begins a comment.
func readScript(path string) ([]op, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var script []op
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		o, err := parseOp(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		script = append(script, o)
	}
	return script, nil
}

func writeScript(script []op) string {
	var b strings.Builder
	for _, o := range script {
		fmt.Fprintln(&b, o)
	}
	return b.String()
}
