package volume

import (
	"maps"

	"mcfs/sidecar"
)

// A sidecar says that a file is ready. What a rename has brought to a local-only name, a
// large film in a trash, is not: it has none until it leaves that name. What its sidecar
// stated stands meanwhile in the metadata of the object itself.

// goesBare reports whether what the store has by that key gets no sidecar.
func (v *Volume) goesBare(key string) bool { return v.local.match(key, named) }

// stateBare adds to the metadata of a copy what its sidecar will not state, as far as
// S3 takes it, and takes away what the next sidecar does.
func (v *Volume) stateBare(c *change, object map[string]string) {
	for _, key := range []string{
		sidecar.KeySize, sidecar.KeyMAC, sidecar.KeyXattr, sidecar.KeyMtime, sidecar.KeyFileMode, sidecar.KeyUID, sidecar.KeyGID,
	} {
		if v.goesBare(c.To) || v.goesBare(c.Path) {
			delete(object, key)
		}
	}
	if !v.goesBare(c.To) {
		return
	}
	meta := c.ver.meta()
	meta.ETag = "" // the object's own
	for _, less := range []func(){func() {}, func() { meta.Attr.Xattr = nil }} {
		less()
		stated, err := meta.Encode()
		if err != nil {
			continue
		}
		maps.Copy(stated, object)
		if metadataSize(stated) <= sidecar.MaxMetadata {
			maps.Copy(object, stated)
			return
		}
	}
}

// metadataSize is what S3 counts.
func metadataSize(meta map[string]string) (n int) {
	for key, value := range meta {
		n += len(key) + len(value)
	}
	return n
}
