package fetch

import (
	"errors"
	"math/rand/v2"
	"testing"

	"mcfs/crypt"
)

// ledgerOf is a ledger of blocks of 16 bytes each, block i hashing to sums(i), and
// counts how often the whole was verified.
func ledgerOf(t testing.TB, mode crypt.Mode, blocks int64) (g *ledger, sum func(int64) crypt.Partial, verified *int) {
	t.Helper()
	keys, err := crypt.NewIntegrity(crypt.CTR, make([]byte, 32), make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	h := keys.Hasher()
	verified = new(int)
	g = newLedger(h, layout{mode: mode, plain: blocks * blockSize, cipher: blocks * blockSize}, func(whole crypt.Partial, _ [aesBlock]byte) error {
		*verified++
		if whole.Len() != blocks*aesBlock {
			return errors.New("another length")
		}
		return nil
	})
	return g, func(i int64) crypt.Partial {
		return h.Sum([]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24), 15: 1})
	}, verified
}

func TestLedgerInAnyOrder(t *testing.T) {
	const blocks = 3*chunkBlocks + 17
	g, sum, verified := ledgerOf(t, crypt.CTR, blocks)
	order := rand.Perm(blocks)
	for n, i := range order {
		if g.done.Load() {
			t.Fatalf("done after %d of %d", n, blocks)
		}
		if first, _, ok := g.missing(0, 1); !ok || g.has(first) {
			t.Fatalf("missing gives %d, %v", first, ok)
		}
		if err := g.add(int64(i), sum(int64(i)), [aesBlock]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	if !g.done.Load() || *verified != 1 {
		t.Fatalf("done %v, verified %d times", g.done.Load(), *verified)
	}
	// The joined hash is that of the whole, not only as long as it.
	var want crypt.Partial
	for i := range int64(blocks) {
		want = g.hasher.Join(want, sum(i))
	}
	if g.prefix != want {
		t.Error("the hash of the whole depends on the order")
	}
	if err := g.add(5, sum(5), [aesBlock]byte{}); err != nil {
		t.Errorf("the same block again: %v", err)
	}
	if err := g.add(5, sum(6), [aesBlock]byte{}); !errors.Is(err, ErrTampered) {
		t.Errorf("another block: %v", err)
	}
	if _, _, ok := g.missing(0, 10); ok {
		t.Error("something is missing all the same")
	}
}

func TestLedgerLinks(t *testing.T) {
	g, _, _ := ledgerOf(t, crypt.CBC, 10)
	a, b := [aesBlock]byte{1}, [aesBlock]byte{2}
	for _, err := range []error{g.link(3, a), g.link(3, a), g.link(0, a), g.link(0, b), g.link(10, a), g.link(10, b)} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := g.link(3, b); !errors.Is(err, ErrTampered) {
		t.Errorf("another boundary: %v", err)
	}
	g, _, _ = ledgerOf(t, crypt.CTR, 10)
	if err := errors.Join(g.link(3, a), g.link(3, b)); err != nil {
		t.Errorf("CTR has no chain: %v", err)
	}
}

// TestLedgerBeyondItsTable covers what happens above 64 GiB, with a smaller table.
func TestLedgerBeyondItsTable(t *testing.T) {
	const limit = 3
	const blocks = (limit + 2) * chunkBlocks
	g, sum, verified := ledgerOf(t, crypt.CTR, blocks)
	g.limit = limit
	pass := func() {
		for i := range int64(blocks) {
			if err := g.add(i, sum(i), [aesBlock]byte{}); err != nil {
				t.Fatal(err)
			}
		}
		if len(g.chunks) > limit {
			t.Fatalf("%d chunks", len(g.chunks))
		}
	}
	pass()
	if !g.done.Load() || *verified != 1 {
		t.Fatalf("done %v, verified %d times", g.done.Load(), *verified)
	}
	if err := g.add(blocks-1, sum(1), [aesBlock]byte{}); !errors.Is(err, ErrTampered) {
		t.Errorf("a changed block that the table still has: %v", err)
	}
	pass() // a second one is checked again
	if *verified != 2 {
		t.Errorf("verified %d times", *verified)
	}

	// One block of each chunk but the first, backwards: more than the table holds.
	g, sum, verified = ledgerOf(t, crypt.CTR, blocks)
	g.limit = limit
	for k := int64(limit + 1); k > 0; k-- {
		if err := g.add(k*chunkBlocks, sum(k*chunkBlocks), [aesBlock]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	if !g.lost || len(g.chunks) != 0 {
		t.Fatalf("lost %v, %d chunks", g.lost, len(g.chunks))
	}
	pass()
	if *verified != 1 {
		t.Errorf("verified %d times", *verified)
	}
}

func TestLedgerOfNothing(t *testing.T) {
	g, _, verified := ledgerOf(t, crypt.CTR, 0)
	if !g.done.Load() || *verified != 0 {
		t.Error("an object of no bytes waits for a check")
	}
}

// TestLayout holds the arithmetic of blocks against that of crypt.
func TestLayout(t *testing.T) {
	for _, mode := range []crypt.Mode{0, crypt.CTR, crypt.CBC, crypt.GCM} {
		for _, size := range sizes {
			l := layout{mode, int64(size), int64(size)}
			if mode != 0 {
				l.cipher = mode.CipherSize(int64(size))
			}
			var plain, cipher int64
			for i := range l.blocks() {
				plain += int64(l.plainLen(i))
				cipher += int64(l.cipherLen(i))
				if l.cipherLen(i) > bufSize || l.cipherEnd(i+1) != cipher {
					t.Errorf("%v of %d: block %d has %d bytes, ends at %d", mode, size, i, l.cipherLen(i), l.cipherEnd(i+1))
				}
				if mode == 0 || l.plainLen(i) == 0 {
					continue
				}
				off, n := mode.Span(i*blockSize, blockSize, l.plain)
				if off != l.fetchStart(i) || off+n > l.cipherEnd(i+1) {
					t.Errorf("%v of %d: block %d is fetched from %d, crypt says %d+%d", mode, size, i, l.fetchStart(i), off, n)
				}
			}
			if plain != l.plain || cipher != l.cipher {
				t.Errorf("%v of %d: blocks have %d and %d of %d bytes", mode, size, plain, cipher, l.cipher)
			}
		}
	}
}
