package hotfolder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mcfs/config"
	"mcfs/internal/feed"
	"mcfs/internal/stored"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/jobs"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/sidecar"
	"mcfs/store"
	"mcfs/store/dir"
)

const home = "s3://ingest/camera-a/"

// rig is a hot folder over a store, and a MediaConvert whose jobs read what is in no bucket, and
// so fail: that they are made is what counts.
type rig struct {
	t       *testing.T
	store   store.Store
	convert *mediaconverttest.Server
	folder  Folder
	lines   chan feed.Line // of the mount

	mu   sync.Mutex
	told []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, convert: mediaconverttest.Start(t, mediaconverttest.Options{}), lines: make(chan feed.Line)}
	c := config.Config{Store: config.Store{Kind: config.StoreDir, Path: filepath.Join(t.TempDir(), "store"), Bucket: "ingest", Prefix: "camera-a/"}}
	var err error
	if r.store, err = dir.New(dir.Options{Path: c.Store.Path, Bucket: "ingest", Prefix: "camera-a/", MinPart: 1}); err != nil {
		t.Fatal(err)
	}
	v := stored.New(c, func(context.Context, config.Config) (store.Store, error) { return r.store, nil })
	t.Cleanup(func() { v.Close() })
	api, err := jobs.NewClient(r.convert.Config(), "", r.convert.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.folder = Folder{
		Volume: v, Addresses: []string{home + "day"}, Wanted: func(name string) bool { return strings.HasSuffix(name, ".mov") },
		API: api, Pace: jobs.Pace{Every: time.Millisecond, Most: 4 * time.Millisecond}, MaxJobs: 4, Every: time.Hour, Tell: r.tell,
		Build: func(found stored.Version) (document.Document, error) {
			return document.Build([]document.Input{{Settings: found.Settings}},
				document.Options{Role: mediaconverttest.Role, Region: "us-west-2", Output: "s3://deliver/", Volumes: []string{home}})
		},
		Listen: func(ctx context.Context, tell func(feed.Line)) error {
			for {
				select {
				case l := <-r.lines:
					tell(l)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
	}
	return r
}

func (r *rig) tell(n News) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := map[Kind]string{Made: "made", Adopted: "adopted", Ended: "ended", Replaced: "replaced", Failed: "failed", Would: "would", Unfollowed: "unfollowed", Looked: "looked"}[n.Kind]
	if name != "" {
		text := name + " " + strings.TrimPrefix(n.Address, home)
		if n.Again {
			text += ", again"
		}
		r.told = append(r.told, text)
	}
}

// count is how often something was told.
func (r *rig) count(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.told {
		if t == text {
			n++
		}
	}
	return n
}

// await waits until something was told.
func (r *rig) await(text string) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); r.count(text) == 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never told: %s, but %q", text, r.told)
		}
	}
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
	if _, err := r.store.Put(r.t.Context(), sidecar.Name(name), body, store.Attributes{}, store.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

// noted is the job that is noted of a file.
func (r *rig) noted(name string) string {
	r.t.Helper()
	found, err := r.folder.Volume.Look(r.t.Context(), home+name)
	if err != nil {
		r.t.Fatal(err)
	}
	return found.Job
}

// run watches until the returned function is called.
func (r *rig) run() (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.folder.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			r.t.Errorf("it ended with %v", err)
		}
	}
}

func line(kind, name string) feed.Line {
	return feed.Line{Type: kind, Path: name, Address: home + name}
}

