package rig

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mcfs/store/s3/s3test"
)

// Saved counts what reached S3 under the name of a file.
type Saved struct {
	Objects  int // finished there: by PutObject, or by the end of a multipart upload
	Copies   int // made on the server, by a rename
	Sidecars int // put where there was none: that of a new version, or of a copy
	Restated int // puts of a sidecar over itself, for its attributes; copies of a symlink onto itself
}

func (s Saved) String() string {
	return fmt.Sprintf("%d objects, %d copies, %d sidecars, restated %d times", s.Objects, s.Copies, s.Sidecars, s.Restated)
}

// Mark is a moment, for Saves.
func (r *Rig) Mark() int { return len(r.S3.Proxy.Requests()) }

// Saves counts by file, relative to the prefix, what was written since the mark.
// Directory markers are not in it; an unfinished upload counts for nothing.
func (r *Rig) Saves(mark int) map[string]Saved {
	all := make(map[string]Saved)
	copied := make(map[string]string) // uploads whose parts are copies: of which path
	for _, q := range r.S3.Proxy.Requests()[mark:] {
		if q.Status == 0 || q.Status >= 300 {
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(q.Path, "/"+r.S3.Bucket+"/"), Prefix)
		if strings.HasSuffix(name, "/") {
			continue
		}
		file, side := strings.CutSuffix(name, SidecarSuffix)
		s := all[file]
		switch q.Op {
		case "PutObject":
			switch {
			case !side:
				s.Objects++
			case q.Header.Get("If-Match") != "":
				s.Restated++
			default:
				s.Sidecars++
			}
		case "UploadPartCopy":
			copied[q.Query.Get("uploadId")] = copySource(q)
			continue
		case "CompleteMultipartUpload":
			switch source := copied[q.Query.Get("uploadId")]; source {
			case "":
				s.Objects++
			case q.Path:
				s.Restated++
			default:
				s.Copies++
			}
		case "CopyObject":
			if copySource(q) == q.Path {
				s.Restated++
			} else {
				s.Copies++
			}
		default:
			continue
		}
		all[file] = s
	}
	return all
}

// copySource is the path that a request copies from; "" if it says none.
func copySource(q s3test.Request) string {
	source, err := url.PathUnescape(q.Header.Get("X-Amz-Copy-Source"))
	if err != nil || source == "" {
		return ""
	}
	return "/" + strings.TrimPrefix(source, "/")
}

// Bare are the objects that have no sidecar though they should: files of mcfs's
// own. Symlinks, markers and what other programs put there need none.
func (r *Rig) Bare() []string {
	r.tb.Helper()
	keys := r.Keys()
	var bare []string
	for _, key := range keys {
		if strings.HasSuffix(key, "/") || strings.HasSuffix(key, SidecarSuffix) {
			continue
		}
		if _, has := slices.BinarySearch(keys, key+SidecarSuffix); has {
			continue
		}
		meta := r.Head(key)
		if meta["mcfs"] != "" && !isLink(meta["mode"]) {
			bare = append(bare, key)
		}
	}
	return bare
}

// isLink reads an object's mode as s3fs and rclone spell it.
func isLink(mode string) bool {
	var bits uint32
	if _, err := fmt.Sscan(mode, &bits); err != nil {
		return false
	}
	const kind, symlink = 0o170000, 0o120000
	return bits&kind == symlink
}

// Truth proves the whole bucket: every object of mcfs's has its sidecar, every
// sidecar decrypts its object, and what comes out is what the mount shows. The
// files named in local are in the mount only. It returns the SHA-256 by name.
func (r *Rig) Truth(m *Mount, local ...string) map[string]string {
	r.tb.Helper()
	if bare := r.Bare(); len(bare) > 0 {
		r.tb.Errorf("these have no sidecar: %q", bare)
	}
	proof := r.Proof()
	shown := make(map[string]string)
	for line := range strings.Lines(m.Shell(`find . -type f -not -name '*` + SidecarSuffix + `' -print0 | xargs -0r sha256sum -z -- | tr '\0' '\n'`)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ./")
		shown[name] = sum
	}
	for _, name := range local {
		if _, sealed := proof[name]; sealed || shown[name] == "" {
			r.tb.Errorf("%s is not in the mount alone: in S3: %v, in the mount: %v", name, sealed, shown[name] != "")
		}
		delete(shown, name)
	}
	for name := range proof {
		if strings.HasSuffix(name, SidecarSuffix) {
			shown[name] = m.Hash(name) // a user's own
		}
	}
	for name, sum := range proof {
		if shown[name] != sum {
			r.tb.Errorf("%s decrypts to %s, the mount shows %q", name, sum, shown[name])
		}
		delete(shown, name)
	}
	for name := range shown {
		r.tb.Errorf("the mount shows %s, S3 has no such object with a sidecar", name)
	}
	return proof
}
