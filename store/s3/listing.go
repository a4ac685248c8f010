package s3

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// listing is what an answer to ListObjectsV2 says.
type listing struct {
	Objects   []listed
	Prefixes  []string
	Told      bool // whether there is more, as every listing does
	Truncated bool
	Next      string
	Encoding  string
}

type listed struct {
	Key, ETag string
	Size      int64
	Modified  time.Time
}

// errUncommon: an answer is not written in the way that parseListing reads.
var errUncommon = errors.New("the answer is not written as servers write it")

// parseListing reads an answer to ListObjectsV2 as servers write it: elements
// without prefixes, text with the entities of XML, nothing else. What is written
// otherwise is errUncommon and no more, for encoding/xml to judge, which takes
// fifty times as long; what it accepts it reads as encoding/xml does (FuzzListing).
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func parseListing(text []byte) (listing, error) {
	s := scanner{rest: text}
	s.prolog()
	var l listing
	s.expect("ListBucketResult")
	for s.err == nil {
		name, ok := s.open()
		if !ok {
			break
		}
		switch string(name) {
		case "Contents":
			l.Objects = append(l.Objects, s.object())
		case "CommonPrefixes":
			l.Prefixes = append(l.Prefixes, s.prefix())
		case "IsTruncated":
			l.Told, l.Truncated = true, s.boolean()
		case "NextContinuationToken":
			l.Next = s.text()
		case "EncodingType":
			l.Encoding = s.text()
		default:
			s.skip()
		}
		s.shut(name)
	}
	s.shut([]byte("ListBucketResult"))
	if s.space(); len(s.rest) > 0 {
		s.fail()
	}
	return l, s.err
}

// scanner takes XML apart; after an error it does nothing.
type scanner struct {
	rest []byte
	err  error
}

func (s *scanner) fail() { s.err, s.rest = errUncommon, nil }

func (s *scanner) space() { s.rest = bytes.TrimLeft(s.rest, " \t\r\n") }

// prologs are those that servers write.
var prologs = [][]byte{
	[]byte(`<?xml version="1.0" encoding="UTF-8"?>`), []byte(`<?xml version="1.0" encoding="utf-8"?>`), []byte(`<?xml version="1.0"?>`),
}

func (s *scanner) prolog() {
	for _, p := range prologs {
		if rest, ok := bytes.CutPrefix(s.rest, p); ok {
			s.rest = rest
			return
		}
	}
}

// open takes the start of an element, and its name; not ok: an end comes next.
func (s *scanner) open() (name []byte, ok bool) {
	s.space()
	if len(s.rest) < 2 || s.rest[0] != '<' {
		s.fail()
		return nil, false
	}
	if s.rest[1] == '/' {
		return nil, false
	}
	end := bytes.IndexByte(s.rest, '>')
	if end < 0 {
		s.fail()
		return nil, false
	}
	name = s.rest[1:end]
	s.rest = s.rest[end+1:]
	if plainName(name) {
		return name, true
	}
	name, attribute, ok := bytes.Cut(name, []byte(" "))
	if !ok || !plainName(name) || !plainAttribute(attribute) {
		s.fail()
		return nil, false
	}
	return name, true
}

// plainAttribute: one, such as the namespace of the outermost element.
func plainAttribute(b []byte) bool {
	name, value, ok := bytes.Cut(b, []byte(`="`))
	value, closed := bytes.CutSuffix(value, []byte(`"`))
	return ok && closed && plainName(name) && plainText(value) && !bytes.ContainsAny(value, `"<&`)
}

// plainName: letters and digits only, so neither "<a/>" nor "<!--", nor a prefix.
func plainName(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(b) > 0 && (b[0] < '0' || b[0] > '9')
}

func (s *scanner) expect(name string) {
	s.space()
	if got, ok := s.open(); s.err == nil && (!ok || string(got) != name) {
		s.fail()
	}
}

// shut takes the end of an element.
func (s *scanner) shut(name []byte) {
	s.space()
	n := len(name)
	if len(s.rest) < n+3 || s.rest[0] != '<' || s.rest[1] != '/' || !bytes.Equal(s.rest[2:n+2], name) || s.rest[n+2] != '>' {
		s.fail()
		return
	}
	s.rest = s.rest[n+3:]
}

// raw takes what stands before the next tag.
func (s *scanner) raw() []byte {
	end := bytes.IndexByte(s.rest, '<')
	if end < 0 {
		s.fail()
		return nil
	}
	raw := s.rest[:end]
	s.rest = s.rest[end:]
	if !plainText(raw) || bytes.IndexByte(raw, ']') >= 0 { // "]]>" is an error of XML
		s.fail()
		return nil
	}
	return raw
}

// plainText: ASCII, which encoding-type url leaves, without what XML does not allow.
func plainText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' || c >= 0x7f {
			return false
		}
	}
	return true
}

func (s *scanner) text() string {
	raw := s.raw()
	if bytes.IndexByte(raw, '&') < 0 {
		return string(raw)
	}
	text, ok := unescape(raw)
	if !ok {
		s.fail()
	}
	return text
}

// entities are those that XML defines, and how servers write quotes besides.
var entities = []struct {
	name string
	char byte
}{{"quot;", '"'}, {"#34;", '"'}, {"amp;", '&'}, {"apos;", '\''}, {"#39;", '\''}, {"lt;", '<'}, {"gt;", '>'}}

func unescape(raw []byte) (text string, ok bool) {
	out := make([]byte, 0, len(raw))
	for {
		before, after, found := bytes.Cut(raw, []byte("&"))
		if out = append(out, before...); !found {
			return string(out), true
		}
		known := false
		for _, e := range entities {
			if raw, known = bytes.CutPrefix(after, []byte(e.name)); known {
				out = append(out, e.char)
				break
			}
		}
		if !known {
			return "", false
		}
	}
}

func (s *scanner) boolean() bool {
	text := s.text()
	if text != "true" && text != "false" {
		s.fail()
	}
	return text == "true"
}

// skip takes what an element holds that says nothing of interest.
func (s *scanner) skip() {
	for s.err == nil {
		if raw := s.raw(); bytes.IndexByte(raw, '&') >= 0 {
			if _, ok := unescape(raw); !ok {
				s.fail()
			}
		}
		name, ok := s.open()
		if !ok {
			return
		}
		s.skip()
		s.shut(name)
	}
}

func (s *scanner) prefix() (key string) {
	s.each(func(name []byte) {
		if string(name) != "Prefix" {
			s.fail()
			return
		}
		key = s.text()
	})
	return key
}

func (s *scanner) object() (o listed) {
	var err error
	s.each(func(name []byte) {
		switch string(name) {
		case "Key":
			o.Key = s.text()
		case "ETag":
			o.ETag = s.text()
		case "Size":
			o.Size, err = strconv.ParseInt(s.text(), 10, 64)
		case "LastModified":
			o.Modified, err = time.Parse(time.RFC3339Nano, s.text())
		default:
			s.skip()
		}
		if err != nil {
			s.fail()
		}
	})
	return o
}

// each does take for every element within the one that is open.
func (s *scanner) each(take func(name []byte)) {
	for s.err == nil {
		name, ok := s.open()
		if !ok {
			return
		}
		take(name)
		s.shut(name)
	}
}
