package volume

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/spool"
	"mcfs/volume/changes"
	"mcfs/volume/entry"
	"mcfs/volume/naming"
	"mcfs/volume/remote"
)

func someVersion() *remote.Version {
	attr := sidecar.Attr{Mode: modeFile | 0o640, UID: 1, GID: 2, Mtime: time.Unix(3, 4).UTC(), Xattr: map[string][]byte{"user.a": {0}}}
	return remote.NewVersion(remote.Content{Mode: crypt.CTR, IV: []byte("0123456789abcdef"), MAC: "mac", Plain: 5, Cipher: 5}, remote.State{
		Key: "d/a", ETag: `"e"`, Check: "check", Wrapped: []byte("wrapped"), KeyID: "arn:aws:kms:eu-west-1:111122223333:key/k",
		Modified: time.Unix(7, 8).UTC(), Attr: attr, Sidecar: remote.Sidecar{ETag: `"s"`, Size: 300, Modified: time.Unix(7, 8).UTC()},
		Fallback: remote.NewVersion(remote.Content{Plain: 9, Cipher: 9}, remote.State{Key: "d/a", ETag: `"o"`}),
	})
}

// FuzzEntryRecord: the volume's part of a journal entry, from whatever the disk
// holds: what is understood is a draft that can be shown, and can be written again.
func FuzzEntryRecord(f *testing.F) {
	for _, r := range []entry.Record{
		{Promised: true, Asked: true, Base: someVersion().Record(), At: "d/a", Uploads: []string{"u"}},
		{Blank: true, Making: someVersion().Record(), Newer: true},
		{Bare: true, Replaces: someVersion().Record(), Body: []byte("target")},
	} {
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "queued", "d/a")
	}
	f.Add([]byte("null"), "lost", "")
	v := treeOnly()
	f.Fuzz(func(t *testing.T, text []byte, state, name string) {
		var r entry.Record
		if json.Unmarshal(text, &r) != nil {
			return
		}
		e := spool.Entry{ID: spool.NewID(), Path: name, State: state, Size: 7, Reason: "why"}
		v.versions = make(map[string]*remote.Version)
		n, err := v.draftOf(e, r)
		if err != nil {
			return
		}
		if n.content.State == Clean || n.content.State.String() == "" || n.content.SizeLocked() < 0 && r.Base == nil {
			t.Fatalf("%s, %d bytes", n.content.State, n.content.SizeLocked())
		}
		_, _, _, filed := n.content.SealedAsLocked()
		if (n.content.State == Lost) != (state == "lost" || r.IsPartial()) || n.content.State == Lost && (filed || n.content.Failure == nil) {
			t.Fatalf("%q came back as %s", state, n.content.State)
		}
		for _, x := range []*remote.Record{r.Base, r.Replaces, r.Making} {
			sameRecord(t, x)
		}
	})
}

// treeOnly is a volume of which nothing but the tree works.
func treeOnly() *Volume {
	v := &Volume{versions: make(map[string]*remote.Version), rules: &naming.Rules{}}
	v.root = v.newDir(nil, "")
	return v
}

// sameRecord: a version is described as it was read.
func sameRecord(t *testing.T, r *remote.Record) {
	t.Helper()
	x, err := r.Version()
	if err != nil || x == nil {
		return
	}
	again := x.Record()
	again.Body = r.Body // in the metadata cache only
	if diff := cmp.Diff(r, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(remote.Record{}, "Over")); diff != "" {
		t.Fatal(diff)
	}
}

// FuzzChangeRecord: the volume's part of a queued change, and its paths: the tree
// can take it up, or it is refused.
func FuzzChangeRecord(f *testing.F) {
	for _, c := range []changes.Change{
		{Op: changes.Rename, Ver: someVersion(), Replaces: someVersion(), Attr: someVersion().Attr(), Bare: true},
		{Op: changes.Localise, Body: []byte("target"), Entry: spool.NewID(), BareOld: true},
	} {
		if err := c.Pack(); err != nil {
			f.Fatal(err)
		}
		f.Add(c.Record().Data, "d/a", "e/b")
	}
	f.Add([]byte("{}"), "../../x//y/./", "\x00")
	f.Fuzz(func(t *testing.T, text []byte, from, to string) {
		c, err := changes.Read(spool.Change{Op: changes.Rename, Path: from, To: to, Data: text})
		if err != nil {
			return
		}
		if c.Pack() != nil {
			return // a time that JSON cannot spell
		}
		again, err := changes.Read(c.Record())
		if err != nil {
			t.Fatalf("%s: %v", c.Record().Data, err)
		}
		if diff := cmp.Diff(c.Ver.Record(), again.Ver.Record(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		v := treeOnly()
		for _, p := range []string{from, to} {
			d, name := v.makeParents(p)
			n := v.newNode(File, d, name)
			v.putNode(n, p)
			written := !strings.Contains(p, "//") // as mcfs writes one
			if written && d.dir.Get(name) != n || strings.Contains(name, "/") {
				t.Fatalf("%q grew %q", p, name)
			}
		}
	})
}
