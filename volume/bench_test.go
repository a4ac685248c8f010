package volume

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"mcfs/crypt"
)

// benchRig is a rig that says nothing and has room for what is measured.
func benchRig(b *testing.B, change func(*Options)) *rig {
	r := newRig(b, crypt.CTR)
	r.close()
	r.o.Log = slog.New(slog.DiscardHandler)
	r.o.PartSize = 16 << 20
	r.max = 4 << 30
	if change != nil {
		change(&r.o)
	}
	r.open("spool-bench")
	return r
}

// BenchmarkSave is what cp of one small file costs volume, spool and journal,
// over a store that is a folder: 64 KiB, from create to the answer of close.
func BenchmarkSave(b *testing.B) {
	for _, spooled := range []bool{false, true} {
		b.Run(map[bool]string{false: "upload", true: "spool"}[spooled], func(b *testing.B) {
			r := benchRig(b, func(o *Options) { o.SpoolDurable = spooled })
			content := random(64 << 10)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				h := r.create(fmt.Sprintf("f%d", n), os.O_TRUNC)
				r.write(h, content, 0)
				r.finish(h)
				n++
			}
			b.StopTimer()
			r.sync()
		})
	}
}

// BenchmarkWrite writes as the kernel does, 128 KiB at a time, and commits.
func BenchmarkWrite(b *testing.B) {
	r := benchRig(b, nil)
	content := random(128 << 10)
	const size = 256 << 20
	b.SetBytes(size)
	for b.Loop() {
		h := r.create("large", os.O_TRUNC)
		for off := int64(0); off < size; off += int64(len(content)) {
			r.write(h, content, off)
		}
		r.finish(h)
	}
}

// BenchmarkRead reads as the kernel does what was committed: from the store, and
// from what the spool kept of it.
func BenchmarkRead(b *testing.B) {
	const size = 256 << 20
	for _, cached := range []bool{false, true} {
		b.Run(map[bool]string{false: "cold", true: "cached"}[cached], func(b *testing.B) {
			r := benchRig(b, nil)
			r.save("large", random(size))
			buf := make([]byte, 128<<10)
			b.SetBytes(size)
			for b.Loop() {
				if !cached {
					b.StopTimer()
					r.cold()
					b.StartTimer()
				}
				h := r.openFile("large", os.O_RDONLY)
				for off := int64(0); off < size; off += int64(len(buf)) {
					if _, err := h.ReadAt(b.Context(), buf, off); err != nil && err != io.EOF {
						b.Fatal(err)
					}
				}
				h.Release()
			}
		})
	}
}

// BenchmarkDescribe lists a directory of 1,000 files that nobody knows yet, and
// asks for the attributes of each, as ls -l does.
func BenchmarkDescribe(b *testing.B) {
	r := benchRig(b, func(o *Options) { o.SpoolDurable = true })
	for i := range 1000 {
		r.put(fmt.Sprintf("f%d", i), []byte("x"))
	}
	r.sync()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		r.cold()
		b.StartTimer()
		if _, err := r.v.Root().ReadDir(b.Context()); err != nil {
			b.Fatal(err)
		}
		for i := range 1000 {
			if _, err := r.node(fmt.Sprintf("f%d", i)).Attr(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}
