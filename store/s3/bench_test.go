package s3_test

import (
	"fmt"
	"strconv"
	"testing"

	"mcfs/store"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// BenchmarkHead asks what ls asks of each file.
func BenchmarkHead(b *testing.B) {
	s := s3test.Start(b).Open(b, "p/")
	if _, err := s.Put(b.Context(), "k", storetest.BodyOf(nil), store.Attributes{Metadata: map[string]string{"mcfs-v": "1"}}, store.Condition{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Head(b.Context(), "k"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPut sends a sidecar's worth, a small file's, and a part's, to a real server on loopback.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{500, 64 << 10, 8 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			s := s3test.Start(b).Open(b, "p/")
			content := storetest.Random(size, 1)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Put(b.Context(), "k", storetest.BodyOf(content), store.Attributes{}, store.Condition{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkList looks up one name among many.
func BenchmarkList(b *testing.B) {
	s := s3test.Start(b).Open(b, "p/")
	for i := range 100 {
		if _, err := s.Put(b.Context(), fmt.Sprintf("d/f%03d", i), storetest.BodyOf(nil), store.Attributes{}, store.Condition{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if page, err := s.List(b.Context(), "d/f050", "/", "", 0); err != nil || len(page.Objects) != 1 {
			b.Fatal(page, err)
		}
	}
}
