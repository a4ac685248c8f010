package mhl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const newer = `<?xml version="1.0" encoding="UTF-8"?>
<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0">
  <creatorinfo><creationdate>2026-03-01T10:00:00+01:00</creationdate><hostname>cart</hostname><tool version="1.0">x</tool></creatorinfo>
  <processinfo><process>transfer</process>
    <roothash><content><md5>00</md5></content><structure><md5>00</md5></structure></roothash>
    <ignore><pattern>.DS_Store</pattern><pattern>ascmhl/</pattern></ignore></processinfo>
  <hashes>
    <hash><path size="3" creationdate="2026-03-01T09:00:00Z" lastmodificationdate="2026-03-01T09:00:00Z">Clips/A &amp; B.mov</path>
      <md5 action="original" hashdate="2026-03-01T10:00:00Z">900150983CD24FB0D6963F7D28E17F72</md5>
      <xxh64 action="verified">44bc2cf5ad770999</xxh64><metadata><a><b>c</b></a></metadata></hash>
    <directoryhash><path>Clips</path><content><md5>00</md5></content><structure><md5>00</md5></structure></directoryhash>
    <hash><path>./odd</path><xxh32 action="failed">01020304</xxh32><previousPath>even</previousPath></hash>
  </hashes>
  <references><hashlistreference><path>A002/ascmhl/0001_A002.mhl</path><c4>c4</c4></hashlistreference></references>
</hashlist>
`

const older = "\xef\xbb\xbf" + `<?xml version='1.0' encoding='utf-8'?>
<hashlist version="1.1">
  <creatorinfo><tool>x</tool></creatorinfo>
  <hash><file>Clips/a.mov</file><size>3</size><lastmodificationdate>2026-01-01T00:00:00Z</lastmodificationdate>
    <xxhash64be>44bc2cf5ad770999</xxhash64be><hashdate>2026-01-01T00:05:00</hashdate></hash>
  <hash><file>b</file><size>3</size><xxhash64>990977adf52cbc44</xxhash64><sha1>A9993E364706816ABA3E25717850C26C9CD0D89D</sha1></hash>
  <hash><file>c</file><size>0</size><null/></hash>
  <hash><file>b</file><size>3</size><md5>900150983cd24fb0d6963f7d28e17f72</md5></hash>
</hashlist>`

