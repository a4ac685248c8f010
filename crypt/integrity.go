package crypt

import (
	"crypto/aes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// Integrity holds the subkeys (HKDF-SHA256 of the data key) that protect one
// version. Its methods may be called by several goroutines at once, except
// Wipe, after which none may be called.
//
// The subkeys (RFC 5869; the salt is the IV, 32 bytes each) have the info
// "mcfs 1 MODE check hmac", "mcfs 1 MODE link hmac", "mcfs 1 MODE mac gmac" and
// "mcfs 1 MODE mac hmac", MODE being CTR, CBC or GCM. IV and mode are in there so
// that a data key used twice by mistake still gives no GMAC key twice: with its
// constant nonce, two tags under one key would give H away.
//
//	claim       = MODE ‖ 0x00 ‖ length of IV, 1 byte ‖ IV
//	mcfs-check  = base64(HMAC-SHA256(check hmac, claim))                   of a file
//	mcfs-check  = base64(HMAC-SHA256(link hmac, claim ‖ the object's body)) of a symlink
//	mcfs-mac    = base64(gmac ‖ HMAC-SHA256(mac hmac, claim ‖ plain size, 8 bytes ‖ gmac))
//	gmac        = AES-256-GCM(mac gmac).tag(nonce: 12 zero bytes, additional data: the object's body)
type Integrity struct {
	claim  []byte
	check  []byte // HMAC key of a file's mcfs-check
	link   []byte // HMAC key of a symlink's mcfs-check
	seal   []byte // HMAC key of mcfs-mac
	hasher *Hasher
}

// NewIntegrity derives the subkeys of key (16, 24 or 32 bytes), for one mode
// and IV. It keeps neither.
func NewIntegrity(m Mode, key, iv []byte) (*Integrity, error) {
	if err := m.CheckIV(len(iv)); err != nil {
		return nil, err
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	root, err := hkdf.Extract(sha256.New, key, iv)
	if err != nil {
		return nil, fmt.Errorf("derive subkeys: %w", err)
	}
	defer clear(root)
	g := &Integrity{claim: append([]byte(m.String()), 0, byte(len(iv)))}
	g.claim = append(g.claim, iv...)
	var gmac []byte
	defer func() { clear(gmac) }()
	for _, sub := range []struct {
		key  *[]byte
		name string
	}{{&g.check, "check hmac"}, {&g.link, "link hmac"}, {&gmac, "mac gmac"}, {&g.seal, "mac hmac"}} {
		*sub.key, err = hkdf.Expand(sha256.New, root, "mcfs 1 "+m.String()+" "+sub.name, 32)
		if err != nil {
			return nil, fmt.Errorf("derive %s key: %w", sub.name, err)
		}
	}
	block, err := aes.NewCipher(gmac)
	if err != nil {
		return nil, fmt.Errorf("GMAC key: %w", err)
	}
	if g.hasher, err = newHasher(block); err != nil {
		return nil, err
	}
	return g, nil
}

// Check is a file's value of mcfs-check: base64 of an HMAC of mode and IV (44 characters).
func (g *Integrity) Check() string {
	return base64.StdEncoding.EncodeToString(g.hmac(g.check))
}

// VerifyCheck gives ErrTampered if check is not that of a file.
func (g *Integrity) VerifyCheck(check string) error {
	return same("mcfs-check", check, g.Check())
}

// LinkCheck is a symlink's value of mcfs-check, as long as a file's. It covers the
// whole body too, and has a subkey of its own, so that neither passes for the other.
func (g *Integrity) LinkCheck(body []byte) string {
	return base64.StdEncoding.EncodeToString(g.hmac(g.link, body))
}

// VerifyLinkCheck gives ErrTampered if check is not that of a symlink with this body.
func (g *Integrity) VerifyLinkCheck(check string, body []byte) error {
	return same("mcfs-check", check, g.LinkCheck(body))
}

// Hasher is the GMAC of the ciphertext (whole object body, GCM's tag and CBC's padding included).
func (g *Integrity) Hasher() *Hasher { return g.hasher }

// MAC is the value of mcfs-mac: base64 (64 characters) of the GMAC that p gives
// and an HMAC of mode, IV, plain size and that GMAC. Make one per data key and
// IV: the GMAC's nonce is constant.
func (g *Integrity) MAC(p Partial, plain int64) string {
	return g.macOf(g.hasher.tag(p, g.hasher.mask, p.n, 0), plain)
}

func (g *Integrity) macOf(gmac [tagLen]byte, plain int64) string {
	size := binary.BigEndian.AppendUint64(nil, uint64(plain))
	return base64.StdEncoding.EncodeToString(append(gmac[:], g.hmac(g.seal, size, gmac[:])...))
}

// VerifyMAC: ErrTampered if the body hash p or the size plain is not what mac says.
func (g *Integrity) VerifyMAC(mac string, p Partial, plain int64) error {
	return same("mcfs-mac", mac, g.MAC(p, plain))
}

// VerifySize checks only that mac was made for this mode, IV and size: what can be known before a whole pass.
func (g *Integrity) VerifySize(mac string, plain int64) error {
	raw, err := base64.StdEncoding.DecodeString(mac)
	if err != nil || len(raw) != tagLen+sha256.Size {
		return fmt.Errorf("mcfs-mac: malformed: %w", ErrTampered)
	}
	// Comparing the text again lets no second spelling of the same bytes through.
	return same("mcfs-mac", mac, g.macOf([tagLen]byte(raw), plain))
}

// SameMAC compares two values of mcfs-mac in constant time: what is stored
// with what a whole pass computed. ErrTampered if they differ.
func SameMAC(stored, computed string) error { return same("mcfs-mac", stored, computed) }

// Wipe zeroes what can be zeroed.
func (g *Integrity) Wipe() {
	clear(g.check)
	clear(g.link)
	clear(g.seal)
	g.hasher.wipe()
}

func (g *Integrity) hmac(key []byte, more ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(g.claim)
	for _, b := range more {
		h.Write(b)
	}
	return h.Sum(nil)
}

func same(what, got, want string) error {
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return fmt.Errorf("%s: %w", what, ErrTampered)
	}
	return nil
}
