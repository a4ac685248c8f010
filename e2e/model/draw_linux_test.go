package model

import (
	"os"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"mcfs/e2e/rig"
)

const (
	block     = 32 << 10 // of the spool
	usualSize = 6 * block
	bigSize   = 9 << 20 // more than an upload's part
)

// names are what files may be called. The last three stay in the spool while
// they are called so; one looks like a sidecar and is none.
var names = []string{"a", "b", "c.txt", "big", ".dot", "local.settings.json", "f~", ".f.swp", "x-journal"}

var dirs = []string{".", "d", "d/e", "g"}

// weights say how often a step is drawn.
var weights = map[string]int{
	"open": 14, "close": 8, "dup": 2, "pread": 4, "pwrite": 14, "read": 2, "write": 5, "ftruncate": 5, "fallocate": 5,
	"mmap": 3, "fsync": 2, "copy": 2, "fchmod": 1, "futimens": 1,
	"truncate": 3, "unlink": 4, "mkdir": 4, "rmdir": 2, "rename": 9, "symlink": 1, "readlink": 1, "chmod": 2, "chown": 1,
	"utimens": 3, "setxattr": 3, "getxattr": 1, "removexattr": 1,
	"compare": 4, "evict": 2, "drop": 1, "settle": 2, "remount": 1, "kill": 1, "fresh": 1,
}

// deck holds each verb as often as it weighs, the simplest first, since that is
// where shrinking leads.
var deck = deckOf(weights)

func deckOf(weights map[string]int) []string {
	verbs := make([]string, 0, len(weights))
	for verb := range weights {
		verbs = append(verbs, verb)
	}
	slices.Sort(verbs)
	var all []string
	for _, verb := range verbs {
		for range weights[verb] {
			all = append(all, verb)
		}
	}
	return all
}

// draw makes up the next step, mostly one that can succeed.
func draw(t *rapid.T, r *run) op {
	from := deck
	if r.w.small {
		from = smallDeck
	}
	o := op{Verb: rapid.SampledFrom(from).Draw(t, "verb")}
	used := r.used()
	if needsHandle[o.Verb] && len(used) == 0 {
		o.Verb = "open"
	}
	if o.Verb == "open" && len(used) == slots {
		o.Verb = "close"
	}
	switch {
	case needsHandle[o.Verb]:
		o.H = rapid.SampledFrom(used).Draw(t, "handle")
		o.drawForHandle(t, r)
	case o.Verb == "open":
		o.H = r.free()[0]
		o.Path = drawPath(t, r, 60)
		o.Flags = drawOpenFlags(t)
		o.Mode = rapid.SampledFrom([]uint32{0o644, 0o600, 0o755}).Draw(t, "mode")
	default:
		o.drawForPath(t, r)
	}
	return o
}

var needsHandle = map[string]bool{
	"close": true, "dup": true, "pread": true, "pwrite": true, "read": true, "write": true, "ftruncate": true,
	"fallocate": true, "mmap": true, "fsync": true, "copy": true, "fchmod": true, "futimens": true,
}

// big says that a handle's file may grow beyond a part.
func big(r *run, slot int) bool { return strings.HasSuffix(r.c.disk.open[slot].path, "big") }

func (o *op) drawForHandle(t *rapid.T, r *run) {
	size := int64(usualSize)
	switch {
	case r.w.small:
		size = smallSpool * 3 / 2
	case big(r, o.H):
		size = bigSize
	}
	switch o.Verb {
	case "dup", "copy":
		o.H2 = rapid.IntRange(0, slots-1).Draw(t, "other")
		if o.Verb == "copy" {
			o.Off, o.To2 = drawOffset(t, usualSize), drawOffset(t, usualSize)
			o.Len = drawLength(t, usualSize)
		}
	case "pread", "pwrite", "mmap":
		o.Off, o.Len, o.Seed = drawOffset(t, size), drawLength(t, size), drawSeed(t)
	case "read", "write":
		o.Len, o.Seed = drawLength(t, size/2), drawSeed(t)
		if r.w.small && rapid.Bool().Draw(t, "much") {
			o.Len = rapid.Int64Range(4*smallPart, smallSpool).Draw(t, "lots")
		}
	case "ftruncate":
		o.Len = drawOffset(t, size)
	case "fallocate":
		o.Off, o.Len = drawOffset(t, size), drawLength(t, size)
		o.Flags = rapid.SampledFrom([]string{"", "KEEP_SIZE", "PUNCH_HOLE|KEEP_SIZE", "ZERO_RANGE", "ZERO_RANGE|KEEP_SIZE", "PUNCH_HOLE"}).Draw(t, "flags")
	case "fchmod":
		o.Mode = drawMode(t)
	case "futimens":
		o.drawTime(t)
	}
}

