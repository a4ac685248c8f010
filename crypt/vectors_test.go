package crypt

import (
	"bytes"
	"strings"
	"testing"
)

// NIST SP 800-38A, appendix F.2 (CBC) and F.5 (CTR).
const (
	nistPlain  = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	nistKey128 = "2b7e151628aed2a6abf7158809cf4f3c"
	nistKey192 = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
	nistKey256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
	nistCTRIV  = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
	nistCBCIV  = "000102030405060708090a0b0c0d0e0f"
)

func TestNISTVectors(t *testing.T) {
	for _, v := range []struct {
		name         string
		mode         Mode
		key, iv, out string
	}{
		{"F.5.1 CTR-AES128", CTR, nistKey128, nistCTRIV, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"},
		{"F.5.3 CTR-AES192", CTR, nistKey192, nistCTRIV, "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e941e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050"},
		{"F.5.5 CTR-AES256", CTR, nistKey256, nistCTRIV, "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"},
		{"F.2.1 CBC-AES128", CBC, nistKey128, nistCBCIV, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"},
		{"F.2.3 CBC-AES192", CBC, nistKey192, nistCBCIV, "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"},
		{"F.2.5 CBC-AES256", CBC, nistKey256, nistCBCIV, "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"},
	} {
		t.Run(v.name, func(t *testing.T) {
			plain, want := unhex(t, nistPlain), unhex(t, v.out)
			c := mustCipher(t, v.mode, unhex(t, v.key), unhex(t, v.iv))
			got := c.Encrypt(plain)
			if !bytes.Equal(got[:len(want)], want) { // CBC has a block of padding more
				t.Errorf("encrypted:\n got %x\nwant %x", got, want)
			}
			back, err := c.DecryptSpan(bytes.Clone(want), 0, int64(len(plain)), int64(len(plain)))
			if err != nil || !bytes.Equal(back, plain) {
				t.Errorf("decrypted: %x, %v", back, err)
			}
		})
	}
}

// The test cases of McGrew and Viega, "The Galois/Counter Mode of Operation",
// that have no additional data and a 96-bit IV; then 128-bit IVs from Project
// Wycheproof, whose J0 is zero, all ones, and ffffffff in its last 32 bits.
func TestGCMVectors(t *testing.T) {
	const (
		key    = "feffe9928665731c6d6a8f9467308308"
		iv     = "cafebabefacedbaddecaf888"
		plain  = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
		zeroIV = "000000000000000000000000"
		wrapK  = "00112233445566778899aabbccddeeff"
	)
	zero := func(n int) string { return strings.Repeat("00", n) }
	for _, v := range []struct{ name, key, iv, plain, text, tag string }{
		{"1", zero(16), zeroIV, "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
		{"2", zero(16), zeroIV, zero(16), "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"},
		{"3", key, iv, plain, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985", "4d5c2af327cd64a62cf35abd2ba6fab4"},
		{"7", zero(24), zeroIV, "", "", "cd33b28ac773f74ba00ed1f312572435"},
		{"8", zero(24), zeroIV, zero(16), "98e7247c07f0fe411c267e4384b0f600", "2ff58d80033927ab8ef4d4587514f0fb"},
		{"9", key + key[:16], iv, plain, "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710acade256", "9924a7c8587336bfb118024db8674a14"},
		{"13", zero(32), zeroIV, "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
		{"14", zero(32), zeroIV, zero(16), "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
		{"15", key + key, iv, plain, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad", "b094dac5d93471bdec1a502270e3cc6c"},
		{"J0 zero", wrapK, "7b95b8c356810a84711d68150a1b7750", zero(40), "84d4c9c08b4f482861e3a9c6c35bc4d91df927374513bfd49f436bd73f325285daef4ff7e13d46a6", "213a3cb93855d18e69337eee66aeec07"},
		{"J0 all ones", wrapK, "1a552e67cdc4dc1a33b824874ebf0bed", zero(40), "948ca37a8e6649e88aeffb1c598f3607007702417ea0e0bc3c60ad5a949886de968cf53ea6462aed", "99b381bfa2af9751c39d1b6e86d1be6a"},
		{"J0 ends in ones", wrapK, "99821c2dd5daecded07300f577f7aff1", zero(40), "127af9b39ecdfc57bb11a2847c7c2d3d8f938f40f877e0c4af37d0fe9af033052bd537c4ae978f60", "07eb2fe4a958f8434d40684899507c7c"},
	} {
		t.Run(v.name, func(t *testing.T) {
			c := mustCipher(t, GCM, unhex(t, v.key), unhex(t, v.iv))
			got, want := c.Encrypt(unhex(t, v.plain)), unhex(t, v.text+v.tag)
			if !bytes.Equal(got, want) {
				t.Errorf("\n got %x\nwant %x", got, want)
			}
			if ref := refGCM(unhex(t, v.key), unhex(t, v.iv), unhex(t, v.plain)); !bytes.Equal(ref, want) {
				t.Errorf("reference:\n got %x\nwant %x", ref, want)
			}
		})
	}
}

// J0s around the 32-bit wrap. The files are long enough that the wrap falls at
// their start, within, and at the end of a chunk, and that bytes after it come
// from a call of their own.
func TestGCMCounterWraps(t *testing.T) {
	key := noise(1, 32)
	for _, low := range []string{"ffffffff", "fffffffe", "fffffffd", "ffffff00", "fffff000", "00000000", "7fffffff"} {
		t.Run(low, func(t *testing.T) {
			iv := craftIV(key, unhex(t, "ffffffffffffffffffffffff"+low))
			for _, n := range []int{0, 1, 16, 31, 32, 33, 48, 4079, 4080, 4081, 4096, 66_000} {
				plain := noise(2, n)
				want := stdObject(GCM, key, iv, plain)
				if n <= 4096 && !bytes.Equal(refGCM(key, iv, plain), want) {
					t.Fatalf("%d bytes: reference and standard library differ", n)
				}
				c := mustCipher(t, GCM, key, iv)
				if !bytes.Equal(c.Encrypt(plain), want) {
					t.Errorf("%d bytes: wrong ciphertext", n)
				}
				pieces := make([]byte, n)
				for off := 0; off < n; off += 37 {
					end := min(n, off+37)
					c.XORAt(pieces[off:end], want[off:end], int64(off))
				}
				if !bytes.Equal(pieces, plain) {
					t.Errorf("%d bytes: wrong in pieces", n)
				}
			}
		})
	}
}
