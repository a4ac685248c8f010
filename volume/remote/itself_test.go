package remote

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"mcfs/sidecar"
	"mcfs/store"
)

// TestSidecarsInTheTrash: what each step leaves in the store.
func TestSidecarsInTheTrash(t *testing.T) {
	want := map[string]string{
		"rename to the trash": "trash/a",
		"rename to the trash what another machine has changed attributes of": "trash/a trash/a.settings.json",
		"rename from the trash":                            "a a.settings.json",
		"rename within the trash":                          "trash/b",
		"rename within the trash what has a sidecar there": "trash/b trash/b.settings.json",
		"restore a sidecar in the trash":                   "trash/a",
		"publish what was found in the trash":              "trash/a",
		"change attributes in the trash":                   "trash/a trash/a.settings.json",
		"remove from the trash":                            "",
	}
	for _, s := range trashSteps() {
		t.Run(s.name, func(t *testing.T) {
			r := newRig(t)
			s.setup(r)
			r.must(s.do(r))
			if got := strings.Join(r.list(), " "); got != want[s.name] {
				t.Errorf("the store has %q, not %q", got, want[s.name])
			}
		})
	}
}

// keepsMetadata leaves a copy with the metadata of the original.
type keepsMetadata struct{ store.Store }

func (s keepsMetadata) Copy(ctx context.Context, c store.Copy) (store.Info, error) {
	info, err := s.Head(ctx, c.Source)
	if err != nil {
		return store.Info{}, err
	}
	c.Attributes = store.Attributes{ContentType: info.ContentType, Metadata: info.Metadata}
	return s.Store.Copy(ctx, c)
}

// TestServerKeepsMetadata: a copy that does not state what it was to state has a sidecar,
// under a local-only name, too.
func TestServerKeepsMetadata(t *testing.T) {
	r := newRig(t)
	r.s.Store = keepsMetadata{r.s.Store}
	x := r.trash("text")
	if got := strings.Join(r.list(), " "); got != "trash/a trash/a.settings.json" || x.Sidecar().ETag == "" {
		t.Errorf("the store has %q; %+v", got, x.Sidecar())
	}
}

// TestCopyKnowsMore: what a copy states that an earlier mount has made is more than the
// journal knows of it.
func TestCopyKnowsMore(t *testing.T) {
	r := newRig(t)
	x, err := r.trash("text").Record().Version()
	r.must(err)
	x.Moved("a", "older", Sidecar{ETag: "older"})
	x.SetAttr(attr(0o600))
	var before, now sidecar.Attr
	r.must(r.c.Relocate(t.Context(), &Relocation{
		From: "a", To: "trash/a", Version: x, Queued: x, Recovered: true,
		AttrChanged: func(was, is sidecar.Attr) { before, now = was, is },
	}))
	if Differ(before, attr(0o600)) || Differ(now, attr(0o644)) || Differ(x.Attr(), attr(0o644)) {
		t.Errorf("%+v has become %+v, and is %+v", before, now, x.Attr())
	}
	if got := strings.Join(r.list(), " "); got != "trash/a" {
		t.Errorf("the store has %q", got)
	}
}

// TestStatesItself: what is under a local-only name has no sidecar, is described all the
// same, and lacks none; under another name it lacks one.
func TestStatesItself(t *testing.T) {
	r := newRig(t)
	x := r.trash("text")
	if there, err := r.c.LookSidecar(t.Context(), "trash/a"); there != nil || err != nil {
		t.Fatalf("%+v, %v", there, err)
	}
	now := x.State()
	y, err := r.c.Describe(t.Context(), Listing{Key: "trash/a", ETag: now.ETag, Size: x.Cipher})
	r.must(err)
	if y.Damage != nil || y.Plain != 4 || y.MAC != x.MAC || Differ(y.Attr(), attr(0o644)) || y.Sidecar().IsNone() {
		t.Errorf("described as %+v, %+v", y.Content, y.State())
	}
	r.s.count = 0
	z, err := r.c.LoadMoving(t.Context(), []string{"gone", "trash/a"})
	r.must(err)
	if r.s.count > 2 {
		t.Errorf("%d requests: it was looked for once more", r.s.count)
	}
	again, err := z.Record().Version()
	r.must(err)
	if itself := again.Sidecar().Itself; itself == nil || Differ(*itself, attr(0o644)) {
		t.Errorf("kept as %+v", again.State())
	}
	for _, v := range []*Version{x, y, z, again} {
		if wrong, err := r.c.IsSidecarWrong(t.Context(), v); wrong || err != nil {
			t.Errorf("its sidecar is wrong: %v, %v", wrong, err)
		}
	}
	everywhere := r.c.o.LocalOnly
	r.c.o.LocalOnly = nil // the configuration is another now
	if wrong, err := r.c.IsSidecarWrong(t.Context(), x); !wrong || err != nil {
		t.Errorf("it lacks no sidecar: %v, %v", wrong, err)
	}
	r.c.o.LocalOnly = everywhere
}

