package changes

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/queue"
	"mcfs/volume/remote"
)

// version is one whose object stands at key.
func version(key string, iv byte) *remote.Version {
	attr := sidecar.Attr{Mode: 0o100640, UID: 1, GID: 2, Mtime: time.Unix(3, 4).UTC()}
	return remote.NewVersion(remote.Content{Mode: crypt.CTR, IV: slices.Repeat([]byte{iv}, 16), MAC: "mac", Plain: 5, Cipher: 5}, remote.State{
		Key: key, ETag: `"e"`, Check: "check", Wrapped: []byte("wrapped"), KeyID: "key", Attr: attr,
	})
}

// TestRecord: the journal has all that a change says, and makes the same change of it again.
func TestRecord(t *testing.T) {
	id := spool.NewID()
	for name, c := range map[string]Change{
		"rename":   {Op: Rename, Path: "a", To: "b", Ver: version("a", 1), Replaces: version("b", 2), Bare: true},
		"from":     {Op: Rename, Path: "a", To: "b", Ver: version("a", 1), BareOld: true},
		"remove":   {Op: Remove, Path: "a", Ver: version("a", 1)},
		"mkdir":    {Op: Mkdir, Path: "d/", Attr: sidecar.Attr{Mode: 0o040700, Mtime: time.Unix(5, 6).UTC()}},
		"rmdir":    {Op: Rmdir, Path: "d/"},
		"attr":     {Op: Attr, Path: "a", Ver: version("a", 1), Attr: sidecar.Attr{Xattr: map[string][]byte{"user.x": {0}}}},
		"move":     {Op: Move, Path: "d/", To: "e/", Stated: true},
		"link":     {Op: Link, Path: "l", Ver: version("l", 1), Body: []byte("target")},
		"localise": {Op: Localise, Path: "a", Ver: version("a", 1), Entry: id},
		"unwanted": {Op: Localise, Path: "a", Ver: version("a", 1), Entry: id, Unwanted: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.Seq = 7
			if err := c.Pack(); err != nil {
				t.Fatal(err)
			}
			got, err := Read(c.Record())
			if err != nil {
				t.Fatal(err)
			}
			if !got.Again {
				t.Error("it does not know that it comes from the journal")
			}
			if diff := cmp.Diff(say(c), say(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// said is what a change says, so that two can be compared.
type said struct {
	Record        spool.Change
	Ver, Replaces *remote.Record
	Attr          sidecar.Attr
	Body          []byte
	Entry         spool.ID
	Unwanted      bool
	Stated        bool
	Bare, BareOld bool
}

func say(c Change) said {
	return said{c.Record(), c.Ver.Record(), c.Replaces.Record(), c.Attr, c.Body, c.Entry, c.Unwanted, c.Stated, c.Bare, c.BareOld}
}

// TestUnreadable: what is no record is refused, and named.
func TestUnreadable(t *testing.T) {
	for _, data := range []string{"", "{", `{"ver":{"iv":7}}`, "[]"} {
		if c, err := Read(spool.Change{Seq: 3, Op: Rename, Path: "a", To: "b", Data: []byte(data)}); err == nil {
			t.Errorf("%q is %+v", data, c)
		}
	}
}

// TestPackedBefore: the journal has what a change said when it was packed last, under its name of now.
func TestPackedBefore(t *testing.T) {
	c := Change{Seq: 1, Op: Mkdir, Path: "d/", Attr: sidecar.Attr{UID: 1}}
	if err := c.Pack(); err != nil {
		t.Fatal(err)
	}
	c.Seq, c.Path, c.Attr.UID = 2, "e/", 2
	got, err := Read(c.Record())
	if err != nil || got.Seq != 2 || got.Path != "e/" || got.Attr.UID != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestPaths: what a change makes, keeps others from, and passes.
func TestPaths(t *testing.T) {
	for _, c := range []struct {
		change Change
		target string
		claims []string
		passes map[string]bool
	}{
		{Change{Op: Remove, Path: "a"}, "a", []string{"a"}, map[string]bool{"a": true, "a/b": false}},
		{Change{Op: Rename, Path: "a", To: "d/b"}, "d/b", []string{"a", "d/b"}, map[string]bool{"a": true, "d/b": true, "d": false, "a/x": false}},
		{Change{Op: Mkdir, Path: "d/"}, "d/", []string{queue.Alone("d/")}, map[string]bool{"d": true, "d/a": false}},
		{Change{Op: Rmdir, Path: "d/"}, "d/", []string{"d/"}, map[string]bool{"d": true, "d/a": false}},
		{Change{Op: Move, Path: "d/", To: "e/"}, "e/", []string{"d/", "e/"}, map[string]bool{"d": true, "d/a": true, "e/a/b": true, "dd/a": false}},
		{Change{Op: Localise, Path: "a"}, "a", []string{"a"}, map[string]bool{"a": true, "b": false}},
	} {
		if got := *c.change.Target(); got != c.target {
			t.Errorf("%s %s makes %q", c.change.Op, c.change.Path, got)
		}
		if got := c.change.Claims(); !slices.Equal(got, c.claims) {
			t.Errorf("%s %s claims %q", c.change.Op, c.change.Path, got)
		}
		for path, want := range c.passes {
			if c.change.Passes(path) != want {
				t.Errorf("%s %s passes %q: %t", c.change.Op, c.change.Path, path, !want)
			}
		}
	}
}
