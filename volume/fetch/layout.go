package fetch

import "mcfs/crypt"

const (
	blockSize = crypt.BlockSize
	aesBlock  = 16
	// bufSize holds any block's ciphertext: the last one has GCM's tag or CBC's
	// padding after it.
	bufSize = blockSize + aesBlock
	// maxObject is more bytes than any store holds in one object, and leaves room
	// to reckon with them.
	maxObject = 1 << 60
)

// layout is where the blocks of one object are. Block i is plaintext
// [i·blockSize, (i+1)·blockSize) and the ciphertext at the same offsets; the
// last one also has all that follows: padding or tag. An object whose
// plaintext is empty but which has a tail is one block of no plaintext.
type layout struct {
	mode          crypt.Mode
	plain, cipher int64
}

func (l layout) blocks() int64 {
	if l.plain == 0 {
		return min(l.cipher, 1)
	}
	return blocksIn(l.plain)
}

// plainLen is how many plaintext bytes block i has.
func (l layout) plainLen(i int64) int {
	return int(min(blockSize, l.plain-i*blockSize))
}

// cipherLen is how many object bytes belong to block i.
func (l layout) cipherLen(i int64) int {
	return int(l.cipherEnd(i+1) - i*blockSize)
}

// cipherEnd is where the object bytes of the blocks before i end.
func (l layout) cipherEnd(i int64) int64 {
	if i >= l.blocks() {
		return l.cipher
	}
	return i * blockSize
}

// fetchStart is where a GET for block i begins: CBC needs the AES block before.
func (l layout) fetchStart(i int64) int64 {
	if l.mode != crypt.CBC || i == 0 {
		return i * blockSize
	}
	return i*blockSize - aesBlock
}

// blocksIn is how many blocks n bytes take.
func blocksIn(n int64) int64 { return (n + blockSize - 1) / blockSize }
