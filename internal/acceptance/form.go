package acceptance

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"hash/crc32"

	"mcfs/crypt"
	"mcfs/internal/doctor"
	"mcfs/keys"
	"mcfs/sidecar"
	"mcfs/store"
)

// clip is two seconds of a test picture, 320 by 180, H.264 in MP4, made by
// ffmpeg -f lavfi -i testsrc=duration=2:size=320x180:rate=10.
//
//go:embed clip.mp4
var clip []byte

// Form is a way in which a file can be encrypted.
type Form struct {
	Mode    crypt.Mode
	IVBytes int
	Bits    int // of the data key
}

// Forms are those that are tried.
var Forms = []Form{
	{crypt.CTR, 16, 256}, {crypt.CTR, 12, 256}, {crypt.CBC, 16, 256}, {crypt.GCM, 12, 256}, {crypt.GCM, 16, 256}, {crypt.CTR, 16, 128}, {crypt.CTR, 16, 192},
}

func (f Form) String() string {
	return fmt.Sprintf("AES_%s, IV of %d bytes, key of %d bits", f.Mode, f.IVBytes, f.Bits)
}

// suffix is what a key ends with.
func (f Form) suffix() string { return fmt.Sprintf("-%s-%d-%d.mp4", f.Mode, f.IVBytes, f.Bits) }

// save encrypts the clip and puts it into the store.
func (f Form) save(ctx context.Context, st store.Store, keeper keys.Keeper, p *doctor.Probe) (sidecar.Settings, error) {
	key := p.Key() + f.suffix()
	iv, err := crypt.NewIV(f.Mode, f.IVBytes)
	if err != nil {
		return sidecar.Settings{}, err
	}
	data, err := keeper.New(ctx, f.Bits)
	if err != nil {
		return sidecar.Settings{}, err
	}
	defer data.Wipe()
	c, err := crypt.NewCipher(f.Mode, data.Plain, iv)
	if err != nil {
		return sidecar.Settings{}, err
	}
	defer c.Wipe()
	body := c.Encrypt(clip)
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	_, err = st.Put(ctx, key, store.Body{ReadSeeker: bytes.NewReader(body), Size: int64(len(body)), CRC32C: sum}, store.Attributes{ContentType: "video/mp4"}, store.Condition{IfNone: true})
	if p.Wrote(err) != nil {
		return sidecar.Settings{}, err
	}
	return sidecar.Settings{
		FileInput: st.Address(key), Mode: "AES_" + f.Mode.String(), Key: data.Wrapped, IV: iv, Region: keeper.Region(),
	}, nil
}
