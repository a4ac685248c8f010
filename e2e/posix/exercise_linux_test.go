package posix

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/e2e/rig"
)

const (
	exercisePart  = 64 * kib
	exerciseSpool = 32 * mib // has room for the file and what is kept of it, and drops what it can
	exerciseSize  = mib      // the longest that the file gets
	page          = 4096     // what O_DIRECT wants offsets and lengths to be a multiple of
)

// exercise is a file that is called upon at random, and what it must hold.
type exercise struct {
	path   string
	fd     int // for reading and writing, through the page cache
	direct int // with O_DIRECT
	source int // of another file
	other  []byte
	want   []byte

	r    *rand.Rand
	buf  []byte // aligned
	past []string
}

// exercises are the calls, each as often as it weighs. Each tells what it does before it does it.
var exercises = []struct {
	weight int
	do     func(*exercise) error
}{
	{14, (*exercise).write}, {14, (*exercise).readBack}, {5, (*exercise).appends}, {4, (*exercise).writeVector},
	{6, (*exercise).truncate}, {2, (*exercise).truncateByName}, {8, (*exercise).writeMap}, {6, (*exercise).readMap},
	{6, (*exercise).allocate}, {6, (*exercise).copyWithin}, {4, (*exercise).copyOther}, {5, (*exercise).holes},
	{4, (*exercise).writeDirect}, {4, (*exercise).readDirect}, {2, (*exercise).sync}, {2, (*exercise).forget},
	{3, (*exercise).reopen}, {1, (*exercise).empty}, {1, (*exercise).rename}, {1, (*exercise).all},
}

var exerciseDeck = func() (deck []int) {
	for i, e := range exercises {
		deck = append(deck, slices.Repeat([]int{i}, e.weight)...)
	}
	return deck
}()

// TestExercise calls upon one file at random in each mode, MCFS_EXERCISE times in all, and
// compares each byte that it reads with what memory has; at the end it looks at what the
// store has, and a mount that knows nothing. MCFS_SEED repeats a run.
func TestExercise(t *testing.T) {
	count, err := strconv.Atoi(cmp.Or(os.Getenv("MCFS_EXERCISE"), "1500"))
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("MCFS_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) { exerciseIn(t, mode, seed, count/len(modes)) })
	}
}

func exerciseIn(t *testing.T, mode string, seed uint64, count int) {
	s := inMode(mode)
	s["mount.fresh"] = `"100ms"`
	r := rig.NewSmall(t, s, exercisePart, exerciseSpool)
	b := &bench{Mount: r.Mount("a"), r: r, t: t, plain: t.TempDir()}
	x := newExercise(t, b, seed)
	for done := 0; done < count; done += 100 {
		b.Within(traceLimit, "random calls", func() error {
			err := x.some(min(100, count-done))
			if err != nil {
				err = fmt.Errorf("%w\nMCFS_SEED=%d, after %d calls and\n%s", err, seed, done, strings.Join(x.past[max(0, len(x.past)-40):], "\n"))
			}
			return err
		})
	}
	b.Within(traceLimit, "the last close", x.end)
	r.Settle(settleLimit, []string{x.name(), "other"})
	b.quiet()
	sum := sha256.Sum256(x.want)
	if got := r.Proof()[x.name()]; got != hex.EncodeToString(sum[:]) {
		t.Errorf("MCFS_SEED=%d: the store has other content, as %.12s", seed, got)
	}
	b.Unmount()
	cold := r.Mount("cold")
	if got := read(t, cold.Path(x.name())); !bytes.Equal(got, x.want) {
		t.Errorf("MCFS_SEED=%d: a mount that knows nothing shows %d bytes, not %d, or others", seed, len(got), len(x.want))
	}
	cold.Unmount()
	t.Logf("%d calls, seed %d", count, seed)
}

func newExercise(t *testing.T, b *bench, seed uint64) *exercise {
	t.Helper()
	x := &exercise{path: b.Path("a"), r: rand.New(rand.NewPCG(seed, 1)), other: noise(7, exerciseSize/2), fd: -1, direct: -1}
	var err error
	if x.buf, err = unix.Mmap(-1, 0, exerciseSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.Path("other"), x.other, 0o644); err != nil {
		t.Fatal(err)
	}
	if x.source, err = unix.Open(b.Path("other"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	if err := x.open(unix.O_CREAT); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *exercise) name() string { return x.path[len(x.path)-1:] }

// some makes so many calls.
func (x *exercise) some(n int) error {
	for range n {
		if err := exercises[exerciseDeck[x.r.IntN(len(exerciseDeck))]].do(x); err != nil {
			return fmt.Errorf("%s: %w", x.past[len(x.past)-1], err)
		}
	}
	return nil
}

// tell notes what is about to be done.
func (x *exercise) tell(format string, args ...any) {
	if len(x.past) > 1000 {
		x.past = slices.Clone(x.past[500:])
	}
	x.past = append(x.past, fmt.Sprintf(format, args...))
}

func (x *exercise) open(flags int) (err error) {
	if x.fd, err = unix.Open(x.path, unix.O_RDWR|unix.O_CLOEXEC|flags, 0o644); err != nil {
		return err
	}
	x.direct, err = unix.Open(x.path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_DIRECT, 0)
	return err
}

func (x *exercise) close() error {
	if err := unix.Close(x.direct); err != nil {
		return err
	}
	err := unix.Close(x.fd)
	x.fd, x.direct = -1, -1
	return err
}

// end closes the other file, too.
func (x *exercise) end() error { return errors.Join(x.close(), unix.Close(x.source)) }

// size is that of the file as it must be.
func (x *exercise) size() int { return len(x.want) }

// at is an offset up to most, often at the edge of a block or page, or at the file's end.
func (x *exercise) at(most int) int {
	if most <= 0 {
		return 0
	}
	off := x.r.IntN(most + 1)
	switch x.r.IntN(4) {
	case 0:
		off = off/(32*kib)*(32*kib) + x.r.IntN(3) - 1
	case 1:
		off = off / page * page
	case 2:
		off = x.size() + x.r.IntN(3) - 1
	}
	return max(0, min(off, most))
}

// length is one of what may follow an offset, small ones and large.
func (x *exercise) length(most int) int {
	if most <= 0 {
		return 0
	}
	return x.r.IntN(min(most, []int{16, page, 40 * kib, 200 * kib}[x.r.IntN(4)])) + 1
}

// bytes is random content.
func (x *exercise) bytes(n int) []byte {
	p := make([]byte, n)
	var key [32]byte
	key[0], key[1], key[2] = byte(x.r.Uint32()), byte(x.r.Uint32()), byte(x.r.Uint32())
	_, _ = rand.NewChaCha8(key).Read(p)
	return p
}

// put has the file hold p at off.
func (x *exercise) put(off int, p []byte) {
	if n := off + len(p); n > len(x.want) {
		x.resize(n)
	}
	copy(x.want[off:], p)
}

func (x *exercise) resize(n int) {
	if n <= len(x.want) {
		x.want = x.want[:n]
		return
	}
	x.want = append(x.want, make([]byte, n-len(x.want))...)
}

// is compares what was read at off.
func (x *exercise) is(off int, got []byte) error {
	want := x.want[min(off, x.size()):min(off+len(got), x.size())]
	if bytes.Equal(got, want) {
		return nil
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("the byte at %d is %#x, not %#x (size %d)", off+i, got[i], want[i], x.size())
		}
	}
	return fmt.Errorf("%d bytes at %d, not %d (size %d)", len(got), off, len(want), x.size())
}
