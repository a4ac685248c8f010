package fetch

import (
	"fmt"
	"sync"
	"sync/atomic"

	"mcfs/crypt"
)

const (
	// chunkBlocks is how many blocks share one piece of the table.
	chunkBlocks = 4096
	// maxChunks bounds the table: it covers 64 GiB, which is all that GCM
	// allows, in 24 MiB of memory (40 MiB for CBC).
	maxChunks = 256
)

// ledger is what a Reader remembers of the ciphertext that it has fetched: the
// hash of each block, and the joined hash of the longest prefix without a gap.
// When the prefix is the whole object, it is checked. The hashes are secret
// (they would reveal the hash key) and never leave memory.
//
// Beyond 64 GiB it forgets hashes that are in the prefix, lowest first, and
// when there are none the whole accumulation, which begins anew with the next
// fetch of block 0: such an object is checked by a pass that goes
// straight on, and blocks fetched again may go unchecked.
type ledger struct {
	hasher *crypt.Hasher
	blocks int64
	limit  int                                                  // of chunks
	chain  bool                                                 // CBC: boundaries matter too
	verify func(whole crypt.Partial, tail [aesBlock]byte) error // of the complete hash

	mu     sync.Mutex
	chunks map[int64]*chunk
	next   int64         // blocks in prefix
	prefix crypt.Partial // hash of the blocks before next
	tail   [aesBlock]byte
	lost   bool // the accumulation was dropped
	judged bool // the prefix is the whole, and has been checked

	done atomic.Bool // some pass has been checked, with success
}

// chunk is chunkBlocks entries of the table (fewer in a small file).
type chunk struct {
	have  []bool
	sums  []crypt.Partial
	known []bool           // CBC: of bounds
	bound [][aesBlock]byte // CBC: the 16 bytes of ciphertext before each block
}

func newLedger(h *crypt.Hasher, l layout, verify func(crypt.Partial, [aesBlock]byte) error) *ledger {
	g := &ledger{
		hasher: h,
		blocks: l.blocks(),
		limit:  maxChunks,
		chain:  l.mode == crypt.CBC,
		verify: verify,
		chunks: make(map[int64]*chunk),
	}
	// An object of no bytes has nothing that could differ.
	g.done.Store(g.blocks == 0)
	return g
}

// add takes the hash of block i, and of the last block GCM's tag. It is
// ErrTampered if the block was another before, or if it completes the pass and
// the whole is not what was committed.
func (g *ledger) add(i int64, sum crypt.Partial, tail [aesBlock]byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i == 0 {
		g.restart()
	}
	c := g.chunk(i)
	if c == nil {
		return nil
	}
	at := i % chunkBlocks
	if c.have[at] {
		if c.sums[at] != sum {
			return fmt.Errorf("block %d differs from when it was fetched before: %w", i, ErrTampered)
		}
		return nil
	}
	c.have[at], c.sums[at] = true, sum
	if i == g.blocks-1 {
		g.tail = tail
	}
	return g.advance()
}

// advance joins what has become contiguous, and checks the whole once it is complete.
func (g *ledger) advance() error {
	for g.next < g.blocks {
		c := g.chunks[g.next/chunkBlocks]
		if c == nil || !c.have[g.next%chunkBlocks] {
			return nil
		}
		g.prefix = g.hasher.Join(g.prefix, c.sums[g.next%chunkBlocks])
		g.next++
	}
	if g.judged {
		return nil
	}
	if err := g.verify(g.prefix, g.tail); err != nil {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	g.judged = true
	g.done.Store(true)
	return nil
}

// link takes the 16 bytes of ciphertext before block i (CBC). They reach us
// twice where one GET ends and another begins; both must be the same, for
// only one of them is hashed while the other decrypts.
func (g *ledger) link(i int64, last [aesBlock]byte) error {
	if !g.chain || i == 0 || i >= g.blocks {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.chunk(i)
	if c == nil {
		return nil
	}
	at := i % chunkBlocks
	if c.known[at] && c.bound[at] != last {
		return fmt.Errorf("the ciphertext before block %d differs from when it was fetched before: %w", i, ErrTampered)
	}
	c.known[at], c.bound[at] = true, last
	return nil
}

// chunk is the piece of the table that has block i; nil if there is no room.
func (g *ledger) chunk(i int64) *chunk {
	if g.lost {
		return nil
	}
	k := i / chunkBlocks
	if c := g.chunks[k]; c != nil {
		return c
	}
	if len(g.chunks) >= g.limit && !g.forget() {
		g.clear()
		g.lost = true
		return nil
	}
	n := min(chunkBlocks, g.blocks-k*chunkBlocks)
	c := &chunk{have: make([]bool, n), sums: make([]crypt.Partial, n)}
	if g.chain {
		c.known, c.bound = make([]bool, n), make([][aesBlock]byte, n)
	}
	g.chunks[k] = c
	return c
}

// forget drops the lowest chunk that lies in the prefix.
func (g *ledger) forget() bool {
	lowest := g.next / chunkBlocks
	for k := range g.chunks {
		lowest = min(lowest, k)
	}
	if lowest >= g.next/chunkBlocks {
		return false
	}
	delete(g.chunks, lowest)
	return true
}

// restart begins a new pass with block 0 where the last one cannot be used any more.
func (g *ledger) restart() {
	whole := g.blocks <= int64(g.limit)*chunkBlocks
	if whole || !g.lost && g.next < g.blocks {
		return
	}
	g.clear()
}

// begin makes ready for a deliberate pass.
func (g *ledger) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost = false
}

func (g *ledger) clear() {
	clear(g.chunks)
	g.lost, g.judged, g.next, g.prefix = false, false, 0, crypt.Partial{}
}

// missing is the first run of at most n blocks, at or after from, that the
// table lacks; ok is false if there is none.
func (g *ledger) missing(from, n int64) (first, end int64, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first = max(from, g.next)
	for first < g.blocks && g.has(first) {
		first++
	}
	end = first
	for end < min(g.blocks, first+n) && !g.has(end) {
		end++
	}
	return first, end, end > first
}

func (g *ledger) has(i int64) bool {
	c := g.chunks[i/chunkBlocks]
	return i < g.next || c != nil && c.have[i%chunkBlocks]
}

// wipe forgets everything.
func (g *ledger) wipe() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clear()
	g.lost = true
}
