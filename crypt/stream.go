package crypt

import (
	"fmt"
	"io"
)

// streamChunk is how many bytes the stream forms hold at a time: whole blocks,
// few enough to stay in a core's cache between encrypting and hashing.
const streamChunk = 128 << 10

// EncryptStream writes the object that src makes under key and iv to dst, in
// constant memory, and returns the plaintext's length and the value of mcfs-mac.
// Errors are those of src and dst, and ErrTooLong; what dst then holds is
// worth nothing.
func EncryptStream(dst io.Writer, src io.Reader, m Mode, key, iv []byte) (plain int64, mac string, err error) {
	p, err := newPass(dst, m, key, iv)
	if err != nil {
		return 0, "", fmt.Errorf("encrypt: %w", err)
	}
	defer p.wipe()
	if plain, err = p.encrypt(src); err != nil {
		return plain, "", fmt.Errorf("encrypt at %d: %w", plain, err)
	}
	return plain, p.integrity.MAC(p.body.Partial(), plain), nil
}

// DecryptStream reads an object of exactly cipherSize bytes from src and
// writes its plaintext to dst, in constant memory. It returns the plaintext's
// length and the mcfs-mac that the object should have: compare it with the one
// that is stored (SameMAC), for only that finds tampering in CTR and CBC.
//
// In GCM it writes plaintext before the tag, which comes last, is checked:
// ErrTampered at the end means that nothing dst has been given may be used.
// ErrTampered too when padding is wrong or src goes on after cipherSize;
// io.ErrUnexpectedEOF when src ends early.
func DecryptStream(dst io.Writer, src io.Reader, m Mode, key, iv []byte, cipherSize int64) (plain int64, mac string, err error) {
	p, err := newPass(dst, m, key, iv)
	if err != nil {
		return 0, "", fmt.Errorf("decrypt: %w", err)
	}
	defer p.wipe()
	if plain, err = p.decrypt(src, cipherSize); err != nil {
		return plain, "", fmt.Errorf("decrypt at %d: %w", plain, err)
	}
	return plain, p.integrity.MAC(p.body.Partial(), plain), nil
}

// pass is one way through a file, in order.
type pass struct {
	dst       io.Writer
	cipher    *Cipher
	integrity *Integrity
	body      *Run // the whole object, for mcfs-mac
	text      *Run // the ciphertext without its tag; GCM only
	chain     [blockLen]byte
	limit     int64 // plaintext bytes that may be encrypted
	buf       []byte
}

func newPass(dst io.Writer, m Mode, key, iv []byte) (*pass, error) {
	c, err := NewCipher(m, key, iv)
	if err != nil {
		return nil, err
	}
	g, err := NewIntegrity(m, key, iv)
	if err != nil {
		return nil, err
	}
	p := &pass{dst: dst, cipher: c, integrity: g, body: g.Hasher().NewRun()}
	p.chain, p.limit = c.start, m.MaxPlain()
	if m == GCM {
		p.text = c.Hasher().NewRun()
	}
	p.buf = make([]byte, streamChunk, streamChunk+blockLen) // room for the padding
	return p, nil
}

func (p *pass) wipe() {
	clear(p.buf[:cap(p.buf)])
	p.cipher.Wipe()
	p.integrity.Wipe()
}

func (p *pass) encrypt(src io.Reader) (plain int64, err error) {
	for last := false; !last; {
		n, err := io.ReadFull(src, p.buf)
		last = err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return plain, err
		}
		if int64(n) > p.limit-plain {
			return plain, ErrTooLong
		}
		if err := p.emit(p.encryptChunk(p.buf[:n], plain, last)); err != nil {
			return plain, err
		}
		plain += int64(n)
	}
	if p.text == nil {
		return plain, nil
	}
	tag := p.cipher.Tag(p.text.Partial())
	p.body.Write(tag[:])
	return plain, write(p.dst, tag[:])
}

// encryptChunk works in place. Only the last chunk may end within a block.
func (p *pass) encryptChunk(chunk []byte, off int64, last bool) []byte {
	if p.cipher.mode != CBC {
		p.cipher.XORAt(chunk, chunk, off)
		return chunk
	}
	if last {
		chunk = Pad(chunk)
	}
	p.cipher.EncryptCBC(chunk, chunk, &p.chain)
	return chunk
}

// emit hashes and writes ciphertext.
func (p *pass) emit(chunk []byte) error {
	p.hash(chunk)
	return write(p.dst, chunk)
}

func (p *pass) hash(chunk []byte) {
	p.body.Write(chunk)
	if p.text != nil {
		p.text.Write(chunk)
	}
}

func (p *pass) decrypt(src io.Reader, size int64) (plain int64, err error) {
	m := p.cipher.mode
	if _, _, err := m.PlainSize(size); err != nil {
		return 0, err
	}
	text := size
	if m == GCM {
		text -= tagLen
	}
	for done := int64(0); done < text; {
		chunk := p.buf[:min(streamChunk, text-done)]
		if err := readFull(src, chunk); err != nil {
			return plain, err
		}
		p.hash(chunk)
		off := done
		done += int64(len(chunk))
		if chunk, err = p.decryptChunk(chunk, off, done == text); err != nil {
			return plain, err
		}
		if err := write(p.dst, chunk); err != nil {
			return plain, err
		}
		plain += int64(len(chunk))
	}
	return plain, p.finish(src)
}

// decryptChunk works in place, and takes the padding off the last chunk.
func (p *pass) decryptChunk(chunk []byte, off int64, last bool) ([]byte, error) {
	if p.cipher.mode != CBC {
		p.cipher.XORAt(chunk, chunk, off)
		return chunk, nil
	}
	prev := p.chain
	tail := len(chunk) - blockLen
	copy(p.chain[:], chunk[tail:])
	p.cipher.DecryptCBC(chunk, chunk, prev[:])
	if !last {
		return chunk, nil
	}
	kept, err := Unpad(chunk[tail:])
	return chunk[:tail+kept], err
}

// finish checks the tag, and that src ends where it should.
func (p *pass) finish(src io.Reader) error {
	if p.text != nil {
		tag := p.buf[:tagLen]
		if err := readFull(src, tag); err != nil {
			return err
		}
		p.body.Write(tag)
		if err := p.cipher.VerifyTag(p.text.Partial(), tag); err != nil {
			return err
		}
	}
	switch _, err := io.ReadFull(src, p.buf[:1]); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("ciphertext goes on after its end: %w", ErrTampered)
	default:
		return err
	}
}

// readFull is io.ReadFull for bytes that must be there.
func readFull(src io.Reader, b []byte) error {
	_, err := io.ReadFull(src, b)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func write(dst io.Writer, b []byte) error {
	n, err := dst.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