// TestTold: of what a mount tells a job is made at once, where it is watched, and all is looked at
// where something was missed.
func TestTold(t *testing.T) {
	r := newRig(t)
	r.save("day/there.mov", 1)
	r.save("night/other.mov", 1)
	r.save("days.mov", 1)
	r.save("day/notes.txt", 1)
	defer r.run()()
	r.await("ended day/there.mov")
	r.save("day/a.mov", 2)
	r.lines <- line("commit", "day/a.mov")
	r.lines <- line("commit", "night/other.mov")
	r.await("ended day/a.mov")
	r.save("day/b.mov", 3)
	r.lines <- feed.Line{Type: "missed"}
	r.await("ended day/b.mov")
	r.save("day/c.mov", 4)
	r.lines <- feed.Line{Type: "listening"} // it was away
	r.await("ended day/c.mov")
	if n := len(r.convert.Jobs()); n != 4 {
		t.Errorf("%d jobs: %q", n, r.told)
	}
	for _, j := range r.convert.Jobs() {
		at := strings.TrimPrefix(aws.ToString(j.Settings.Inputs[0].FileInput), home)
		if r.noted(at) != *j.Id {
			t.Errorf("of %s %q is noted, not %s", at, r.noted(at), *j.Id)
		}
	}
}

// TestLeft: what is left to another hot folder has no job of this one, neither by a listing nor
// where a mount tells of it, nor in a dry look. That a job is followed no more is told, and that all
// was looked at.
func TestLeft(t *testing.T) {
	r := newRig(t)
	r.folder.Left = func(address string) bool { return strings.HasSuffix(address, "left.mov") }
	r.save("day/left.mov", 1)
	r.save("day/mine.mov", 2)
	if err := r.folder.Look(t.Context()); err != nil || r.count("would day/left.mov") != 0 || r.count("would day/mine.mov") != 1 {
		t.Errorf("a dry look: %v, %q", err, r.told)
	}
	stop := r.run()
	r.await("unfollowed day/mine.mov")
	r.await("looked ")
	r.lines <- line("commit", "day/left.mov")
	r.save("day/last.mov", 3)
	r.lines <- line("commit", "day/last.mov")
	r.await("unfollowed day/last.mov")
	stop()
	if n := len(r.convert.Jobs()); n != 2 || r.count("ended day/mine.mov") != 1 {
		t.Errorf("%d jobs: %q", n, r.told)
	}
}

// TestMaxJobs: so many jobs are there at once, and no more.
func TestMaxJobs(t *testing.T) {
	r := newRig(t)
	r.folder.MaxJobs = 2
	for i := range 6 {
		r.convert.ScriptNext(mediaconverttest.Script{Hold: true})
		r.save(fmt.Sprintf("day/%d.mov", i), byte(i+1))
	}
	defer r.run()()
	most := 0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && len(r.convert.Jobs()) < 6; time.Sleep(20 * time.Millisecond) {
		running := 0
		for _, j := range r.convert.Jobs() {
			if !jobs.Ended(j.Status) {
				running++
			}
		}
		most = max(most, running)
		if running == 2 {
			for _, j := range r.convert.Jobs() {
				r.convert.Release(*j.Id)
			}
		}
	}
	if n := len(r.convert.Jobs()); n != 6 || most != 2 {
		t.Errorf("%d jobs, %d at once", n, most)
	}
	for _, j := range r.convert.Jobs() {
		r.convert.Release(*j.Id)
	}
}

