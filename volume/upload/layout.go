package upload

const (
	// maxParts is how many parts S3 allows in one upload.
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
	maxParts = 10_000
	// tier is how many parts have one size before it doubles.
	tier = 1_000
	// maxPartSize is S3's 5 GiB for one part, less room for the tail (CBC's
	// padding, GCM's tag); rounded so that it stays whole spool blocks.
	maxPartSize = 5<<30 - 64<<10
	// minPartSize and partUnit bound what an Engine accepts; S3 itself wants 5 MiB.
	minPartSize = 16 << 10
	partUnit    = 16
	// maxTail is the most that a mode adds after the plaintext's length, in bytes.
	maxTail = 16
)

// layout cuts a file into parts: the first thousand have the size first (bytes,
// a multiple of 16), each further thousand twice the former, up to
// maxPartSize. A part's range of plaintext is its range of ciphertext, in all
// modes; the last part carries the tail besides. Parts count from 0 here; the
// store's numbers are one higher.
type layout struct{ first int64 }

// size is the length of part i, if the file goes on after it.
func (l layout) size(i int) int64 {
	n := min(l.first, maxPartSize)
	for range i / tier {
		n = min(2*n, maxPartSize)
	}
	return n
}

// offset is where part i begins; i up to maxParts.
func (l layout) offset(i int) int64 {
	var off int64
	for t := 0; t < i; t += tier {
		off += int64(min(tier, i-t)) * l.size(t)
	}
	return off
}

// end is where part i ends.
func (l layout) end(i int) int64 { return l.offset(i) + l.size(i) }

// limit is the longest file that fits, in bytes.
func (l layout) limit() int64 { return l.offset(maxParts) }

// index is the part that holds the byte at off; maxParts beyond the limit.
func (l layout) index(off int64) int {
	for t := 0; t < maxParts; t += tier {
		n := l.size(t)
		if off < tier*n {
			return t + int(off/n)
		}
		off -= tier * n
	}
	return maxParts
}

// count is how many parts a file of size bytes has; one if it is empty. The
// size is at most the limit.
func (l layout) count(size int64) int {
	if size == 0 {
		return 1
	}
	return l.index(size-1) + 1
}
