package crypt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"testing"
)

// The two values as the comment at Integrity gives them, put together here from
// HMAC and GCM alone (RFC 5869 by hand).
func TestIntegrityFormat(t *testing.T) {
	for _, f := range forms {
		key, iv, body := noise(40, 32), noise(41, f.ivSize), noise(42, 70_001)
		sum := func(key []byte, parts ...string) []byte {
			h := hmac.New(sha256.New, key)
			for _, p := range parts {
				h.Write([]byte(p))
			}
			return h.Sum(nil)
		}
		mode := f.mode.String()
		root := sum(iv, string(key))
		subkey := func(name string) []byte { return sum(root, "mcfs 1 "+mode+" "+name, "\x01") }
		claim := mode + "\x00" + string(rune(f.ivSize)) + string(iv)

		g := mustIntegrity(t, f.mode, key, iv)
		check := base64.StdEncoding.EncodeToString(sum(subkey("check hmac"), claim))
		if got := g.Check(); got != check || len(got) != 44 {
			t.Errorf("%v: check %s, want %s", f, got, check)
		}
		link := base64.StdEncoding.EncodeToString(sum(subkey("link hmac"), claim, string(body)))
		if got := g.LinkCheck(body); got != link || len(got) != 44 {
			t.Errorf("%v: check of a symlink %s, want %s", f, got, link)
		}

		block, err := aes.NewCipher(subkey("mac gmac"))
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		gmac := aead.Seal(nil, make([]byte, 12), nil, body)
		size := string(binary.BigEndian.AppendUint64(nil, 70_000))
		mac := base64.StdEncoding.EncodeToString(append(gmac, sum(subkey("mac hmac"), claim, size, string(gmac))...))
		h := g.Hasher()
		if got := g.MAC(h.Join(h.Sum(body[:65_536]), h.Sum(body[65_536:])), 70_000); got != mac || len(got) != 64 {
			t.Errorf("%v: MAC %s, want %s", f, got, mac)
		}
	}
}

// Values written once must verify for ever.
func TestIntegrityGolden(t *testing.T) {
	g := mustIntegrity(t, CTR, bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 16))
	const (
		check = "yhLibyiRs+bQwKNLiugGRfkeT8lKUvISCMdAB7xm1Rw="
		mac   = "EicKjmljuJBiwIl/pzo8HHqNnL5wD2OqcriEz4iUcR9da+kaoMLoM7R+UdS38eXT"
		link  = "7/beoAZf8P/262jo5O2ytOEd2aq4bJyruvy+Jlth2HM="
	)
	p := g.Hasher().Sum([]byte("ciphertext"))
	if got := g.Check(); got != check {
		t.Errorf("check %s, want %s", got, check)
	}
	if got := g.MAC(p, 10); got != mac {
		t.Errorf("MAC %s, want %s", got, mac)
	}
	if got := g.LinkCheck([]byte("ciphertext")); got != link {
		t.Errorf("check of a symlink %s, want %s", got, link)
	}
}

// What is a file's check is no symlink's, nor the other way round, nor that of a
// symlink with another body, mode, IV or key.
func TestLinkCheckFindsTampering(t *testing.T) {
	key, iv, body := noise(54, 32), noise(55, 16), noise(56, 40)
	g := mustIntegrity(t, CTR, key, iv)
	check := g.LinkCheck(body)
	if err := g.VerifyLinkCheck(check, body); err != nil {
		t.Fatal(err)
	}
	found := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrTampered) {
			t.Errorf("%s went unnoticed: %v", what, err)
		}
	}
	found("a symlink as a file", g.VerifyCheck(check))
	found("a file as a symlink", g.VerifyLinkCheck(g.Check(), body))
	found("an empty body", g.VerifyLinkCheck(check, nil))
	found("a longer body", g.VerifyLinkCheck(check, append(bytes.Clone(body), 0)))
	for i := range body {
		body[i] ^= 1
		found("another body", g.VerifyLinkCheck(check, body))
		body[i] ^= 1
	}
	found("another IV", mustIntegrity(t, CTR, key, noise(57, 16)).VerifyLinkCheck(check, body))
	found("another mode", mustIntegrity(t, CBC, key, iv).VerifyLinkCheck(check, body))
	found("another key", mustIntegrity(t, CTR, noise(58, 32), iv).VerifyLinkCheck(check, body))
	for _, wrong := range misspelled(check) {
		found("check "+wrong, g.VerifyLinkCheck(wrong, body))
	}
}

