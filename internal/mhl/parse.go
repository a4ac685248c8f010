package mhl

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Namespace is that of the lists of the ASC.
const Namespace = "urn:ASC:MHL:v2.0"

// parser is a list that is being read.
type parser struct {
	d     *xml.Decoder
	list  *List
	older bool // of mediahashlist.org
}

// Parse reads a list. ErrMalformed: it is none, or says what no list may.
func Parse(r io.Reader) (*List, error) {
	in := bufio.NewReader(&bounded{r: r, left: MaxBytes})
	if mark, err := in.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(len(mark))
	}
	p := &parser{d: xml.NewDecoder(in), list: &List{at: make(map[string]int)}}
	if err := p.document(); err != nil {
		line, _ := p.d.InputPos()
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return p.list, nil
}

// bounded is a reader that refuses to go on after so many bytes.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("it is longer than %d MiB: %w", MaxBytes>>20, ErrMalformed)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// next is the next token. A list has no directives, in which entities would be declared.
func (p *parser) next() (xml.Token, error) {
	t, err := p.d.Token()
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("%s: %w", syntax.Msg, ErrMalformed)
	case err != nil:
		return nil, err
	}
	if _, is := t.(xml.Directive); is {
		return nil, fmt.Errorf("it has a document type: %w", ErrMalformed)
	}
	return t, nil
}

// document reads all of it: one element, and nothing after it.
func (p *parser) document() error {
	done := false
	for {
		t, err := p.next()
		if errors.Is(err, io.EOF) && done {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("it is empty: %w", ErrMalformed)
		}
		if err != nil {
			return err
		}
		start, is := t.(xml.StartElement)
		if !is {
			continue
		}
		if done {
			return fmt.Errorf("it has two documents: %w", ErrMalformed)
		}
		if done = true; !p.knows(start) {
			return fmt.Errorf("<%s> is not of a version that is known, 2.0 of the ASC or 1.x: %w", start.Name.Local, ErrMalformed)
		}
		if err := p.children(1, p.top); err != nil {
			return err
		}
	}
}

// knows reports whether the first element is that of a list, and notes of which kind.
func (p *parser) knows(start xml.StartElement) bool {
	version := attr(start, "version")
	p.older = start.Name.Space != Namespace
	if p.older {
		return start.Name.Local == "hashlist" && strings.HasPrefix(version, "1.")
	}
	return start.Name.Local == "hashlist" && strings.HasPrefix(version, "2.")
}

func attr(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// children reads to the end of an element, and has each calls for each one within.
func (p *parser) children(depth int, each func(depth int, start xml.StartElement) error) error {
	if depth > maxDepth {
		return fmt.Errorf("its elements are nested more than %d deep: %w", maxDepth, ErrMalformed)
	}
	for {
		t, err := p.next()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := each(depth+1, t); err != nil {
				return err
			}
		}
	}
}

// skip reads over an element.
func (p *parser) skip(depth int, _ xml.StartElement) error { return p.children(depth, p.skip) }

// text is the text of an element.
func (p *parser) text(depth int) (string, error) {
	var b strings.Builder
	for {
		t, err := p.next()
		if errors.Is(err, io.EOF) {
			return "", io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			if err := p.skip(depth+1, t); err != nil {
				return "", err
			}
		case xml.CharData:
			if b.Len()+len(t) > maxText {
				return "", fmt.Errorf("a text is longer than %d bytes: %w", maxText, ErrMalformed)
			}
			b.Write(t)
		}
	}
}

// top reads an element of the list.
func (p *parser) top(depth int, start xml.StartElement) error {
	switch name := start.Name.Local; {
	case name == "hash" && p.older:
		return p.file(depth)
	case name == "hashes" && !p.older:
		return p.children(depth, p.hashes)
	case name == "processinfo" && !p.older:
		return p.children(depth, p.process)
	case name == "references" && !p.older:
		return p.children(depth, p.references)
	}
	return p.skip(depth, start)
}

func (p *parser) hashes(depth int, start xml.StartElement) error {
	if start.Name.Local == "hash" {
		return p.file(depth)
	}
	return p.skip(depth, start)
}

func (p *parser) process(depth int, start xml.StartElement) error {
	if start.Name.Local == "ignore" {
		return p.children(depth, p.ignore)
	}
	return p.skip(depth, start)
}

// maxPatterns is how many patterns of names may be left out.
const maxPatterns = 1000