func TestParse(t *testing.T) {
	l, err := Parse(strings.NewReader(newer))
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Path: "Clips/A & B.mov", Size: 3, Modified: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Hashes: []Hash{{MD5, "900150983cd24fb0d6963f7d28e17f72"}, {XXH64, "44bc2cf5ad770999"}}},
		{Path: "odd", Size: -1, Unknown: []string{"xxh32"}, Failed: true},
	}
	if !reflect.DeepEqual(l.Files, want) {
		t.Errorf("%+v", l.Files)
	}
	if i, ok := l.Find("odd"); i != 1 || !ok {
		t.Error("a file is not found")
	}
	if !l.Ignore.Has("Clips/.DS_Store") || !l.Ignore.Has("ascmhl/0001.mhl") || l.Ignore.Has("ascmhl") {
		t.Errorf("%q is left out", l.Ignore)
	}
	other, ok := l.Covers("A002/Clips/x")
	if _, not := l.Covers("A0021"); other != "A002/ascmhl/0001_A002.mhl" || !ok || not {
		t.Error(other, ok, not)
	}

	if l, err = Parse(strings.NewReader(older)); err != nil {
		t.Fatal(err)
	}
	want = []File{
		{Path: "Clips/a.mov", Size: 3, Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Hashes: []Hash{{XXH64, "44bc2cf5ad770999"}}},
		{Path: "b", Size: 3, Hashes: []Hash{{XXH64, "44bc2cf5ad770999"}, {SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"}, {MD5, "900150983cd24fb0d6963f7d28e17f72"}}},
		{Path: "c", Size: 0, Unknown: []string{"null"}},
	}
	if !reflect.DeepEqual(l.Files, want) {
		t.Errorf("%+v", l.Files)
	}
}

// file is a list with a file of this path.
func file(path string) string {
	return `<hashlist version="2.0" xmlns="` + Namespace + `"><hashes><hash><path>` + path + `</path><md5>900150983cd24fb0d6963f7d28e17f72</md5></hash></hashes></hashlist>`
}

// TestHostile: what leaves its folder, is nested without end, declares entities, or is cut, is refused.
func TestHostile(t *testing.T) {
	deep := strings.Repeat("<a>", 100_000)
	for name, text := range map[string]string{
		"above":        file("../secret"),
		"within":       file("a/../../secret"),
		"absolute":     file("/etc/passwd"),
		"no path":      file(""),
		"nothing":      file("a//b"),
		"dot":          file("a/./b"),
		"no text":      file("a\x00b"),
		"no character": file("a&#0;b"),
		"no UTF-8":     file("a\xff"),
		"long":         file(strings.Repeat("a/", maxPath)),
		"longer":       file(strings.Repeat("a", maxText+1)),
		"entity":       `<!DOCTYPE x [<!ENTITY a "b">]>` + file("&a;"),
		"own entity":   file("&a;"),
		"outside":      `<!DOCTYPE x SYSTEM "file:///etc/passwd">` + file("a"),
		"deep":         `<hashlist version="2.0" xmlns="` + Namespace + `">` + deep,
		"deep text":    `<hashlist version="1.0"><hash><file>` + deep,
		"cut":          file("a")[:len(file("a"))-3],
		"cut earlier":  file("a")[:100],
		"empty":        "",
		"blank":        "  \n",
		"two":          file("a") + file("b"),
		"rubbish":      "PK\x03\x04",
		"another":      `<html version="2.0"/>`,
		"version":      `<hashlist version="3.0" xmlns="` + Namespace + `"/>`,
		"no version":   `<hashlist/>`,
		"encoding":     `<?xml version="1.0" encoding="utf-16"?>` + file("a"),
		"size":         `<hashlist version="1.1"><hash><file>a</file><size>-1</size></hash></hashlist>`,
		"two sizes":    `<hashlist version="1.1"><hash><file>a</file><size>1</size></hash><hash><file>a</file><size>2</size></hash></hashlist>`,
		"two paths":    `<hashlist version="1.1"><hash><file>a</file><file>b</file></hash></hashlist>`,
		"sum":          `<hashlist version="1.1"><hash><file>a</file><md5>9001</md5></hash></hashlist>`,
		"order":        `<hashlist version="1.1"><hash><file>a</file><xxhash64>zz</xxhash64></hash></hashlist>`,
		"all others":   strings.Replace(newer, "A002/ascmhl/0001_A002.mhl", "ascmhl/0001.mhl", 1),
		"other above":  strings.Replace(newer, "A002/ascmhl/0001_A002.mhl", "../ascmhl/0001.mhl", 1),
	} {
		if l, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s is taken: %+v", name, l)
		} else if !errors.Is(err, ErrMalformed) && name != "encoding" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// endless is a list that never ends.
type endless struct{ head string }

func (e *endless) Read(p []byte) (n int, err error) {
	if n = copy(p, e.head); n > 0 {
		e.head = e.head[n:]
		return n, nil
	}
	for n = range p {
		p[n] = ' '
	}
	return len(p), nil
}

// TestEndless: a list is read no further than MaxBytes.
func TestEndless(t *testing.T) {
	in := &bounded{r: &endless{head: `<hashlist version="1.1">`}, left: 1 << 20}
	if _, err := io.Copy(io.Discard, in); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestIgnored(t *testing.T) {
	for pattern, want := range map[string]string{
		".DS_Store": ".DS_Store a/.DS_Store",
		"*.tmp":     "x.tmp",
		"/a":        "a/.DS_Store a/b/c",
		"b/":        "a/b/c",
		"c/":        "",
		"a/b":       "a/b/c",
		"a/**/c":    "a/b/c",
		"**/b":      "a/b/c",
		"*":         "",
		"**":        "",
		"/":         "",
		"":          "",
		"!a":        "",
		"[":         "",
	} {
		var got []string
		for _, path := range []string{".DS_Store", "a/.DS_Store", "x.tmp", "a/b/c", "bc"} {
			if (Ignored{pattern}).Has(path) {
				got = append(got, path)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q leaves out %q", pattern, got)
		}
	}
	began := time.Now()
	if (Ignored{strings.Repeat("**/", 1000) + "x"}).Has(strings.Repeat("a/", 500)+"a") || time.Since(began) > 30*time.Second {
		t.Errorf("it took %v", time.Since(began))
	}
}

// TestWrite: what is written is read again, by this package and by xmllint, and has what the schema of the ASC asks for.
func TestWrite(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var files []File
	for i, path := range []string{"z", "a/ü <&>\"'.mov", "a/tab\tnew\nline", " blank "} {
		h := NewHasher(Kinds)
		fmt.Fprint(h, path)
		files = append(files, File{Path: path, Size: int64(i), Modified: at, Hashes: h.Sums()})
	}
	var text bytes.Buffer
	if err := Write(&text, Header{Made: at, Host: "cart <1>", Tool: "mcfs", Version: "1", Ignore: []string{"*.x"}}, files); err != nil {
		t.Fatal(err)
	}
	l, err := Parse(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Files) != len(files) || !reflect.DeepEqual(l.Ignore, Ignored{"*.x"}) {
		t.Fatalf("%+v", l)
	}
	for _, f := range files {
		if i, ok := l.Find(f.Path); !ok || !reflect.DeepEqual(l.Files[i], f) {
			t.Errorf("%+v is read as %+v", f, l.Files[i])
		}
	}
	name := filepath.Join(t.TempDir(), "list.mhl")
	if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("xmllint", "--noout", "--schema", "testdata/list.xsd", name).CombinedOutput(); err != nil {
		t.Errorf("%s%v", out, err)
	}
	for _, path := range []string{"a\x01b", "a\uffff"} {
		if err := Write(io.Discard, Header{}, []File{{Path: path}}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q is written: %v", path, err)
		}
	}
	if err := Write(&text, Header{Made: at}, nil); err != nil {
		t.Error(err)
	}
}

// FuzzParse: nothing that is taken leaves its folder, and what is written of it is read as the same.
func FuzzParse(f *testing.F) {
	for _, text := range []string{newer, older, file("a")} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := Parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		for i := range l.Files {
			l.Files[i].Unknown, l.Files[i].Failed = nil, false
			if path := l.Files[i].Path; !filepath.IsLocal(path) || filepath.Clean(path) != path {
				t.Errorf("%q leaves its folder", path)
			}
			l.Ignore.Has(l.Files[i].Path)
			l.Covers(l.Files[i].Path)
			l.Files[i].Modified = time.Time{}
		}
		var again bytes.Buffer
		if err := Write(&again, Header{}, l.Files); err != nil {
			t.Fatal(err)
		}
		back, err := Parse(&again)
		if err != nil || len(back.Files) != len(l.Files) {
			t.Fatalf("%v: %+v", err, back)
		}
		for _, file := range back.Files {
			if i, ok := l.Find(file.Path); !ok || !reflect.DeepEqual(l.Files[i], file) {
				t.Errorf("%+v is not what was written", file)
			}
		}
	})
}