func TestIntegrityFindsTampering(t *testing.T) {
	key, iv, body := noise(50, 32), noise(51, 16), noise(52, 100)
	g := mustIntegrity(t, CTR, key, iv)
	sum := g.Hasher().Sum(body)
	check, mac := g.Check(), g.MAC(sum, 100)
	for what, err := range map[string]error{
		"check": g.VerifyCheck(check), "mac": g.VerifyMAC(mac, sum, 100), "size": g.VerifySize(mac, 100), "same": SameMAC(mac, g.MAC(sum, 100)),
	} {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	found := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrTampered) {
			t.Errorf("%s went unnoticed: %v", what, err)
		}
	}

	for bit := range iv[:] {
		other := bytes.Clone(iv)
		other[bit] ^= 1 << (bit % 8)
		o := mustIntegrity(t, CTR, key, other)
		found("another IV in the check", o.VerifyCheck(check))
		found("another IV in the MAC", o.VerifyMAC(mac, o.Hasher().Sum(body), 100))
		found("another IV, size only", o.VerifySize(mac, 100))
	}
	for _, m := range []Mode{CBC, GCM} {
		o := mustIntegrity(t, m, key, iv)
		found("another mode in the check", o.VerifyCheck(check))
		found("another mode in the MAC", o.VerifyMAC(mac, o.Hasher().Sum(body), 100))
		found("another mode, size only", o.VerifySize(mac, 100))
	}
	o := mustIntegrity(t, CTR, noise(53, 32), iv)
	found("another key in the check", o.VerifyCheck(check))
	found("another key, size only", o.VerifySize(mac, 100))

	for _, size := range []int64{0, 99, 101, 100 + 1<<32, -100} {
		found("another size", g.VerifyMAC(mac, sum, size))
		found("another size, size only", g.VerifySize(mac, size))
	}
	for i := range body {
		body[i] ^= 1
		found("another body", g.VerifyMAC(mac, g.Hasher().Sum(body), 100))
		body[i] ^= 1
	}
	found("a shorter body", g.VerifyMAC(mac, g.Hasher().Sum(body[:99]), 100))
	found("a body with a zero more", g.VerifyMAC(mac, g.Hasher().Sum(append(bytes.Clone(body), 0)), 100))
	found("no body", g.VerifyMAC(mac, Partial{}, 100))

	for _, wrong := range misspelled(check) {
		found("check "+wrong, g.VerifyCheck(wrong))
	}
	for _, wrong := range misspelled(mac) {
		found("MAC "+wrong, g.VerifyMAC(wrong, sum, 100))
		found("MAC, size only, "+wrong, g.VerifySize(wrong, 100))
		found("same MAC "+wrong, SameMAC(wrong, mac))
	}
}

// misspelled gives s with each character replaced, and with a length or spelling that is wrong.
func misspelled(s string) []string {
	out := []string{"", s[1:], s[:len(s)-1], s + "A", s + "\n", s[:8] + "\r\n" + s[8:], s + s, "!" + s[1:]}
	for i := range s {
		b := []byte(s)
		if b[i] != 'A' {
			b[i] = 'A'
		} else {
			b[i] = 'B'
		}
		out = append(out, string(b))
	}
	return out
}

// No two of the keys derived from one data key are the same, nor the data key itself.
func TestSubkeysDiffer(t *testing.T) {
	key, iv := noise(60, 32), noise(61, 16)
	g := mustIntegrity(t, GCM, key, iv)
	c := mustCipher(t, GCM, key, iv)
	if bytes.Equal(g.check, g.seal) || bytes.Equal(g.check, g.link) || bytes.Equal(g.link, g.seal) || bytes.Equal(g.link, key) || g.hasher.key == c.hasher.key || bytes.Equal(g.check, key) || bytes.Equal(g.seal, key) {
		t.Error("two subkeys are the same")
	}
	seen := map[element]Mode{}
	for _, m := range []Mode{CTR, CBC, GCM} {
		for i := range 2 {
			o := mustIntegrity(t, m, key, noise(uint64(62+i), 16))
			if before, ok := seen[o.hasher.key]; ok {
				t.Errorf("%v and %v share a GMAC key", before, m)
			}
			seen[o.hasher.key] = m
		}
	}
}