func (p *parser) ignore(depth int, start xml.StartElement) error {
	text, err := p.text(depth)
	if err != nil || start.Name.Local != "pattern" {
		return err
	}
	if len(p.list.Ignore) >= maxPatterns || len(text) > maxPath {
		return fmt.Errorf("it leaves out too much: %w", ErrMalformed)
	}
	p.list.Ignore = append(p.list.Ignore, strings.TrimSpace(text))
	return nil
}

func (p *parser) references(depth int, start xml.StartElement) error {
	return p.children(depth, func(depth int, start xml.StartElement) error {
		text, err := p.text(depth)
		if err != nil || start.Name.Local != "path" {
			return err
		}
		other, err := cleanPath(strings.TrimSpace(text))
		if err != nil {
			return err
		}
		if folderOf(other) == "" || len(p.list.Others) >= maxPatterns {
			return fmt.Errorf("it refers to %q, or to too many others: %w", other, ErrMalformed)
		}
		p.list.Others = append(p.list.Others, other)
		return nil
	})
}

// file reads what a list says of a file.
func (p *parser) file(depth int) error {
	f := File{Size: -1}
	read := p.newer
	if p.older {
		read = p.old
	}
	err := p.children(depth, func(depth int, start xml.StartElement) error {
		text, err := p.text(depth)
		if err != nil {
			return err
		}
		return read(&f, start, text)
	})
	if err != nil {
		return err
	}
	if f.Path == "" {
		return fmt.Errorf("a hash has no path: %w", ErrMalformed)
	}
	return p.add(f)
}

// add adds a file. What is said twice of one has to be true twice.
func (p *parser) add(f File) error {
	i, twice := p.list.at[f.Path]
	if !twice {
		if len(p.list.Files) >= MaxFiles {
			return fmt.Errorf("it has more than %d files: %w", MaxFiles, ErrMalformed)
		}
		p.list.at[f.Path] = len(p.list.Files)
		p.list.Files = append(p.list.Files, f)
		return nil
	}
	before := &p.list.Files[i]
	if before.Size != f.Size {
		return fmt.Errorf("%q has two sizes: %w", f.Path, ErrMalformed)
	}
	before.Hashes = append(before.Hashes, f.Hashes...)
	before.Unknown = append(before.Unknown, f.Unknown...)
	before.Failed = before.Failed || f.Failed
	return nil
}

// newer reads an element of a file in a list of the ASC.
func (p *parser) newer(f *File, start xml.StartElement, text string) (err error) {
	switch name := start.Name.Local; name {
	case "path":
		if s := attr(start, "size"); s != "" {
			if f.Size, err = parseSize(s); err != nil {
				return err
			}
		}
		f.Modified, _ = time.Parse(time.RFC3339, attr(start, "lastmodificationdate"))
		return f.name(text)
	case "previousPath", "metadata":
		return nil
	default:
		f.Failed = f.Failed || attr(start, "action") == "failed"
		return f.hash(name, text)
	}
}

// old reads an element of a file in an older list. Its xxhash64 has the bytes the other way round.
func (p *parser) old(f *File, start xml.StartElement, text string) (err error) {
	switch name := strings.ToLower(start.Name.Local); name {
	case "file":
		return f.name(text)
	case "size":
		f.Size, err = parseSize(text)
		return err
	case "lastmodificationdate":
		f.Modified, _ = time.Parse(time.RFC3339, text)
		return nil
	case "creationdate", "hashdate", "metadata":
		return nil
	case "xxhash64be":
		return f.hash(string(XXH64), text)
	case "xxhash64":
		sum, err := hex.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("%q is no xxhash64: %w", text, ErrMalformed)
		}
		slices.Reverse(sum)
		return f.hash(string(XXH64), hex.EncodeToString(sum))
	default:
		return f.hash(name, text)
	}
}

// name takes a file's path.
func (f *File) name(text string) (err error) {
	if f.Path != "" {
		return fmt.Errorf("a hash has two paths: %w", ErrMalformed)
	}
	if f.Path, err = cleanPath(text); err != nil {
		return err
	}
	return nil
}

// hash takes a hash of a file, or notes one of a kind that is not known.
func (f *File) hash(name, text string) error {
	k := Kind(name)
	if !slices.Contains(Kinds, k) {
		f.Unknown = append(f.Unknown, name)
		return nil
	}
	sum, err := k.parse(text)
	if err != nil {
		return err
	}
	f.Hashes = append(f.Hashes, Hash{k, sum})
	return nil
}

func parseSize(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no size: %w", text, ErrMalformed)
	}
	return n, nil
}
