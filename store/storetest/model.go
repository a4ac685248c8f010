package storetest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mcfs/store"
)

// RunModel compares a store, step by step, with a map that does what the
// contract says, under random sequences of calls on a few keys. newStore gives
// an empty store for each sequence.
func RunModel(t *testing.T, keys []string, newStore func() store.Store) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{s: newStore(), keys: keys, objects: map[string]object{}}
		t.Repeat(map[string]func(*rapid.T){
			"put": m.put, "delete": m.delete, "copy": m.copy, "multipart": m.multipart, "read": m.read, "": m.list,
		})
	})
}

type object struct {
	content []byte
	etag    string
	who     string
}

type model struct {
	s       store.Store
	keys    []string
	objects map[string]object
	old     []string // ETags that were seen
}

// condition draws one, and says whether it holds for key.
func (m *model) condition(t *rapid.T, key string) (store.Condition, bool) {
	o, exists := m.objects[key]
	switch rapid.IntRange(0, 3).Draw(t, "condition") {
	case 0:
		return store.Condition{IfNone: true}, !exists
	case 1:
		if len(m.old) > 0 {
			etag := rapid.SampledFrom(m.old).Draw(t, "etag")
			return store.Condition{IfMatch: etag}, exists && etag == o.etag
		}
	case 2:
		if exists {
			return store.Condition{IfMatch: o.etag}, true
		}
	}
	return store.Condition{}, true
}

func (m *model) key(t *rapid.T) string { return rapid.SampledFrom(m.keys).Draw(t, "key") }

// draw gives content and attributes that go together.
func (m *model) draw(t *rapid.T) ([]byte, string) {
	who := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "who")
	return bytes.Repeat([]byte(who), rapid.IntRange(0, 50).Draw(t, "times")), who
}

func attrOf(who string) store.Attributes {
	return store.Attributes{Metadata: map[string]string{"who": who}}
}

// settle checks the outcome of a write, and notes it.
func (m *model) settle(t *rapid.T, key string, holds bool, o object, info store.Info, err error) {
	if !holds {
		if !errors.Is(err, store.ErrPrecondition) {
			t.Fatalf("%s: the condition does not hold, error is %v", key, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	o.etag = info.ETag
	m.objects[key], m.old = o, append(m.old, o.etag)
}

func (m *model) put(t *rapid.T) {
	key := m.key(t)
	content, who := m.draw(t)
	cond, holds := m.condition(t, key)
	info, err := m.s.Put(t.Context(), key, BodyOf(content), attrOf(who), cond)
	m.settle(t, key, holds, object{content: content, who: who}, info, err)
}

func (m *model) multipart(t *rapid.T) {
	key := m.key(t)
	content, who := m.draw(t)
	up, err := m.s.Begin(t.Context(), key, attrOf(who))
	if err != nil {
		t.Fatal(err)
	}
	part, err := m.s.PutPart(t.Context(), up, rapid.IntRange(1, store.MaxParts).Draw(t, "number"), BodyOf(content))
	if err != nil {
		t.Fatal(err)
	}
	cond, holds := m.condition(t, key)
	info, err := m.s.Complete(t.Context(), up, []store.Part{part}, cond)
	m.settle(t, key, holds, object{content: content, who: who}, info, err)
	if err := m.s.Abort(t.Context(), up); err != nil {
		t.Fatal(err)
	}
}

func (m *model) copy(t *rapid.T) {
	from, key := m.key(t), m.key(t)
	o, exists := m.objects[from]
	if !exists {
		t.Skip("nothing to copy")
	}
	cond, holds := m.condition(t, key)
	who := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "who")
	info, err := m.s.Copy(t.Context(), store.Copy{
		Source: from, SourceIfMatch: o.etag, Target: key, Size: int64(len(o.content)), Attributes: attrOf(who), Condition: cond,
	})
	m.settle(t, key, holds, object{content: o.content, who: who}, info, err)
}

func (m *model) delete(t *rapid.T) {
	key := m.key(t)
	cond, holds := m.condition(t, key)
	if cond.IfNone {
		cond, holds = store.Condition{}, true
	}
	err := m.s.Delete(t.Context(), key, cond)
	if _, exists := m.objects[key]; exists && !holds {
		if !errors.Is(err, store.ErrPrecondition) {
			t.Fatalf("%s: the condition does not hold, error is %v", key, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(m.objects, key)
}

func (m *model) read(t *rapid.T) {
	key := m.key(t)
	o, exists := m.objects[key]
	body, info, err := m.s.Get(t.Context(), key, store.Range{}, "")
	if !exists {
		if !errors.Is(err, store.ErrNotExist) {
			t.Fatalf("get %s, which does not exist: %v", key, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, o.content) || info.ETag != o.etag || info.Metadata["who"] != o.who {
		t.Fatalf("get %s gave %q and %+v, want %+v", key, got, info, o)
	}
}

// list runs after each step.
func (m *model) list(t *rapid.T) {
	prefix := rapid.SampledFrom(append([]string{"", "a", "a/", "b/"}, m.keys...)).Draw(t, "prefix")
	fold := rapid.Bool().Draw(t, "fold")
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	delimiter, want := "", []string{}
	if fold {
		delimiter = "/"
	}
	for key := range m.objects {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, "/"); fold && i >= 0 {
			key = prefix + rest[:i+1]
		}
		want = append(want, key)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	got := []string{}
	for token := ""; ; {
		page, err := m.s.List(t.Context(), prefix, delimiter, token, limit)
		if err != nil {
			t.Fatal(err)
		}
		names := slices.Clone(page.Prefixes)
		for _, o := range page.Objects {
			if w := m.objects[o.Key]; w.etag != o.ETag || int64(len(w.content)) != o.Size {
				t.Fatalf("listed %+v, want %+v", o, w)
			}
			names = append(names, o.Key)
		}
		if len(names) > limit {
			t.Fatalf("a page of %d, limit %d", len(names), limit)
		}
		slices.Sort(names)
		got = append(got, names...)
		if token = page.Next; token == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("list %q %q by %d gave %q, want %q", prefix, delimiter, limit, got, want)
	}
}