// TestFailures: what may pass is said once and tried again, later; what cannot succeed is said once,
// and left.
func TestFailures(t *testing.T) {
	r := newRig(t)
	r.folder.Every, r.folder.Owed = 20*time.Millisecond, new(Owed)
	build, built := r.folder.Build, 0
	var mu sync.Mutex
	r.folder.Build = func(found stored.Version) (document.Document, error) {
		if strings.HasSuffix(found.Settings.FileInput, "bad.mov") {
			mu.Lock()
			defer mu.Unlock()
			built++
			return document.Document{}, &document.Refusal{What: "bad.mov", Why: "it is bad", Cure: "make it good"}
		}
		return build(found)
	}
	r.save("day/bad.mov", 1)
	r.save("day/good.mov", 2)
	r.convert.FailNext(6, "SearchJobs", "InternalServerErrorException")
	defer r.run()()
	r.await("failed day/good.mov, again")
	r.await("failed day/bad.mov")
	r.await("ended day/good.mov")
	if err := r.folder.Owed.Await(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	builds := func() int {
		mu.Lock()
		defer mu.Unlock()
		return built
	}
	before, looks := builds(), r.count("looked ")
	for r.count("looked ") < looks+5 {
		time.Sleep(time.Millisecond)
	}
	if r.count("failed day/good.mov, again") != 1 || r.count("failed day/bad.mov") != 1 || builds() != before || len(r.convert.Jobs()) != 1 {
		t.Errorf("told %q, built %d and %d times, %d jobs", r.told, before, builds(), len(r.convert.Jobs()))
	}
}

// TestReplaced: a file that is saved again while its job waits is said, and the new version has its
// own. The first job is noted nowhere, and the next run makes none.
func TestReplaced(t *testing.T) {
	r := newRig(t)
	r.convert.ScriptNext(mediaconverttest.Script{Hold: true})
	r.save("day/a.mov", 1)
	stop := r.run()
	r.await("made day/a.mov")
	r.save("day/a.mov", 2)
	r.lines <- line("commit", "day/a.mov")
	r.await("replaced day/a.mov")
	r.await("ended day/a.mov")
	stop()
	r.told = nil
	stop = r.run()
	r.await("adopted day/a.mov") // which is held
	r.lines <- line("commit", "day/a.mov")
	for _, j := range r.convert.Jobs() {
		r.convert.Release(*j.Id)
	}
	r.await("ended day/a.mov")
	stop()
	if n := len(r.convert.Jobs()); n != 2 {
		t.Errorf("%d jobs: %q", n, r.told)
	}
}

// TestNotNoted: a job that could not be noted any more, since the run was killed, is found and noted
// by the next, also where it has ended; a dry look makes none, and says so.
func TestNotNoted(t *testing.T) {
	r := newRig(t)
	r.save("day/a.mov", 1)
	found, err := r.folder.Volume.Look(t.Context(), home+"day/a.mov")
	if err != nil {
		t.Fatal(err)
	}
	r.save("day/b.mov", 2)
	d, err := r.folder.Build(found)
	if err != nil {
		t.Fatal(err)
	}
	sub := jobs.Submitter{API: r.folder.API, Pace: r.folder.Pace, Once: true}
	made, err := sub.Submit(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (jobs.Follower{API: r.folder.API, Pace: r.folder.Pace}).Follow(t.Context(), *made.Job.Id, func(jobs.State) {}); err != nil {
		t.Fatal(err)
	}
	if err := r.folder.Look(t.Context()); err != nil {
		t.Error(err)
	}
	slices.Sort(r.told)
	if want := []string{"adopted day/a.mov", "would day/b.mov"}; !slices.Equal(r.told, want) {
		t.Errorf("a dry look told %q, not %q", r.told, want)
	}
	defer r.run()()
	r.await("ended day/a.mov")
	r.await("ended day/b.mov")
	if n := len(r.convert.Jobs()); n != 2 || r.noted("day/a.mov") != *made.Job.Id {
		t.Errorf("%d jobs, %s is noted", n, r.noted("day/a.mov"))
	}
}

// TestTakenOver: a job that still runs, and that the run which made it has not noted, is noted and
// followed by the next.
func TestTakenOver(t *testing.T) {
	r := newRig(t)
	r.save("day/a.mov", 1)
	found, err := r.folder.Volume.Look(t.Context(), home+"day/a.mov")
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.folder.Build(found)
	if err != nil {
		t.Fatal(err)
	}
	r.convert.ScriptNext(mediaconverttest.Script{Hold: true})
	made, err := jobs.Submitter{API: r.folder.API, Pace: r.folder.Pace, Once: true}.Submit(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.run()()
	r.await("adopted day/a.mov")
	for end := time.Now().Add(20 * time.Second); r.noted("day/a.mov") != *made.Job.Id; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is noted", r.noted("day/a.mov"))
		}
	}
	r.convert.Release(*made.Job.Id)
	r.await("ended day/a.mov")
	if n := len(r.convert.Jobs()); n != 1 {
		t.Errorf("%d jobs: %q", n, r.told)
	}
}
