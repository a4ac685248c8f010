package sink

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	buffers    = sync.Pool{New: func() any { return new([256 << 10]byte) }}
)

// checksumHeader is the CRC-32C's, in requests and in answers.
const checksumHeader = "X-Amz-Checksum-Crc32c"

// swallow reads a body, no faster than the rate, and returns its beginning. If
// not ok there is nothing more to say to the client: it has gone, or was refused.
func (s *Server) swallow(w http.ResponseWriter, r *http.Request) (head []byte, size int64, ok bool) {
	array := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(array)
	buf, sum := array[:], uint32(0)
	for {
		n, err := r.Body.Read(buf)
		if s.o.Verify {
			sum = crc32.Update(sum, castagnoli, buf[:n])
		}
		if size < keeps {
			head = append(head, buf[:n]...)
		}
		size += int64(n)
		if err == io.EOF {
			return head, size, s.confirm(w, r, sum)
		}
		if err == nil {
			err = s.limit.wait(r.Context(), n)
		}
		if err != nil {
			return nil, 0, false
		}
	}
}

// confirm repeats a checksum, which the client compares with its own; true if it is right.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request, sum uint32) bool {
	claimed := r.Header.Get(checksumHeader)
	if s.o.Verify {
		if want := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum)); claimed != want {
			s.fault("%s %s: the CRC-32C is %q, not %q", r.Method, r.URL, want, claimed)
			refuse(w, http.StatusBadRequest, "BadDigest")
			return false
		}
	}
	if claimed != "" {
		w.Header().Set(checksumHeader, claimed)
	}
	return true
}
