package sidecar

import "bytes"

// Merge is what two changes of the same attributes come to: what we have
// changed since base is ours, all else is theirs.
func Merge(base, ours, theirs Attr) Attr {
	out := theirs
	if ours.Mode != base.Mode {
		out.Mode = ours.Mode
	}
	if ours.UID != base.UID {
		out.UID = ours.UID
	}
	if ours.GID != base.GID {
		out.GID = ours.GID
	}
	if !ours.Mtime.Equal(base.Mtime) {
		out.Mtime = ours.Mtime
	}
	out.Xattr = mergeXattr(base.Xattr, ours.Xattr, theirs.Xattr)
	return out
}

func mergeXattr(base, ours, theirs map[string][]byte) map[string][]byte {
	out := make(map[string][]byte)
	for name, value := range theirs {
		out[name] = value
	}
	for name, value := range ours {
		if old, had := base[name]; !had || !bytes.Equal(old, value) {
			out[name] = value
		}
	}
	for name := range base {
		if _, kept := ours[name]; !kept {
			delete(out, name)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
