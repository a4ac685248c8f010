package crypt

// Mode is one of the three AES modes that MediaConvert reads.
type Mode uint8

const (
	CTR Mode = iota + 1
	CBC
	GCM
)

// ParseMode accepts "CTR", "CBC", "GCM" (configuration, mcfs-mode) and
// "AES_CTR", ... (settings documents).
func ParseMode(s string) (Mode, error) { panic("draft") }

// String is "CTR", "CBC" or "GCM".
func (m Mode) String() string { panic("draft") }

// CheckIV says whether an IV of n bytes suits the mode: 16 always, 12 for CTR and GCM.
func (m Mode) CheckIV(n int) error { panic("draft") }

// DefaultIVSize is 16 for CTR and CBC, 12 for GCM.
func (m Mode) DefaultIVSize() int { panic("draft") }

// NewIV makes a fresh IV of the form that section 4 of the design fixes.
func NewIV(m Mode, size int) ([]byte, error) { panic("draft") }

// MaxPlain is the longest plaintext in bytes (2^36-32 for GCM, MaxInt64 - 16 otherwise).
func (m Mode) MaxPlain() int64 { panic("draft") }

// CipherSize is the ciphertext's length for plain bytes: plain, padded, or plain+16.
func (m Mode) CipherSize(plain int64) int64 { panic("draft") }

// PlainSize is the inverse; for CBC it is the largest possible one and exact is
// false: the last block tells (see Unpad). A size that no plaintext gives is an error.
func (m Mode) PlainSize(cipher int64) (size int64, exact bool, err error) { panic("draft") }

// Span is the range of ciphertext needed to decrypt plaintext [off, off+n) of a
// file of plain bytes; for CBC it is block aligned and starts one block early
// unless at 0 (at 0 the IV is the previous block). Never includes the GCM tag.
func (m Mode) Span(off, n, plain int64) (cOff, cLen int64) { panic("draft") }

// Cipher is one data key with one IV. Its methods may be called by several
// goroutines at once, except Wipe, after which none may be called.
type Cipher struct{}

// NewCipher copies what it needs of key and iv. Key: 16, 24 or 32 bytes.
func NewCipher(m Mode, key, iv []byte) (*Cipher, error) { panic("draft") }

func (c *Cipher) Mode() Mode { panic("draft") }
func (c *Cipher) IV() []byte { panic("draft") }

// XORAt encrypts or decrypts (CTR, GCM) the bytes at offset off of the file.
// dst and src may be the same slice, else must not overlap. Any offset.
func (c *Cipher) XORAt(dst, src []byte, off int64) { panic("draft") }

// EncryptCBC encrypts whole blocks in order; chain holds the previous
// ciphertext block (the IV at first: see CBCStart) and is advanced.
func (c *Cipher) EncryptCBC(dst, src []byte, chain *[16]byte) { panic("draft") }

// CBCStart is the chain value of offset 0.
func (c *Cipher) CBCStart() [16]byte { panic("draft") }

// DecryptCBC decrypts whole blocks, prev being the ciphertext block before src.
func (c *Cipher) DecryptCBC(dst, src, prev []byte) { panic("draft") }

// Pad appends PKCS#7 padding (1 to 16 bytes) to the last plaintext bytes.
func Pad(tail []byte) []byte { panic("draft") }

// Unpad checks the padding of the last block and returns how many plaintext bytes it holds (0 to 15).
func Unpad(block []byte) (int, error) { panic("draft") }

// Partial is the polynomial hash of a run of ciphertext whole in itself. A run
// that is not the last must be a multiple of 16 bytes long. Secret: it would
// reveal the hash key; keep it sealed at rest (MarshalBinary is for that).
type Partial struct {
	sum [16]byte
	n   int64
}

// Len is how many bytes the run has.
func (p Partial) Len() int64 { return p.n }

// Hasher is GHASH under one key, computed by the standard library's GCM.
type Hasher struct{}

// Sum hashes one run. Safe for concurrent use.
func (h *Hasher) Sum(chunk []byte) Partial { panic("draft") }

// Join is the hash of a's run followed by b's. The zero Partial is the empty run.
func (h *Hasher) Join(a, b Partial) Partial { panic("draft") }

// Hasher is the GHASH of GCM's tag under the data key (GCM only; nil otherwise).
func (c *Cipher) Hasher() *Hasher { panic("draft") }

// Tag is the GCM tag of a file whose whole ciphertext (without tag) hashes to p.
func (c *Cipher) Tag(p Partial) [16]byte { panic("draft") }

// VerifyTag compares in constant time; ErrTampered if it differs.
func (c *Cipher) VerifyTag(p Partial, tag []byte) error { panic("draft") }

// Wipe zeroes what can be zeroed.
func (c *Cipher) Wipe() { panic("draft") }

// Integrity holds the subkeys (HKDF-SHA256 of the data key) that protect one version.
type Integrity struct{}

// NewIntegrity derives the subkeys of key, for one mode and IV.
func NewIntegrity(m Mode, key, iv []byte) (*Integrity, error) { panic("draft") }

// Check is the value of mcfs-check: base64 of an HMAC of mode and IV.
func (g *Integrity) Check() string { panic("draft") }

// VerifyCheck: ErrTampered if it differs.
func (g *Integrity) VerifyCheck(check string) error { panic("draft") }

// Hasher is the GMAC of the ciphertext (whole object body, GCM's tag and CBC's padding included).
func (g *Integrity) Hasher() *Hasher { panic("draft") }

// MAC is the value of mcfs-mac: base64 of the GMAC that p gives and an HMAC of mode, IV, plain size and that GMAC.
func (g *Integrity) MAC(p Partial, plain int64) string { panic("draft") }

// VerifyMAC: ErrTampered if the body hash p or the size plain is not what mac says.
func (g *Integrity) VerifyMAC(mac string, p Partial, plain int64) error { panic("draft") }

// VerifySize checks only that mac was made for this mode, IV and size: what can be known before a whole pass.
func (g *Integrity) VerifySize(mac string, plain int64) error { panic("draft") }

// Wipe zeroes what can be zeroed.
func (g *Integrity) Wipe() { panic("draft") }

// BlockSize is the plaintext length of a sealed block of the spool, in bytes.
const BlockSize = 64 << 10

// SealOverhead is what sealing adds to a plaintext: a 12-byte nonce before, a 16-byte tag after.
const SealOverhead = 28

// Sealer seals blocks and small records of one spool file: AES-256-GCM under
// HKDF-SHA256(data key, file id) with a random nonce each time.
type Sealer struct{}

func NewSealer(dataKey []byte, id [16]byte) (*Sealer, error) { panic("draft") }

// SealBlock appends nonce, ciphertext and tag of plain to dst; index is the
// block's place in the file, slot its place on disk: both are authenticated.
func (s *Sealer) SealBlock(dst, plain []byte, index uint64, slot uint32) []byte { panic("draft") }

// OpenBlock appends the plaintext to dst; ErrTampered if anything differs.
func (s *Sealer) OpenBlock(dst, sealed []byte, index uint64, slot uint32) ([]byte, error) {
	panic("draft")
}

// SealRecord and OpenRecord do the same for a labelled record ("map 17", "path").
func (s *Sealer) SealRecord(dst, plain []byte, label string) []byte { panic("draft") }
func (s *Sealer) OpenRecord(dst, sealed []byte, label string) ([]byte, error) {
	panic("draft")
}
func (s *Sealer) Wipe() { panic("draft") }
