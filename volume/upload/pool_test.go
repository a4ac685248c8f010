package upload

import (
	"testing"

	"pgregory.net/rapid"
)

func TestBufferSize(t *testing.T) {
	for _, c := range []struct{ n, want int64 }{
		{0, 64 << 10}, {1, 64 << 10}, {64 << 10, 64 << 10}, {64<<10 + 1, 80 << 10},
		{5 << 20, 5 << 20}, {5<<20 + 1, 6 << 20}, {8 << 20, 8 << 20}, {16 << 20, 16 << 20},
	} {
		if got := bufferSize(c.n); got != c.want+tailRoom {
			t.Errorf("bufferSize(%d) = %d, want %d", c.n, got, c.want+tailRoom)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, heldMax).Draw(t, "n")
		got := bufferSize(n)
		if got < n+maxTail {
			t.Fatalf("%d bytes do not fit a buffer of %d", n, got)
		}
		if n > smallest && got-tailRoom > n+n/4 {
			t.Fatalf("a buffer of %d for %d bytes", got, n)
		}
	})
}

// Whatever is lent in whatever order, lent and kept stay within the limit.
func TestPoolStaysWithinItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 4 << 20
		p := newPool(limit)
		var lent [][]byte
		var granted int64
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			size := bufferSize(rapid.Int64Range(0, 1<<20).Draw(t, "n"))
			if granted+size <= limit && rapid.Bool().Draw(t, "get") {
				b, err := p.get(size)
				if err != nil {
					t.Fatal(err)
				}
				if int64(len(b)) != size {
					t.Fatalf("got %d bytes, want %d", len(b), size)
				}
				b[0], b[size-1] = 1, 1
				lent, granted = append(lent, b), granted+size
			} else if len(lent) > 0 {
				k := rapid.IntRange(0, len(lent)-1).Draw(t, "which")
				granted -= int64(cap(lent[k]))
				p.put(lent[k][:1])
				lent = append(lent[:k:k], lent[k+1:]...)
			}
			if p.held() > limit {
				t.Fatalf("pool holds %d bytes, limit %d", p.held(), limit)
			}
		}
		for _, b := range lent {
			p.put(b)
		}
		p.trim()
		if p.held() != 0 {
			t.Fatalf("%d bytes left after all came back", p.held())
		}
	})
}
