package faults

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/store"
	"mcfs/store/s3"
	"mcfs/store/s3/s3test"
)

const (
	// patience is a time limit that no request on this machine comes near;
	// impatience is one for requests that nothing else ends.
	patience   = 20 * time.Second
	impatience = 10 * time.Second
	// slack is what a slow, busy machine may take beside its waiting.
	slack = 30 * time.Second
)

// storeCase is one cell of the store's table.
type storeCase struct {
	*testing.T
	ctx     context.Context
	direct  store.Store // past the proxy
	session *session
	old     store.Info
	up      store.Upload
	part    store.Part
}

func (c *storeCase) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// TestStore strikes every operation of a store with every fault. The outcome is
// that of the table; the call ends within its deadline; S3 has what it had
// before, or what the call was to make, and nothing else; and once the fault is
// over, the same call succeeds.
func TestStore(t *testing.T) {
	t.Parallel()
	columns := storeColumns()
	var methods []string
	for _, o := range operations {
		methods = append(methods, o.method)
	}
	everyMethod(t, reflect.TypeFor[store.Store](), append(methods, offline...))
	want, seen := parse(t, s3Faults, columns, storeWrites, storeReads, storeCopies), newSeen(s3Faults, columns)
	server := s3test.Start(t)
	t.Run("cells", func(t *testing.T) {
		for _, f := range s3Faults {
			for _, o := range operations {
				t.Run(f.name+"/"+o.name, func(t *testing.T) {
					t.Parallel()
					got := strikeStore(t, server, f, o)
					seen.note(f.name, o.name, got)
					if w := want[f.name][o.name]; got != w {
						t.Errorf("%v, not %v as the table says", got, w)
					}
				})
			}
		}
	})
	seen.tell(t)
}

func storeColumns() (names []string) {
	for _, o := range operations {
		names = append(names, o.name)
	}
	return names
}

// everyMethod fails the test if an interface has a method of which there is no column.
func everyMethod(t *testing.T, of reflect.Type, have []string) {
	t.Helper()
	for m := range of.Methods() {
		if !slices.Contains(have, m.Name) {
			t.Errorf("%v.%s is in no column", of, m.Name)
		}
	}
}

// afterRenewal repeats a call that was refused for its credentials, which have been
// renewed since: where a look for others was in vain, none follows for some seconds.
func afterRenewal(err error, call func() error) error {
	for end := time.Now().Add(slack); err != nil && time.Now().Before(end); err = call() {
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func strikeStore(t *testing.T, server *s3test.Server, f fault, o operation) outcome {
	c := &storeCase{T: t, ctx: t.Context(), session: &session{key: server.AccessKey, secret: server.SecretKey}}
	opts := server.Options(strings.NewReplacer("/", " ", " ", "-").Replace(t.Name()) + "/")
	opts.Log, opts.Timeout = slog.New(slog.DiscardHandler), patience
	c.direct = openStore(t, opts)
	if o.prepare != nil {
		o.prepare(c)
	}
	before := c.look()

	proxy := s3test.StartProxy(t, server.Direct)
	opts.AWS.Credentials = c.session.provider()
	opts.Endpoint = proxy.URL
	well := openStore(t, opts)
	struck := well
	if f.place != here {
		opts.Endpoint = f.place.endpoint(t, "https")
	}
	if f.silent {
		opts.Timeout = impatience
	}
	if f.silent || f.place != here {
		struck = openStore(t, opts)
	}
	if o.warm && f.place == here {
		c.must(c.head(struck))
		proxy.Reset()
	}
	f.strike(proxy, o.hit, c.session)
	begun := time.Now()
	err := o.call(c, struck)
	took := time.Since(begun)
	proxy.Settle(t)
	now := c.look()
	got := outcome{word: storeWord(err), requests: proxy.Count(o.hit), effect: err != nil && now != before}
	t.Logf("%v after %v: %v", got, took, err)
	for _, r := range proxy.Requests() {
		t.Logf("%s: HTTP %d after %v", r.Op, r.Status, r.Took)
	}
	if took > slack {
		t.Errorf("took %v", took)
	}
	made := before // by a call that takes effect
	if o.after != "" {
		made = o.after
	}
	left, after := made, made
	switch {
	case o.orphan && got.effect:
		left, after = before+" upload", made+" upload"
	case err != nil && !got.effect:
		left = before
	}
	if now != left {
		t.Errorf("S3 had %q, and has %q instead of %q", before, now, left)
	}
	if err != nil && err != errBytes && (strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), opts.Bucket)) {
		t.Errorf("the error is not one line that names the place: %v", err)
	}

	c.session.renewed.Store(true)
	if !f.expired {
		proxy.Reset()
	}
	if o.name == "Begin" {
		return got // each call begins another
	}
	err = o.call(c, well)
	if errors.Is(err, store.ErrUnavailable) { // it may have met connections that broke while they were idle
		err = o.call(c, well)
	}
	if f.expired {
		err = afterRenewal(err, func() error { return o.call(c, well) })
	}
	if w := storeWord(err); w != "ok" && (!slices.Contains(strings.Fields(o.echo), w) || now != after) {
		t.Errorf("when the fault was over: %v", err)
	}
	if now := c.look(); now != after {
		t.Errorf("when the fault was over S3 has %q, not %q", now, after)
	}
	return got
}

func openStore(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// storeWord is the table's word for what a caller can decide upon.
func storeWord(err error) string {
	if err == nil {
		return "ok"
	}
	var words []string
	for _, w := range []struct {
		err  error
		word string
	}{
		{store.ErrNotExist, "gone"},
		{store.ErrNoBucket, "bucket"},
		{store.ErrPrecondition, "cond"},
		{store.ErrConflict, "busy"},
		{store.ErrNoUpload, "lost"},
		{store.ErrDenied, "deny"},
		{store.ErrUnavailable, "down"},
		{store.ErrChecksum, "sum"},
		{errBytes, "wrong"},
	} {
		if errors.Is(err, w.err) {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		return "other"
	}
	return strings.Join(words, "-")
}

// TestStoreOffline: what needs no network does not wait for it.
func TestStoreOffline(t *testing.T) {
	s, err := s3.New(s3.Options{Bucket: "b", Prefix: "p/", Endpoint: mute.endpoint(t, "http"), PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	var wait sync.WaitGroup
	wait.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := s.Head(ctx, "k"); !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrDenied) {
			t.Errorf("head: %v", err)
		}
	})
	if a := s.Address("k"); a != "s3://b/p/k" {
		t.Error(a)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	wait.Wait()
}
