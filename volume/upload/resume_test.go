package upload

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"mcfs/crypt"
	"mcfs/keys"
	"mcfs/store"
)

// A process dies in the middle of an upload some of whose parts the spool has
// dropped; the next goes on without them.
func TestResume(t *testing.T) {
	for _, f := range forms {
		t.Run(formName(f.mode, f.iv), func(t *testing.T) {
			s := newSpy(t, smallStore(t))
			d := &draft{data: randomBytes(12*testPart + 77)}
			key, iv := dataKey(), freshIV(t, f.mode, f.iv)
			s.refuse = func(part int) bool { return part == 3 || part >= 6 } // a gap
			arrive := int64(4)
			if f.mode == crypt.CBC {
				s.refuse = func(part int) bool { return part == 4 || part >= 6 } // 5 is worth nothing without 4
				arrive = 5
			}
			raw, acked := dyingUpload(t, s, d, key, f.mode, iv, arrive*testPart)
			s.refuse = nil

			var state State
			if err := state.UnmarshalBinary(raw); err != nil {
				t.Fatal(err)
			}
			if len(state.Parts) != 4 || state.UploadID == "" || len(acked) != 4 {
				t.Fatalf("state has %d parts, %d were reported, want 4", len(state.Parts), len(acked))
			}
			// What was dropped must not be read again.
			truth := bytes.Clone(d.data)
			for _, off := range acked {
				clear(d.data[off : off+testPart])
			}
			e := testEngine(t, s, func(c *Config) { c.PartSize = 4 * testPart }) // the configuration changed
			begunAgain := false
			u, err := e.Resume(Target{Key: "x", Begun: func(context.Context, string) error { begunAgain = true; return nil }},
				key, f.mode, iv, d, state)
			if err != nil {
				t.Fatal(err)
			}
			if !u.Touches(acked[3], 1) || u.Touches(11*testPart, 1) {
				t.Error("Touches does not know what has left")
			}
			u.Advance(12 * testPart)
			view := d.whole()
			r, err := u.Finish(t.Context(), view, int64(len(d.data)), Last{})
			if err != nil {
				t.Fatal(err)
			}
			view.Release()
			equal(t, fetched(t, s, "x", key, r), truth)
			s.checkP2(t, layout{testPart})
			if begunAgain {
				t.Error("Begun was called again")
			}
			if u.Progress() != r.Cipher {
				t.Errorf("progress %d of %d", u.Progress(), r.Cipher)
			}
			noUploads(t, s)
		})
	}
}

// dyingUpload sends what it can and ends without a word to the store.
func dyingUpload(t *testing.T, s *spy, d *draft, key keys.DataKey, m crypt.Mode, iv []byte, progress int64) (raw []byte, acked []int64) {
	t.Helper()
	e := testEngine(t, s, nil)
	ranges := make(chan int64, 100)
	u, err := e.Start(Target{Key: "x", Acked: func(off, n int64) {
		for ; n > 0; off, n = off+testPart, n-testPart {
			ranges <- off
		}
	}}, key, m, iv, d)
	if err != nil {
		t.Fatal(err)
	}
	if s := u.State(); s.UploadID != "" || len(s.Parts) != 0 {
		t.Errorf("state before anything left: %+v", s)
	}
	eventually(t, "parts are acknowledged", func() bool {
		u.Advance(12 * testPart)
		return u.Progress() == progress && len(ranges) == 4
	})
	if raw, err = u.State().MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	e.Close()
	u.Abort() // the process is gone: only lets go of memory
	for len(ranges) > 0 {
		acked = append(acked, <-ranges)
	}
	slices.Sort(acked)
	return raw, acked
}

