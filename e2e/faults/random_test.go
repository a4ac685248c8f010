package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"mcfs/crypt"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
	"mcfs/volume"
)

// seeds are those of the runs that always take place. MCFS_FAULTS=10m goes on
// with others for so long, and prints that of a run that fails.
var seeds = []uint64{1, 2, 3}

const (
	steps  = 40
	breath = 20 // steps after which all is well for a moment, and S3 is looked at
)

// TestRandom saves, patches, renames, removes, reads and kills at random while a
// fifth of all requests fail, each with any fault. Whatever close and rename
// promised is there at last, and nothing else.
func TestRandom(t *testing.T) {
	server := s3test.Start(t)
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			roam(t, server, seed)
		})
	}
	text := os.Getenv("MCFS_FAULTS")
	if text == "" {
		return
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("MCFS_FAULTS: %v", err)
	}
	for end := time.Now().Add(length); time.Now().Before(end) && !t.Failed(); {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) { roam(t, server, seed) })
	}
}

// trouble decides about each request. What a server says that lies, 409 and 412,
// is left out: that is for a name that another machine has taken.
type trouble struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults []fault
}

func newTrouble(seed uint64, all []fault) *trouble {
	lies := func(f fault) bool {
		return f.place != here || f.expired || f.at.Status == 409 || f.at.Status == 412 || f.at.Delay > time.Minute
	}
	return &trouble{rng: rand.New(rand.NewPCG(seed, 7)), faults: slices.DeleteFunc(slices.Clone(all), lies)}
}

func (d *trouble) decide(s3test.Request) s3test.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rng.IntN(5) > 0 {
		return s3test.Fault{}
	}
	return d.faults[d.rng.IntN(len(d.faults))].at
}

// roamer is one run: the world, and what ought to be in it.
type roamer struct {
	*world
	rng    *rand.Rand
	model  map[string][]byte
	toS3   *trouble
	toKMS  *trouble
	errors int
}

func roam(t *testing.T, server *s3test.Server, seed uint64) {
	mode := []crypt.Mode{crypt.CTR, crypt.GCM, crypt.CBC}[seed%3]
	w := newWorld(t, server, mode, 2*time.Second)
	w.close = 3 * time.Second
	w.open("")
	r := &roamer{
		world: w, rng: rand.New(rand.NewPCG(seed, 0)), model: make(map[string][]byte),
		toS3: newTrouble(seed, s3Faults), toKMS: newTrouble(seed+1, kmsFaults),
	}
	for i := range steps {
		if i%breath == 0 {
			r.rest()
		}
		r.step()
	}
	r.calm()
	w.shut()
	r.look()
	t.Logf("%s, %d requests to S3, %d to KMS, %d calls failed", mode, w.s3.Count(""), w.kms.Count(""), r.errors)
}

func (r *roamer) calm() {
	r.s3.Hook(nil)
	r.kms.Hook(nil)
}

// rest lets everything finish, and looks at S3.
func (r *roamer) rest() {
	r.Helper()
	r.calm()
	ctx, cancel := context.WithTimeout(r.ctx, 3*closing)
	defer cancel()
	if err := r.v.Sync(ctx, ""); err != nil {
		r.Fatalf("sync: %v; pending: %+v", err, r.v.Pending())
	}
	r.uploadsEnd(ctx)
	r.look()
	r.s3.Hook(r.toS3.decide)
	r.kms.Hook(r.toKMS.decide)
}

func (r *roamer) look() {
	r.Helper()
	files := make(map[string]file)
	for name, p := range r.model {
		files[name] = file{content: p}
	}
	r.prove(files)
	r.server.TakeViolations() // garbled requests are not what was signed
}

func (r *roamer) step() {
	r.Helper()
	name := string(rune('a' + r.rng.IntN(5)))
	_, there := r.model[name]
	switch n := r.rng.IntN(20); {
	case n == 0:
		r.Logf("kill")
		r.crash()
		r.s3.Hook(r.toS3.decide)
		r.kms.Hook(r.toKMS.decide)
	case n < 10 || !there:
		r.write(name)
	case n < 13:
		to := string(rune('a' + r.rng.IntN(5)))
		if to != name && r.try("rename "+name+" "+to, func() error { return r.v.Root().Rename(r.ctx, name, r.v.Root(), to, 0) }) {
			r.model[to] = r.model[name]
			delete(r.model, name)
		}
	case n < 15:
		if r.try("remove "+name, func() error { return r.v.Root().Remove(r.ctx, name) }) {
			delete(r.model, name)
		}
	default:
		r.read(name)
	}
}

// write saves, until the call that fails, if one does, is close.
func (r *roamer) write(name string) {
	r.Helper()
	size := r.rng.IntN(150_000)
	if r.rng.IntN(8) == 0 {
		size += part
	}
	p := storetest.Random(size, r.rng.Uint64())
	for range 50 {
		err := r.save(name, p)
		if err != nil {
			r.errors++
			r.Logf("save %s: %v", name, err)
		}
		if err == nil || errors.Is(err, errClose) && errors.Is(err, volume.ErrIO) {
			r.model[name] = p
			return
		}
	}
	r.Fatalf("%s could not be saved in 50 tries", name)
}

// try says whether a change of names was promised.
func (r *roamer) try(what string, change func() error) bool {
	r.Helper()
	err := change()
	r.Logf("%s: %v", what, err)
	if err != nil {
		r.errors++
	}
	if errors.Is(err, volume.ErrNotExist) {
		r.Errorf("%s: %v; there are %q", what, err, slices.Sorted(maps.Keys(r.model)))
	}
	return err == nil
}

func (r *roamer) read(name string) {
	r.Helper()
	p, err := r.load(name)
	if err != nil {
		r.errors++
		r.Logf("read %s: %v", name, err)
	} else if !bytes.Equal(p, r.model[name]) {
		r.Errorf("%s reads as %d bytes, other than the %d that were saved", name, len(p), len(r.model[name]))
	}
}
