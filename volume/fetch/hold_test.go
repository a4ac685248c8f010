package fetch

import (
	"errors"
	"runtime"
	"testing"
)

// TestHeldReader: a Reader that its owner has closed still checks what it gave, without
// the cache, which is the owner's; the last Release closes it.
func TestHeldReader(t *testing.T) {
	for _, name := range []string{"CTR", "CBC", "GCM-streaming"} {
		for _, altered := range []bool{false, true} {
			o := newObject(t, kindNamed(t, name), 1<<20+77)
			cache := newCache(t, len(o.plain), 64<<20)
			r := o.reader(t, Config{}, cache)
			if r.Fetched() != 0 || r.Unchecked() {
				t.Error("something was fetched before the first read")
			}
			if _, err := r.NewStream().ReadAt(t.Context(), make([]byte, 10), 5*blockSize); err != nil {
				t.Fatal(err)
			}
			for at := int64(0); at <= 5*blockSize; at, _, _ = cache.Absent(5 * blockSize) {
				runtime.Gosched() // until the cache has the block, too
			}
			if r.Fetched() < 10 || !r.Unchecked() {
				t.Errorf("%d bytes fetched, unchecked %v", r.Fetched(), r.Unchecked())
			}
			for range 2 {
				if !r.Hold() {
					t.Fatal("an open Reader cannot be held")
				}
			}
			r.Close()
			if r.Hold() {
				t.Error("a closed Reader can be held")
			}
			if altered {
				o.put(t, o.at, flip("", func(int) int { return 7*blockSize + 3 }).do(o.cipher))
			}
			_, before, _ := cache.Absent(0)
			r.Release()
			if err := r.Verify(t.Context()); errors.Is(err, ErrTampered) != altered || !altered && err != nil {
				t.Errorf("%s, altered %v: Verify gave %v", name, altered, err)
			}
			if r.Unchecked() != altered {
				t.Errorf("%s, altered %v: unchecked %v", name, altered, r.Unchecked())
			}
			if _, now, _ := cache.Absent(0); now != before {
				t.Errorf("%s: the cache was filled after its owner had taken it back", name)
			}
			r.Release()
			if err := o.reader(t, Config{}, nil).Verify(t.Context()); errors.Is(err, ErrTampered) != altered {
				t.Errorf("%s, altered %v: another Reader gave %v", name, altered, err)
			}
			if _, err := r.NewStream().ReadAt(t.Context(), make([]byte, 1), 0); err == nil {
				t.Error("a Reader that nobody holds can be read")
			}
		}
	}
}