func (o *op) drawForPath(t *rapid.T, r *run) {
	switch o.Verb {
	case "truncate":
		o.Path, o.Len = drawPath(t, r, 90), drawOffset(t, usualSize)
	case "unlink", "readlink", "getxattr", "removexattr":
		o.Path = drawPath(t, r, 90)
	case "mkdir", "rmdir":
		o.Path = rapid.SampledFrom(dirs[1:]).Draw(t, "dir")
		o.Mode = rapid.SampledFrom([]uint32{0o755, 0o700}).Draw(t, "mode")
	case "rename":
		o.Path, o.To = drawPath(t, r, 90), drawPath(t, r, 40)
		if o.To+".settings.json" == o.Path {
			o.To = "c.txt" // a file whose sidecar would stand where it comes from itself is refused (docs/semantics.md)
		}
		o.Flags = rapid.SampledFrom([]string{"", "", "", "NOREPLACE", "EXCHANGE"}).Draw(t, "flags")
	case "symlink":
		o.Path = drawPath(t, r, 10)
		o.To = rapid.SampledFrom([]string{"a", "d/b", "nowhere", "../d"}).Draw(t, "target")
	case "chmod":
		o.Path, o.Mode = drawPath(t, r, 95), drawMode(t)
	case "chown":
		o.Path, o.ID = drawPath(t, r, 95), rapid.SampledFrom([]uint32{0, 1000, 65534}).Draw(t, "id")
	case "utimens":
		o.Path = drawPath(t, r, 95)
		o.drawTime(t)
	case "setxattr":
		o.Path, o.Seed = drawPath(t, r, 95), drawSeed(t)
		o.Len = rapid.SampledFrom([]int64{0, 1, 40}).Draw(t, "length")
		o.Flags = rapid.SampledFrom([]string{"", "", "CREATE", "REPLACE"}).Draw(t, "flags")
	}
	o.avoidLinkAsSidecar(r)
	if strings.HasSuffix(o.Verb, "xattr") {
		o.Name = rapid.SampledFrom([]string{"a", "mime_type"}).Draw(t, "name")
	}
}

// avoidLinkAsSidecar keeps links from being called as a sidecar: the proof could not
// tell. Nor do they get the name beside one, which files would come to bear that
// follow them: that is refused (docs/semantics.md).
func (o *op) avoidLinkAsSidecar(r *run) {
	isLink := func(p string) bool {
		info, err := os.Lstat(r.c.disk.path(p))
		return err == nil && info.Mode()&os.ModeSymlink != 0
	}
	other := func(p string) string { return strings.Replace(p, rig.SidecarSuffix, ".link", 1) }
	switch {
	case o.Verb == "symlink":
		o.Path = other(o.Path)
	case o.Verb == "rename" && (isLink(o.Path) || o.Flags == "EXCHANGE" && isLink(o.To)):
		o.Path, o.To = other(o.Path), other(o.To)
	}
}

// drawPath takes, in so many of a hundred cases, a path that exists.
func drawPath(t *rapid.T, r *run, existing int) string {
	if rapid.IntRange(0, 99).Draw(t, "luck") < existing {
		if all, err := r.c.tree(); err == nil && len(all) > 0 {
			return rapid.SampledFrom(all).Draw(t, "existing")
		}
	}
	in := []string{"."}
	for _, d := range dirs[1:] {
		if info, err := os.Lstat(r.c.disk.path(d)); err == nil && info.IsDir() {
			in = append(in, d)
		}
	}
	dir := rapid.SampledFrom(in).Draw(t, "dir")
	name := rapid.SampledFrom(append(names, "d", "g", "link")).Draw(t, "name")
	return join(dir, name)
}

func drawOpenFlags(t *rapid.T) string {
	flags := rapid.SampledFrom([]string{"RDWR", "RDWR", "WRONLY", "RDONLY"}).Draw(t, "access")
	for _, extra := range []struct {
		name string
		odds int
	}{{"CREAT", 75}, {"EXCL", 10}, {"TRUNC", 25}, {"APPEND", 15}} {
		if rapid.IntRange(0, 99).Draw(t, extra.name) < extra.odds {
			flags += "|" + extra.name
		}
	}
	return flags
}

// drawOffset prefers the edges of blocks.
func drawOffset(t *rapid.T, size int64) int64 {
	if rapid.Bool().Draw(t, "edge") {
		at := rapid.Int64Range(0, size/block).Draw(t, "block")*block + rapid.Int64Range(-1, 1).Draw(t, "beside")
		return max(0, at)
	}
	return rapid.Int64Range(0, size).Draw(t, "offset")
}

func drawLength(t *rapid.T, size int64) int64 {
	switch rapid.IntRange(0, 4).Draw(t, "length") {
	case 0:
		return rapid.Int64Range(0, 2).Draw(t, "tiny")
	case 1:
		return rapid.Int64Range(3, 5000).Draw(t, "small")
	case 2:
		return rapid.Int64Range(block-1, block+1).Draw(t, "block")
	case 3:
		return rapid.Int64Range(0, 3*block).Draw(t, "blocks")
	}
	return rapid.Int64Range(0, size/2).Draw(t, "long")
}

func drawSeed(t *rapid.T) uint64 { return rapid.Uint64Range(1, 1<<20).Draw(t, "seed") }

func drawMode(t *rapid.T) uint32 {
	return rapid.SampledFrom([]uint32{0o644, 0o600, 0o755, 0o444, 0o666}).Draw(t, "mode")
}

// drawTime is of a time long ago, so that it can be told from the present.
func (o *op) drawTime(t *rapid.T) {
	o.Second = rapid.Int64Range(1, 1<<30).Draw(t, "sec")
	o.Nano = rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")
}
