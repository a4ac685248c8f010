package watches

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcfs/config"
	"mcfs/internal/feed"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/store/dir"
)

const home = "s3://ingest/camera-a/"

// rig is a configuration with hot folders, a store, and a MediaConvert whose jobs read what is in no
// bucket, and so fail.
type rig struct {
	t       *testing.T
	o       Options
	convert *mediaconverttest.Server
	log     *text

	mu    sync.Mutex
	lines []feed.Line
}

// text is a log that is read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// newRig makes a rig whose sections say no more than where they are.
func newRig(t *testing.T, sections ...config.Watch) *rig {
	t.Helper()
	r := &rig{t: t, convert: mediaconverttest.Start(t, mediaconverttest.Options{}), log: new(text)}
	a := r.convert.Config()
	credentials, err := a.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", credentials.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", credentials.SecretAccessKey)
	t.Setenv("AWS_REGION", "")
	c := config.Config{Store: config.Store{Kind: config.StoreDir, Path: filepath.Join(t.TempDir(), "store"), Bucket: "ingest", Prefix: "camera-a/", Region: a.Region}, Keys: config.Keys{Kind: config.KeysKMS}}
	for _, w := range sections {
		w.MaxJobs, w.Every, w.Poll, w.Endpoint = 4, time.Hour, time.Millisecond, r.convert.URL
		w.Role, w.Output = mediaconverttest.Role, "s3://deliver/{name}/"
		c.Watch = append(c.Watch, w)
	}
	st, err := dir.New(dir.Options{Path: c.Store.Path, Bucket: "ingest", Prefix: "camera-a/", MinPart: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	r.o = Options{Config: c, Store: st, Feed: feed.New(feed.Place{Address: home}), Log: slog.New(slog.NewTextHandler(r.log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = r.o.Feed.Follow(ctx, "", "", func(l feed.Line) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.lines = append(r.lines, l)
			return nil
		})
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	r.await("somebody listens", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.lines) > 0
	})
	return r
}

// save puts the settings of a version.
func (r *rig) save(name string, version byte) {
	r.t.Helper()
	s := sidecar.Settings{FileInput: home + name, Mode: "AES_CTR", Key: make([]byte, 184), IV: slices.Repeat([]byte{version}, 16), Region: "us-west-2"}
	text, err := s.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	body := store.Body{ReadSeeker: bytes.NewReader(text), Size: int64(len(text)), CRC32C: crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))}
	if _, err := r.o.Store.Put(r.t.Context(), sidecar.Name(name), body, store.Attributes{}, store.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

// told are the lines of jobs, as "what path status".
func (r *rig) told() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if l.Type == "job" {
			list = append(list, strings.TrimSpace(fmt.Sprintln(l.What, l.Path, l.Status)))
		}
	}
	slices.Sort(list)
	return list
}

// await waits until something is so.
func (r *rig) await(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s; told %q, log\n%s", what, r.told(), r.log)
		}
	}
}

// settled reports whether so many jobs were made and none is followed any more.
func settled(w *Watches, created int) func() bool {
	return func() bool {
		running, made := 0, 0
		for _, f := range w.Status() {
			running, made = running+f.Running, made+f.Created
		}
		return running == 0 && made == created
	}
}

