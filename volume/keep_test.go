package volume

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"

	"mcfs/crypt"
)

// TestFastFileLeavesTheSpool: a long file that left as fast as it was written goes from the
// spool when it is closed, and can be read; any other stays.
func TestFastFileLeavesTheSpool(t *testing.T) {
	const parts, step = 24, 64 << 10
	for _, c := range []struct {
		name   string
		all    bool // spool.keep = "all"
		slow   bool // no part arrives before the close
		over   bool // a version
		patch  bool // it is changed, not written anew
		stays  bool
		length int
	}{
		{name: "as fast as it was written", length: parts * lightPart},
		{name: "and an old version", over: true, length: parts * lightPart},
		{name: "all are to stay", all: true, length: parts * lightPart, stays: true},
		{name: "slower", slow: true, length: parts * lightPart, stays: true},
		{name: "a change of a version", over: true, patch: true, length: parts * lightPart, stays: true},
		{name: "a short file", length: lightPart, stays: true},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRigOf(t, crypt.CTR, lightPart)
			r.close()
			g := newGate(r.store)
			r.o.Store, r.o.KeepAll = g, c.all
			r.open("spool-gated")
			want := random(c.length)
			if c.over {
				r.save("f", random(c.length-1))
				r.cold()
			}
			if c.slow {
				g.shut()
			}
			h := r.create("f", map[bool]int{false: os.O_TRUNC}[c.patch])
			p := want
			if c.patch {
				r.readAll(h)
				p = []byte("changed")
				want = append(p[:len(p):len(p)], random(c.length - 1)[len(p):]...)
			}
			for off := 0; off < len(p); off += step {
				r.write(h, p[off:min(len(p), off+step)], int64(off))
				synctest.Wait() // until what can leave has left
			}
			g.pass()
			r.finish(h)
			r.eventually(0)
			if used, _ := r.spool.Usage(); (used >= int64(c.length)) != c.stays {
				t.Errorf("%d bytes are in the spool, of %d", used, c.length)
			}
			if !bytes.Equal(r.load("f"), want) {
				t.Error("content differs")
			}
			if used, _ := r.spool.Usage(); used < int64(c.length) {
				t.Errorf("%d bytes of what was read stay in the spool, of %d", used, c.length)
			}
			r.truthful()
		})
	}
}
