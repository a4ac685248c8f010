package faults

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
	"mcfs/volume"
)

// outage is one server that is of no use for a while, whatever it is asked.
type outage struct {
	name string
	at   s3test.Fault
	off  func(w *world) // in place of at
	on   func(w *world)
}

var s3Outages = []outage{
	{name: "connections cut", at: s3test.Fault{Cut: true}},
	{name: "answers lost", at: s3test.Fault{Lose: true}},
	{name: "silent", at: s3test.Fault{Hang: true}},
	{name: "silent after the answers' headers", at: s3test.Fault{Break: s3test.ResponseBody, Silent: true}},
	{name: "500", at: s3test.Fault{Status: 500, Code: "InternalError"}},
	{name: "503", at: s3test.Fault{Status: 503, Code: "SlowDown"}},
	{name: "429", at: s3test.Fault{Status: 429, Code: "TooManyRequests"}},
	{name: "403", at: s3test.Fault{Status: 403, Code: "AccessDenied"}},
	{name: "credentials expired", at: s3test.Fault{Status: 400, Code: "ExpiredToken"}},
	{name: "no such bucket", at: s3test.Fault{Status: 404, Code: "NoSuchBucket"}},
	{name: "web pages", at: s3test.Fault{Status: 200, Page: page}},
	{name: "404 of a proxy", at: s3test.Fault{Status: 404, Page: page}},
	{name: "request bodies garbled", at: s3test.Fault{Garble: s3test.RequestBody}},
	{name: "answers garbled", at: s3test.Fault{Garble: s3test.ResponseBody}},
}

// TestOutageOfS3 saves while S3 is of no use: close fails within its deadline,
// what was known of names is still shown, and the draft outlives a kill, in the
// version that was saved last.
func TestOutageOfS3(t *testing.T) {
	server := s3test.Start(t)
	for _, o := range s3Outages {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, crypt.CTR, stalled)
			w.open("")
			w.must(w.save("a", small))
			w.must(w.v.Close(w.ctx))
			w.must(w.spool.Close())
			w.close = 2 * time.Second
			w.open("")
			w.must(list(w))
			w.s3.Hook(func(q s3test.Request) s3test.Fault { return o.at })
			for _, p := range [][]byte{large, other} {
				w.fails("b", p)
			}
			w.knows("a.settings.json a b")
			if p, err := w.load("b"); err != nil || !bytes.Equal(p, other) {
				t.Errorf("the draft reads as %d bytes: %v", len(p), err)
			}
			w.truthful(map[string][][]byte{"a": {small}, "b": {other, large}})
			w.crash()
			w.shut()
			w.prove(map[string]file{"a": {content: small}, "b": {content: other}})
		})
	}
}

// fails saves, and demands that close says EIO in time, and that the draft is pending.
func (w *world) fails(name string, p []byte) {
	w.Helper()
	begun := time.Now()
	err := w.save(name, p)
	if took := time.Since(begun); took > w.close+slack {
		w.Errorf("close took %v", took)
	}
	if !errors.Is(err, errClose) || !errors.Is(err, volume.ErrIO) {
		w.Errorf("close: %v", err)
	}
	for _, d := range w.v.Pending() {
		if d.Path == name {
			return
		}
	}
	w.Errorf("%s is not pending: %+v", name, w.v.Pending())
}

// knows demands a listing from memory, soon.
func (w *world) knows(want string) {
	w.Helper()
	begun := time.Now()
	all, err := w.v.Root().ReadDir(w.ctx)
	var got []byte
	for _, e := range all {
		got = append(append(got, e.Name...), ' ')
	}
	if err != nil || string(bytes.TrimSpace(got)) != want {
		w.Errorf("the listing has %q, not %q: %v", got, want, err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		w.Errorf("the listing took %v", took)
	}
}

var kmsOutages = []outage{
	{name: "connections cut", at: s3test.Fault{Cut: true}},
	{name: "silent", at: s3test.Fault{Hang: true}},
	{name: "throttled", at: s3test.Fault{Status: 400, Code: "ThrottlingException"}},
	{name: "access denied", at: s3test.Fault{Status: 400, Code: "AccessDeniedException"}},
	{name: "credentials expired", at: s3test.Fault{Status: 400, Code: "ExpiredTokenException"}},
	{name: "web pages", at: s3test.Fault{Status: 200, Page: page}},
	{name: "answers garbled", at: s3test.Fault{Garble: s3test.ResponseBody}},
	{name: "key disabled",
		off: func(w *world) { w.server.SetKeyState(w.server.ARN(0), kmstest.Disabled) },
		on:  func(w *world) { w.server.SetKeyState(w.server.ARN(0), kmstest.Enabled) }},
	{name: "key pending deletion",
		off: func(w *world) { w.server.SetKeyState(w.server.ARN(0), kmstest.PendingDeletion) },
		on:  func(w *world) { w.server.SetKeyState(w.server.ARN(0), kmstest.Enabled) }},
}

// TestOutageOfKMS saves while no data keys can be had: what has one already is
// read and saved, files beyond the pool fail in time, and all is well as soon as
// KMS is back.
func TestOutageOfKMS(t *testing.T) {
	server := s3test.Start(t)
	for _, o := range kmsOutages {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, crypt.CTR, patience) // of S3, which answers
			w.open("")
			w.must(w.save("kept", small))
			if o.off != nil {
				o.off(w)
			} else {
				w.kms.Hook(func(q s3test.Request) s3test.Fault { return o.at })
			}
			files := map[string]file{"kept": {content: small}}
			failed := w.exhaust(files)
			if p, err := w.load("kept"); err != nil || !bytes.Equal(p, small) {
				t.Errorf("what was saved before reads as %d bytes: %v", len(p), err)
			}
			w.kms.Hook(nil)
			if o.on != nil {
				o.on(w)
			}
			w.must(w.save(failed, other))
			files[failed] = file{content: other}
			w.shut()
			w.prove(files)
		})
	}
}

// exhaust saves until there is no data key left, and gives the name that failed.
func (w *world) exhaust(files map[string]file) string {
	w.Helper()
	for i := range 100 {
		name := fmt.Sprint("f", i)
		begun := time.Now()
		err := w.save(name, small)
		if took := time.Since(begun); took > w.close+slack {
			w.Errorf("it took %v", took)
		}
		if err != nil {
			if !errors.Is(err, volume.ErrIO) {
				w.Errorf("%v", err)
			}
			return name
		}
		files[name] = file{content: small}
	}
	w.Fatal("a hundred files were saved without KMS")
	return ""
}
