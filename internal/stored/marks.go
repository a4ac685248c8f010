package stored

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"path"
	"strings"

	"mcfs/sidecar"
	"mcfs/store"
)

// ErrReplaced is returned of a version that was replaced, or removed, meanwhile.
var ErrReplaced = errors.New("the file was saved again or removed meanwhile")

// Version is what the settings of a file say of the version that it has.
type Version struct {
	Settings sidecar.Settings
	Job      string // that mcfs watch has made of it; "": none
}

// EachSettings calls do with the address of each encrypted file at and below an address, and the
// ETag of its settings, until that reports false.
func (v *Volume) EachSettings(ctx context.Context, address string, wanted func(name string) bool, do func(address, etag string) bool) error {
	prefix, err := v.key(address)
	if err != nil {
		return err
	}
	folder := strings.TrimSuffix(prefix, "/") + "/"
	for token := ""; ; {
		page, err := v.page(ctx, prefix, token)
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			key, ok := sidecar.Base(o.Key)
			if !ok || prefix != "" && key != prefix && !strings.HasPrefix(key, folder) || !wanted(path.Base(key)) {
				continue
			}
			if !do(v.home()+key, o.ETag) {
				return nil
			}
		}
		if token = page.Next; token == "" {
			return nil
		}
	}
}

// Look reads what the settings of a file say. It is ErrReplaced where there are none.
func (v *Volume) Look(ctx context.Context, address string) (Version, error) {
	_, _, found, err := v.look(ctx, address)
	return found, err
}

// look is Look with the document itself, and what the store says of it.
func (v *Volume) look(ctx context.Context, address string) (text []byte, info store.Info, found Version, err error) {
	key, err := v.key(address)
	if err != nil {
		return nil, info, found, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
	defer cancel()
	st, err := v.open(ctx)
	if err != nil {
		return nil, info, found, err
	}
	body, info, err := st.Get(ctx, sidecar.Name(key), store.Range{}, "")
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, info, found, fmt.Errorf("settings of %s: %w", address, ErrReplaced)
	case err != nil:
		return nil, info, found, clearer(ctx, st, err)
	}
	defer body.Close()
	if text, err = io.ReadAll(io.LimitReader(body, sidecar.MaxSize+1)); err != nil {
		return nil, info, found, fmt.Errorf("read settings of %s: %w", address, err)
	}
	if found.Settings, err = sidecar.Parse(text); err != nil {
		return nil, info, found, fmt.Errorf("settings of %s: %w", address, err)
	}
	found.Job = info.Metadata[sidecar.KeyJob]
	return text, info, found, nil
}

// markTries is how often a mark is put again where others change the settings meanwhile.
const markTries = 8

// Mark notes in the settings of a version, which its IV names, the job that was made of it. It
// returns the one that is noted there in the end: what was noted before stays.
func (v *Volume) Mark(ctx context.Context, address string, iv []byte, job string) (noted string, err error) {
	for range markTries {
		text, info, found, err := v.look(ctx, address)
		switch {
		case err != nil:
			return "", err
		case !bytes.Equal(found.Settings.IV, iv):
			return "", fmt.Errorf("mark %s: %w", address, ErrReplaced)
		case found.Job != "":
			return found.Job, nil
		}
		err = v.putMark(ctx, address, text, info, job)
		if err == nil {
			return job, nil
		}
		if !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("mark %s: %w: its settings keep changing", address, store.ErrPrecondition)
}

// putMark puts settings again with a job in their metadata, if they are still those that were read.
func (v *Volume) putMark(ctx context.Context, address string, text []byte, info store.Info, job string) error {
	key, err := v.key(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errors.New("no answer in time"))
	defer cancel()
	st, err := v.open(ctx)
	if err != nil {
		return err
	}
	meta := maps.Clone(info.Metadata)
	if meta == nil {
		meta = make(map[string]string)
	}
	meta[sidecar.KeyJob] = job
	text = sidecar.Renew(text)
	body := store.Body{ReadSeeker: bytes.NewReader(text), Size: int64(len(text)), CRC32C: crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))}
	_, err = st.Put(ctx, sidecar.Name(key), body, store.Attributes{ContentType: sidecar.ContentType, Metadata: meta}, store.Condition{IfMatch: info.ETag})
	if err != nil {
		return fmt.Errorf("mark %s: %w", address, err)
	}
	return nil
}
