package faults

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcfs/store/s3/s3test"
	"mcfs/volume"
)

// strike is one request of a scenario that a fault can hit.
type strike struct {
	kms bool
	op  string
	key string // below the prefix; empty if it has none
}

func (s strike) String() string { return strings.TrimSuffix(s.op+" "+s.key, " ") }

// changes says of a request that it makes or removes something.
func (s strike) changes() bool {
	return !s.kms && !strings.HasPrefix(s.op, "Get") && !strings.HasPrefix(s.op, "Head") && !strings.HasPrefix(s.op, "List")
}

// TestVolume does what a person does, and strikes each request that comes of it
// with each fault, once. Files that are saved are closed with success although
// something failed once, or with an error that leaves the draft safe, also after a
// crash; what is read is right, or an error; and when the fault is over, S3 has
// every file whole, its sidecar, and nothing else.
func TestVolume(t *testing.T) {
	inStore := parse(t, s3Faults, storeColumns(), storeWrites, storeReads, storeCopies)
	server := s3test.Start(t)
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			requests := s.requests(t, server)
			if len(requests) == 0 {
				t.Fatal("no request came of it")
			}
			t.Logf("%d requests: %v", len(requests), requests)
			for _, r := range requests {
				for _, f := range s.faults(r) {
					t.Run(fmt.Sprint(r, "/", f.name), func(t *testing.T) {
						t.Parallel()
						busy <- struct{}{}
						defer func() { <-busy }()
						s.run(t, server, r, f, s.told(r, f, inStore[f.name]))
					})
				}
			}
		})
	}
}

// busy bounds how many volumes there are at once.
var busy = make(chan struct{}, 16)

// full says that there is time for everything; see TestRandom.
var full = os.Getenv("MCFS_FAULTS") != ""

// faults are those that can hit a request, and mean something there. Every request
// of a commit is hit by all of them; where time is short, every other request that
// changes something, or that a reader waits for, by those that stand for the others.
func (s scenario) faults(r strike) []fault {
	all := s3Faults
	if r.kms {
		all = kmsFaults
	}
	commits := strings.HasPrefix(s.name, "save") || s.name == "overwrite"
	return slices.DeleteFunc(slices.Clone(all), func(f fault) bool {
		switch {
		case f.always, f.place != here, f.at.Delay > 0:
			return true // see TestOutageOfS3
		case f.inRequest() && !r.sends(), f.inAnswer() && !r.gets():
			return true
		case (f.at.Status == 412 || f.at.Status == 409) && !(commits && r.changes()):
			return true // said of what has no condition it is a lie
		case full:
			return false
		case r.kms:
			return !f.core || !commits && !s.looks
		case commits:
			return !r.changes()
		}
		return !f.core || !s.looks && !r.changes()
	})
}

func (f fault) inRequest() bool {
	return f.at.Break == s3test.RequestBody || f.at.Garble == s3test.RequestBody
}

func (f fault) inAnswer() bool {
	return f.at.Garble == s3test.ResponseBody || f.at.Shorten
}

// sends and gets say whether the request, and the answer to it, has a body.
func (s strike) sends() bool {
	return s.kms || s.op == "PutObject" || s.op == "UploadPart" || s.op == "CompleteMultipartUpload"
}

func (s strike) gets() bool {
	return s.kms || !s.sends() && !strings.HasPrefix(s.op, "Delete") && s.op != "HeadObject" || s.op == "CompleteMultipartUpload"
}