// TestWatches: the first section that is about a file has it. What becomes of its job is told,
// counted and logged.
func TestWatches(t *testing.T) {
	r := newRig(t, config.Watch{Path: "day", Match: []string{"*.mov"}}, config.Watch{Match: []string{"*.mov", "*.mxf"}})
	r.save("day/a.mov", 1)
	r.save("day/b.mxf", 2)
	r.save("c.mov", 3)
	r.save("d.txt", 4)
	w := Start(r.o)
	defer w.Close()
	r.await("three jobs", settled(w, 3))
	list := w.Status()
	if list[0].Created != 1 || list[1].Created != 2 || list[0].Path != "day" || list[1].Path != "" || list[0].Failure == nil || list[0].Failure.Path != "day/a.mov" || list[0].Failure.Job == "" {
		t.Errorf("%+v", list)
	}
	want := []string{"created c.mov SUBMITTED", "created day/a.mov SUBMITTED", "created day/b.mxf SUBMITTED", "ended c.mov ERROR", "ended day/a.mov ERROR", "ended day/b.mxf ERROR"}
	r.await("all is told", func() bool { return slices.Equal(r.told(), want) })
	r.await("both are looked through", func() bool { l := w.Status(); return !l[0].Looked.IsZero() && !l[1].Looked.IsZero() })
	for _, text := range []string{`msg="the job of a file of the hot folder has failed" folder="day (*.mov)" file=day/a.mov`, `msg="a job is created for a file of the hot folder" folder="/ (*.mov, *.mxf)" file=c.mov`} {
		if !strings.Contains(r.log.String(), text) {
			t.Errorf("the log lacks %s\n%s", text, r.log)
		}
	}
}

// TestCannotBegin: a hot folder that cannot be begun is shown and begun again; the others go on, and
// the end waits for nothing.
func TestCannotBegin(t *testing.T) {
	r := newRig(t, config.Watch{Path: "day"}, config.Watch{Path: "night"})
	r.o.Config.Watch[0].Template = filepath.Join(t.TempDir(), "missing.json")
	r.save("night/a.mov", 1)
	w := Start(r.o)
	r.await("a job of the other", settled(w, 1))
	r.await("a failure", func() bool { return w.Status()[0].Failure != nil })
	first := w.Status()[0].Failure
	if !strings.Contains(first.Cause, "missing.json") || !first.Again || first.Path != "" {
		t.Errorf("%+v", first)
	}
	r.await("another try", func() bool { return w.Status()[0].Failure.At.After(first.At) })
	begun := time.Now()
	if err := w.Close(); err != nil || time.Since(begun) > 5*time.Second {
		t.Errorf("the end: %v, after %v", err, time.Since(begun))
	}
}

// TestLooseTemplate: a template that another user could have written makes no job.
func TestLooseTemplate(t *testing.T) {
	r := newRig(t, config.Watch{})
	loose := filepath.Join(t.TempDir(), "loose")
	template := filepath.Join(loose, "house.json")
	if err := errors.Join(os.Mkdir(loose, 0o700), os.WriteFile(template, []byte(`{"Settings": {"Inputs": [{}]}}`), 0o600), os.Chmod(loose, 0o777)); err != nil {
		t.Fatal(err)
	}
	r.o.Config.Watch[0].Template = template
	r.save("a.mov", 1)
	w := Start(r.o)
	defer w.Close()
	r.await("a failure", func() bool { return w.Status()[0].Failure != nil })
	if cause := w.Status()[0].Failure.Cause; !strings.Contains(cause, "watch.template: "+loose+" may be written by others") || len(r.convert.Jobs()) > 0 {
		t.Errorf("%s; %d jobs", cause, len(r.convert.Jobs()))
	}
}

// TestClose: the end leaves a job alone that still runs, and the next run follows it.
func TestClose(t *testing.T) {
	r := newRig(t, config.Watch{})
	r.convert.ScriptNext(mediaconverttest.Script{Hold: true})
	r.save("a.mov", 1)
	w := Start(r.o)
	r.await("a job", func() bool { return len(r.convert.Jobs()) == 1 && w.Status()[0].Running == 1 })
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if w.Status()[0].Running != 0 || r.convert.Count("CancelJob") != 0 {
		t.Errorf("%+v, %d jobs were cancelled", w.Status(), r.convert.Count("CancelJob"))
	}
	r.save("b.mov", 2)
	second := Start(r.o)
	defer second.Close()
	r.await("the next has both", func() bool { s := second.Status()[0]; return s.Running >= 1 && s.Created == 1 })
	for _, j := range r.convert.Jobs() {
		r.convert.Release(*j.Id)
	}
	r.await("it ends", settled(second, 1))
	if second.Status()[0].Failure == nil {
		t.Error("of a job that has failed nothing is shown")
	}
	if n := len(r.convert.Jobs()); n != 2 {
		t.Errorf("%d jobs", n)
	}
}
