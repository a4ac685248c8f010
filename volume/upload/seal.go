package upload

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"

	"mcfs/crypt"
)

// chunkSize is how many bytes of a part are read, encrypted and hashed before
// the next: few enough that they stay in a core's cache on the way.
const chunkSize = 256 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sums is what a part's ciphertext comes to. All of it but end, size and crc
// is as secret as a crypt.Partial. Two sums are equal only if the bytes are.
type sums struct {
	ghash crypt.Partial // GCM: of the ciphertext without the tag
	mac   crypt.Partial // of all bytes sent, under the integrity subkey
	crc   uint32        // CRC-32C of all bytes sent
	size  int64         // all bytes sent
	end   [16]byte      // CBC: the last block, from which the next part chains
}

// localError is one of the machine's own (the draft could not be read): trying
// the network again does not help.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// work makes the ciphertext of one part. It can do so any number of times,
// with the same result each time.
type work struct {
	cipher    *crypt.Cipher
	integrity *crypt.Integrity
	cpu       chan struct{} // a place in it is a core in use
	view      View
	off, n    int64         // the range of plaintext
	start     [16]byte      // CBC: the block before
	last      bool          // the tail goes with this part
	before    crypt.Partial // GCM, last: of all the parts before
	made      *made         // what was made before, in CBC the plaintext; nil: nothing

	tag [16]byte // GCM, last: set by pass
}

// make is pass, unless the part has been made already, in buf.
func (w *work) make(ctx context.Context, buf []byte, whole bool) (sums, error) {
	if w.made != nil && w.cipher.Mode() != crypt.CBC {
		return w.made.sums, nil
	}
	return w.pass(ctx, buf, whole)
}

// pass goes over the part once, in order. If whole, buf is left holding the
// ciphertext, sums.size bytes from its start; else buf need only hold one
// chunk and a tail, and the ciphertext is only summed. An error is the view's
// (a localError) or the context's.
func (w *work) pass(ctx context.Context, buf []byte, whole bool) (sums, error) {
	var s sums
	chain := w.start
	for at := int64(0); ; at += chunkSize {
		dst := buf
		if whole {
			dst = buf[at:]
		}
		if err := w.step(ctx, dst, at, &chain, &s); err != nil {
			return sums{}, err
		}
		if w.final(at) {
			s.end = chain
			return s, nil
		}
	}
}

// final says whether the chunk at offset at of the part is its last.
func (w *work) final(at int64) bool { return at+chunkSize >= w.n }

// step makes and sums one chunk.
func (w *work) step(ctx context.Context, dst []byte, at int64, chain *[16]byte, s *sums) error {
	if err := w.takeCore(ctx); err != nil {
		return err
	}
	defer w.giveCore()
	text, err := w.encrypt(dst, at, chain)
	if err != nil {
		return err
	}
	if h := w.cipher.Hasher(); h != nil {
		s.ghash = h.Join(s.ghash, h.Sum(text))
		if w.last && w.final(at) {
			w.tag = w.cipher.Tag(h.Join(w.before, s.ghash))
			text = append(text, w.tag[:]...)
		}
	}
	h := w.integrity.Hasher()
	s.mac = h.Join(s.mac, h.Sum(text))
	s.crc = crc32.Update(s.crc, castagnoli, text)
	s.size += int64(len(text))
	return nil
}

// again makes the chunk at at once more, after a pass, tail included.
func (w *work) again(ctx context.Context, dst []byte, at int64, chain *[16]byte) ([]byte, error) {
	if err := w.takeCore(ctx); err != nil {
		return nil, err
	}
	defer w.giveCore()
	text, err := w.encrypt(dst, at, chain)
	if err == nil && w.last && w.final(at) && w.cipher.Mode() == crypt.GCM {
		text = append(text, w.tag[:]...)
	}
	return text, err
}

// encrypt reads the chunk at offset at of the part into dst, unless it is there
// already, and encrypts it there. CBC's padding is appended, GCM's tag is not; dst has
// room for it.
func (w *work) encrypt(dst []byte, at int64, chain *[16]byte) ([]byte, error) {
	text := dst[:min(chunkSize, w.n-at)]
	if w.made == nil {
		if err := readFull(w.view, text, w.off+at); err != nil {
			clear(text)
			return nil, &localError{err}
		}
	}
	if w.cipher.Mode() != crypt.CBC {
		w.cipher.XORAt(text, text, w.off+at)
		return text, nil
	}
	if w.last && w.final(at) {
		text = crypt.Pad(text)
	}
	w.cipher.EncryptCBC(text, text, chain)
	return text, nil
}

func (w *work) takeCore(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	select {
	case w.cpu <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *work) giveCore() { <-w.cpu }

// readFull fills p. As with every io.ReaderAt, io.EOF beside all bytes is no error.
func readFull(v View, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := v.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = ErrShort
	}
	return fmt.Errorf("read draft at %d+%d: %w", off, len(p), err)
}