// requests does it without a fault, and tells what was asked of the servers.
func (s scenario) requests(t *testing.T, server *s3test.Server) []strike {
	w := newWorld(t, server, s.mode, patience)
	s.prepare(w, w.kms.Reset)
	w.s3.Reset()
	w.must(s.act(w))
	w.shut()
	w.prove(s.after)
	var all []strike
	for _, q := range append(w.s3.Requests(), w.kms.Requests()...) {
		r := strike{kms: q.Header.Get("X-Amz-Target") != "", op: q.Op}
		if !r.kms {
			r.key = w.keyOf(q)
		}
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

func (w *world) keyOf(q s3test.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(q.Path, "/"), "/")
	return strings.TrimPrefix(key, strings.TrimPrefix(w.direct.Address(""), "s3://mcfs-test/"))
}

// prepare brings the world to where a fault strikes S3. Just before it opens the
// volume for that, which fetches keys ahead, it calls a function.
func (s scenario) prepare(w *world, opening func()) {
	if s.cold {
		w.open("")
		w.must(s.before(w))
		w.shut()
	}
	opening()
	w.open("")
	if !s.cold && s.before != nil {
		w.must(s.before(w))
	}
}

func (s scenario) run(t *testing.T, server *s3test.Server, at strike, f fault, told string) {
	limit := patience
	if f.silent {
		limit = stalled
	}
	w := newWorld(t, server, s.mode, limit)
	var struck atomic.Int32
	hook := func(q s3test.Request) s3test.Fault {
		if q.Op != at.op || !at.kms && w.keyOf(q) != at.key {
			return s3test.Fault{}
		}
		n := struck.Add(1)
		if f.expired {
			w.session.renewed.Store(true) // by somebody, in the same moment
		}
		if n == 1 || f.expired && !w.session.taken.Load() {
			return f.at
		}
		return s3test.Fault{}
	}
	s.prepare(w, func() {
		if at.kms {
			w.kms.Hook(hook)
		}
	})
	if !at.kms {
		w.s3.Hook(hook)
	}
	begun := time.Now()
	err := s.act(w)
	took := time.Since(begun)
	t.Logf("%v after %v", err, took)
	if got := personWord(err); got != told {
		t.Errorf("a person is told %q, not %q: %v", got, told, err)
	}
	if took > closing+slack {
		t.Errorf("took %v", took)
	}
	w.truthful(saved)
	after := s.after
	if err != nil {
		w.crash()
		if !errors.Is(err, errClose) {
			after = s.prior
		}
	}
	if s.looks {
		if err := s.act(w); err != nil {
			t.Errorf("when the fault was over: %v", err)
		}
	}
	w.shut()
	if f.at.Status == 412 && errors.Is(err, volume.ErrStale) {
		after = w.beside(s)
	}
	if struck.Load() == 0 && at.changes() {
		t.Error("the fault struck nothing")
	}
	w.prove(after)
	if f.at.Garble == s3test.RequestBody {
		w.server.TakeViolations()
	}
}

// told is what a person is to be told, by what the store makes of it.
func (s scenario) told(at strike, f fault, inStore map[string]outcome) string {
	_, sidecar := strings.CutSuffix(at.key, sidecarSuffix)
	commits := s.prior == nil || s.name == "overwrite" || s.name == "patch"
	get := inStore["GetShort"].word // something was answered before
	list := inStore["ListShort"].word
	change := inStore["PutShort"].word
	switch {
	case at.op == "DeleteObject":
		change = inStore["DeleteShort"].word
	case s.name == "save large": // what makes an object of parts shows no shorter way
		change = inStore["Put"].word
	}
	switch {
	case at.kms && s.looks && at.op == "Decrypt" && !passes(f):
		return "EIO"
	case at.kms:
		return "0" // the pool asks for another
	case at.op == "ListObjectsV2" && (s.cold || s.before == nil) && list != "ok":
		return "EIO" // nothing is known of before
	case at.op == "GetObject" && (get == "deny" || get == "bucket" || sidecar && f.silent):
		return "EIO"
	case at.op == "GetObject" && !sidecar && f.at.Garble != s3test.Nowhere:
		return "EIO" // it is found, and might be somebody's doing
	case f.at.Status == 412 && s.before == nil && (at.op == "PutObject" && !sidecar || at.op == "CompleteMultipartUpload"):
		return "ESTALE" // somebody else must have taken the name
	case commits && sidecar && at.changes() && change == "deny":
		return "EIO" // at once: somebody has to do something
	}
	return "0"
}

// passes says of what KMS says that another try may well succeed.
func passes(f fault) bool {
	return f.name != "access denied" && f.name != "key disabled" && f.at.Status != 403 && !f.expired && f.at.Garble == s3test.Nowhere
}

// beside is what S3 has to have where another machine was said to have the name:
// what was there, and under a name that says so what was saved.
func (w *world) beside(s scenario) map[string]file {
	files := map[string]file{}
	for name, f := range s.prior {
		files[name] = f
	}
	for _, key := range w.keys() {
		if strings.HasPrefix(key, "a (conflict ") && !strings.HasSuffix(key, sidecarSuffix) {
			files[key] = s.after["a"]
		}
	}
	if len(files) != len(s.prior)+1 {
		w.Errorf("not beside what was there: %q", w.keys())
	}
	return files
}