// TestAttributesThatItStates: nothing is asked of the store for those that an object states
// itself, others bring a sidecar, and what it was told of these is taken from that.
func TestAttributesThatItStates(t *testing.T) {
	r := newRig(t)
	x := r.trash("text")
	r.s.count = 0
	r.must(r.c.PutAttr(t.Context(), AttrChange{Version: x, Attr: attr(0o644)}))
	if r.s.count != 0 {
		t.Errorf("%d requests for what the object states", r.s.count)
	}
	r.must(r.c.PutAttr(t.Context(), AttrChange{Version: x, Attr: attr(0o600)}))
	if _, info := r.read("trash/a.settings.json"); info.ETag == "" || info.ETag != x.Sidecar().ETag {
		t.Errorf("%+v is not %+v", info, x.Sidecar())
	}
	later, err := r.c.Describe(t.Context(), Listing{Key: "trash/a", SidecarUnknown: true})
	r.must(err)
	if before, stated := x.Refresh(later); !stated || before.Mode != attr(0o600).Mode || x.Attr().Mode != attr(0o600).Mode {
		t.Errorf("%o, %v, %o", before.Mode, stated, x.Attr().Mode)
	}
}

// TestLookedAtAgainWithoutASidecar: a description that says what a sidecar would is taken
// over, and one that says nothing is not.
func TestLookedAtAgainWithoutASidecar(t *testing.T) {
	r := newRig(t)
	x := r.trash("text")
	x.SetAttr(attr(0o600))
	y, err := r.c.Describe(t.Context(), Listing{Key: "trash/a"})
	r.must(err)
	if _, stated := x.Refresh(y); !stated || x.Attr().Mode != attr(0o644).Mode || x.Sidecar().Itself == nil {
		t.Errorf("%v, %+v", stated, x.State())
	}
	x.SetSidecar(Sidecar{})
	if x.Rechecked(y); x.Sidecar().Itself == nil {
		t.Errorf("%+v", x.Sidecar())
	}
	r.object("bare", "text")
	bare, err := r.c.Describe(t.Context(), Listing{Key: "bare"})
	r.must(err)
	if _, stated := r.at["bare"].Refresh(bare); stated {
		t.Error("an object that states no attributes is believed")
	}
}

// TestTheKeyGoesToTheTrash: a key that a sidecar alone has, as another machine has wrapped
// it in the last moment, is not lost with it.
func TestTheKeyGoesToTheTrash(t *testing.T) {
	r := newRig(t)
	x := r.save("a", "text")
	was := x.Sidecar()
	doc := r.c.settings(x, "a")
	doc.Key = append(doc.Key[:len(doc.Key):len(doc.Key)], 0)
	r.s.look = func() {} // the keeper of these tests does not wrap
	_, err := r.c.putDocument(t.Context(), "a", doc, x.meta(), store.Condition{})
	r.must(err)
	x.SetSidecar(was)
	r.must(r.relocate("a", "trash/a", nil))
	there, err := r.c.LookSidecar(t.Context(), "trash/a")
	if err != nil || there == nil {
		t.Fatal(there, err)
	}
	now, _, err := there.Stated(x.Attr())
	if err != nil || string(now.Key) != string(doc.Key) {
		t.Errorf("%x is not %x, %v", now.Key, doc.Key, err)
	}
}

// TestRemovedWithoutASidecar: nobody's sidecar is waited for where the object states itself
// what that would.
func TestRemovedWithoutASidecar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		x := r.trash("text")
		r.s.count = 0
		_, err := r.c.Remove(t.Context(), x, "trash/a", nil)
		r.must(err)
		if n := r.s.count; n > 2 || len(r.list()) > 0 {
			t.Errorf("%d requests, and the store has %v", n, r.list())
		}
	})
}