func TestResumeRefuses(t *testing.T) {
	s := newSpy(t, smallStore(t))
	d := &draft{data: randomBytes(8 * testPart)}
	e := testEngine(t, s, nil)
	key, iv := dataKey(), freshIV(t, crypt.CTR, 16)
	u, err := e.Start(Target{Key: "x"}, key, crypt.CTR, iv, d)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Abort()
	if _, err := u.State().MarshalBinary(); err == nil {
		t.Error("a state without an upload was marshalled")
	}
	eventually(t, "parts are acknowledged", func() bool { u.Advance(8 * testPart); return u.Progress() == 5*testPart })
	good := u.State()
	for name, c := range map[string]struct {
		key    keys.DataKey
		iv     []byte
		mode   crypt.Mode
		change func(*State)
	}{
		"another key":       {dataKey(), iv, crypt.CTR, nil},
		"another IV":        {key, freshIV(t, crypt.CTR, 16), crypt.CTR, nil},
		"another mode":      {key, iv, crypt.GCM, nil},
		"no upload":         {key, iv, crypt.CTR, func(s *State) { s.UploadID = "" }},
		"no hashes":         {key, iv, crypt.CTR, func(s *State) { s.sums = nil }},
		"parts in disarray": {key, iv, crypt.CTR, func(s *State) { s.Parts[0], s.Parts[1] = s.Parts[1], s.Parts[0] }},
		"part of odd size":  {key, iv, crypt.CTR, func(s *State) { s.Parts[2].Size-- }},
		"odd part size":     {key, iv, crypt.CTR, func(s *State) { s.PartSize++ }},
	} {
		bad := good
		bad.Parts, bad.sums = slices.Clone(good.Parts), slices.Clone(good.sums)
		if c.change != nil {
			c.change(&bad)
		}
		if _, err := e.Resume(Target{Key: "x"}, c.key, c.mode, c.iv, d, bad); err == nil {
			t.Errorf("%s: resumed", name)
		}
	}
	// A file cut below what has left, in the other process.
	v, err := e.Resume(Target{Key: "x"}, key, crypt.CTR, iv, d, good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Finish(t.Context(), d.whole(), 2*testPart, Last{}); !errors.Is(err, ErrLost) {
		t.Errorf("finished a file cut below what has left: %v", err)
	}
}

// A State of the Finish itself leaves out the last part, which holds the tail.
func TestStateDuringFinish(t *testing.T) {
	for _, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		x := newTrial(t, m, 4*testPart)
		var kept int64
		var reported atomic.Int64
		x.u = x.start(t, m, Target{Key: "x", Acked: func(_, n int64) { reported.Add(n) }})
		var state State
		if _, err := x.finish(t.Context(), Last{Ready: func(context.Context) error {
			state = x.u.State()
			return errors.New("stop here")
		}}); err == nil {
			t.Fatal("Ready did not stop it")
		}
		for _, p := range state.Parts {
			kept += p.Size
		}
		want := int64(3 * testPart)
		if m == crypt.CTR {
			want += testPart // there is no tail
		}
		if kept != want || reported.Load() != want {
			t.Errorf("%v: state holds %d bytes, %d were reported, want %d", m, kept, reported.Load(), want)
		}
	}
}

func stateSeeds(t testing.TB) [][]byte {
	g, err := crypt.NewIntegrity(crypt.CTR, make([]byte, 32), make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	var seeds [][]byte
	for _, n := range []int{0, 1, 3} {
		s := State{UploadID: "id", PartSize: minPartSize, check: g.Check()}
		for i := range n {
			h := g.Hasher().Sum(make([]byte, minPartSize))
			s.Parts = append(s.Parts, store.Part{Number: 2*i + 1, ETag: `"tag"`, Size: minPartSize, CRC32C: 77})
			s.sums = append(s.sums, sums{mac: h, crc: 77, size: minPartSize})
		}
		b, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	return seeds
}

func FuzzState(f *testing.F) {
	seeds := stateSeeds(f)
	if len(seeds) < 3 {
		f.Fatal("too few seeds")
	}
	for _, b := range seeds {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s State
		if err := s.UnmarshalBinary(b); err != nil {
			return
		}
		again, err := s.MarshalBinary()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		var s2 State
		if err := s2.UnmarshalBinary(again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		third, err := s2.MarshalBinary()
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("not the same twice: %v", err)
		}
	})
}
