package upload

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLayoutSizes(t *testing.T) {
	const mib = 1 << 20
	l := layout{first: 8 * mib}
	for _, c := range []struct {
		part int
		size int64
	}{{0, 8 * mib}, {999, 8 * mib}, {1000, 16 * mib}, {1999, 16 * mib}, {2000, 32 * mib}, {9999, 4096 * mib}} {
		if got := l.size(c.part); got != c.size {
			t.Errorf("size(%d) = %d, want %d", c.part, got, c.size)
		}
	}
	// 1000 · 8 MiB · (2^10 − 1)
	if got, want := l.limit(), int64(1000*8*mib*1023); got != want {
		t.Errorf("limit = %d, want %d", got, want)
	}
	if got := (layout{first: 16 * mib}).size(9999); got != maxPartSize {
		t.Errorf("the largest part has %d bytes, want %d", got, maxPartSize)
	}
	if maxPartSize+maxTail > 5<<30 || maxPartSize%partUnit != 0 {
		t.Errorf("a part of %d bytes and its tail must be whole blocks within 5 GiB", maxPartSize)
	}
}

func TestLayoutCount(t *testing.T) {
	l := layout{first: 32 << 10}
	for _, c := range []struct {
		size  int64
		count int
	}{{0, 1}, {1, 1}, {32<<10 - 1, 1}, {32 << 10, 1}, {32<<10 + 1, 2}, {64 << 10, 2}, {160 << 10, 5}, {160<<10 + 7, 6}} {
		if got := l.count(c.size); got != c.count {
			t.Errorf("count(%d) = %d, want %d", c.size, got, c.count)
		}
	}
}

// Parts lie end to end, and index is the inverse of offset.
func TestLayoutIsAPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := layout{first: rapid.Int64Range(minPartSize/16, maxPartSize/16).Draw(t, "first") * 16}
		i := rapid.IntRange(0, maxParts-1).Draw(t, "part")
		off, end := l.offset(i), l.end(i)
		if l.offset(i+1) != end {
			t.Fatalf("part %d ends at %d, the next begins at %d", i, end, l.offset(i+1))
		}
		at := rapid.Int64Range(off, end-1).Draw(t, "at")
		if got := l.index(at); got != i {
			t.Fatalf("index(%d) = %d, want %d (%d to %d)", at, got, i, off, end)
		}
		if off%partUnit != 0 {
			t.Fatalf("part %d begins at %d", i, off)
		}
		if got := l.count(at + 1); got != i+1 {
			t.Fatalf("count(%d) = %d, want %d", at+1, got, i+1)
		}
	})
	l := layout{first: minPartSize}
	if got := l.index(l.limit()); got != maxParts {
		t.Errorf("index of the limit = %d, want %d", got, maxParts)
	}
}
