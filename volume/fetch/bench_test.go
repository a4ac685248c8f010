package fetch

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

const benchSize = 64 << 20

// BenchmarkSequential reads 64 MiB from a directory store in the kernel's steps.
func BenchmarkSequential(b *testing.B) {
	for _, name := range []string{"foreign", "CTR", "CBC", "GCM", "GCM-streaming"} {
		for _, cached := range []string{"no cache", "filling", "cached"} {
			b.Run(fmt.Sprintf("%s/%s", name, cached), func(b *testing.B) {
				o := newObject(b, kindNamed(b, name), benchSize)
				b.SetBytes(benchSize)
				for b.Loop() {
					b.StopTimer()
					var cache Cache
					if cached != "no cache" {
						cache = newCache(b, benchSize, 4*benchSize)
					}
					r := o.reader(b, Config{}, cache)
					if cached == "cached" {
						drain(b, r)
						r.MarkVerified()
					}
					b.StartTimer()
					drain(b, r)
					b.StopTimer()
					r.e.Close()
					r.Close()
					b.StartTimer()
				}
			})
		}
	}
}

func drain(b *testing.B, r *Reader) {
	s := r.NewStream()
	defer s.Close()
	p := make([]byte, 128<<10)
	for off := int64(0); ; {
		n, err := s.ReadAt(b.Context(), p, off)
		off += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRandom reads 4 KiB at random places, nothing cached.
func BenchmarkRandom(b *testing.B) {
	for _, name := range []string{"CTR", "CBC", "GCM-streaming"} {
		b.Run(name, func(b *testing.B) {
			o := newObject(b, kindNamed(b, name), benchSize)
			s := o.reader(b, Config{Memory: 1}, nil).NewStream()
			p := make([]byte, 4096)
			b.SetBytes(4096)
			for b.Loop() {
				if _, err := s.ReadAt(b.Context(), p, rand.Int64N(benchSize/4096)*4096); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
