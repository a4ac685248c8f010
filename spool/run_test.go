package spool

import (
	"errors"
	"testing"

	"mcfs/crypt"
)

// TestRuns writes and reads, in requests of all lengths, a file whose slots lie in
// order, backwards and at random, and with one block damaged.
func TestRuns(t *testing.T) {
	const blocks = 3*maxRun + 1
	for name, order := range map[string]func(k int) int{
		"in order":  func(k int) int { return k },
		"backwards": func(k int) int { return blocks - 1 - k },
		"scattered": func(k int) int { return k * 5 % blocks },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpool(t, 64<<20)
			f := create(t, s)
			want := text(1, blocks*bs-7)
			write(t, f, []byte{0}, int64(len(want))-1) // the order of the slots is that of the writes
			for k := range blocks {
				at := order(k) * bs
				write(t, f, want[at:min(at+bs, len(want))], int64(at))
			}
			check(t, f.Sync(true))
			for _, step := range []int{bs - 1, bs, 2 * bs, maxRun*bs - 1, maxRun * bs, maxRun*bs + 1, blocks * bs} {
				same(t, readSteps(t, f, step), want)
			}
			for _, step := range []int{2 * bs, maxRun * bs, maxRun*bs + 5, blocks * bs} { // over what is there already
				again := text(uint64(step), len(want))
				for at := 0; at < len(again); at += step {
					write(t, f, again[at:min(at+step, len(again))], int64(at))
				}
				same(t, readSteps(t, f, maxRun*bs), again)
			}
		})
	}
}

// TestRunWithDamage: of a run that does not authenticate nothing is given, and the rest can be read.
func TestRunWithDamage(t *testing.T) {
	s := newSpool(t, 64<<20)
	f := create(t, s)
	want := text(1, 2*maxRun*bs)
	write(t, f, want, 0)
	for k := range maxRun {
		e, _ := f.table.get(int64(k))
		off := f.slotOffset(e.slot) + 100
		b := make([]byte, 1)
		err := f.data.readFull("", b, off)
		check(t, err)
		err = f.data.pwrite("", []byte{b[0] ^ 1}, off)
		check(t, err)
		p := make([]byte, maxRun*bs)
		if n, err := f.ReadAt(p, 0); !errors.Is(err, ErrCorrupt) || n != 0 {
			t.Errorf("block %d is damaged: %d bytes, %v", k, n, err)
		}
		for i, x := range p {
			if x != 0 {
				t.Fatalf("block %d is damaged: byte %d is given", k, i)
			}
		}
		same(t, readAt(t, f, maxRun*bs, maxRun*bs), want[maxRun*bs:])
		err = f.data.pwrite("", b, off)
		check(t, err)
	}
	same(t, readAt(t, f, 0, maxRun*crypt.BlockSize), want[:maxRun*bs])
}

func readSteps(t *testing.T, f *File, step int) (all []byte) {
	t.Helper()
	for at := int64(0); at < f.Size(); at += int64(step) {
		all = append(all, readAt(t, f, at, int(min(int64(step), f.Size()-at)))...)
	}
	return all
}

func readAt(t *testing.T, f *File, off int64, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if got, err := f.ReadAt(p, off); got != n || err != nil {
		t.Fatalf("%d bytes at %d: %d, %v", n, off, got, err)
	}
	return p
}
