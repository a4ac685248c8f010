package fs

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/keys"
	"mcfs/store/dir"
	"mcfs/volume"
)

// asked is a filesystem that notes what it is asked.
type asked struct {
	fuse.RawFileSystem
	calls  []string
	refuse fuse.Status
}

func (a *asked) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, _ *fuse.AttrOut) fuse.Status {
	call := "setattr"
	if in.Valid&fuse.FATTR_KILL_SUIDGID != 0 {
		call = "drop"
	}
	a.calls = append(a.calls, call)
	return a.refuse
}

func (a *asked) Write(<-chan struct{}, *fuse.WriteIn, []byte) (uint32, fuse.Status) {
	a.calls = append(a.calls, "write")
	return 1, fuse.OK
}

func (a *asked) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	a.calls = append(a.calls, "write")
	return 1, fuse.OK
}

// TestWriteDropsSetID: a write of which the request says so drops setuid and setgid before it
// changes anything. Some kernels ask for that by a request of its own, so that no write of theirs shows it.
func TestWriteDropsSetID(t *testing.T) {
	for _, c := range []struct {
		flags  uint32
		refuse fuse.Status
		want   []string
	}{
		{0, fuse.OK, []string{"write"}},
		{fuse.WRITE_KILL_SUIDGID, fuse.OK, []string{"drop", "write"}},
		{fuse.WRITE_KILL_SUIDGID, fuse.EIO, []string{"drop"}},
	} {
		in := &fuse.WriteIn{WriteFlags: c.flags}
		one, many := &asked{refuse: c.refuse}, &asked{refuse: c.refuse}
		_, s := changes{one}.Write(nil, in, []byte("x"))
		_, sv := changes{many}.Writev(nil, in, [][]byte{[]byte("x")})
		if s != c.refuse || sv != c.refuse || !slices.Equal(one.calls, c.want) || !slices.Equal(many.calls, c.want) {
			t.Errorf("flags %#x: %v %v, %v %v; want %v %v", c.flags, one.calls, s, many.calls, sv, c.want, c.refuse)
		}
	}
}

// TestSetIDIsNotKept: the kernel keeps no attributes of a file with setuid or setgid, which it does
// not see go with a write.
func TestSetIDIsNotKept(t *testing.T) {
	for mode, kept := range map[uint32]bool{0o755: true, 0o4755: false, 0o2755: false, 0o6755: false, 0o1755: true} {
		a := volume.Attr{Mode: syscall.S_IFREG | mode}
		if got := attrTimeout(volume.File, a) > 0; got != kept {
			t.Errorf("%o is kept: %v", mode, got)
		}
		if got := attrTimeout(volume.Dir, a) > 0; !got {
			t.Errorf("%o of a directory is not kept", mode)
		}
	}
}

// TestAllocateDropsSetID: a fallocate by somebody without privileges drops setuid and setgid, also
// where the kernel asks for nothing beside it.
func TestAllocateDropsSetID(t *testing.T) {
	st, err := dir.New(dir.Options{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := keys.CreateLocal(filepath.Join(t.TempDir(), "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	v := machine(t, st, keeper)
	saveOn(t, v, "tool", "content")
	tool, err := v.Root().Lookup(t.Context(), "tool")
	if err != nil {
		t.Fatal(err)
	}
	mode := uint32(0o6755)
	if _, err := tool.SetAttr(t.Context(), nil, volume.SetAttr{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	o := Options{Log: slog.New(slog.DiscardHandler)}
	f := newFilesystem(v, o)
	kernel := gofs.NewNodeFS(&dirNode{node: node{fs: f, v: v.Root()}}, f.nodeOptions(o))
	kernel.Init(nil)
	var found fuse.EntryOut
	if s := kernel.Lookup(nil, &fuse.InHeader{NodeId: 1}, "tool", &found); !s.Ok() {
		t.Fatal(s)
	}
	by := fuse.InHeader{NodeId: found.NodeId, Caller: fuse.Caller{Owner: fuse.Owner{Uid: 1001, Gid: 1001}}}
	var opened fuse.OpenOut
	if s := kernel.Open(nil, &fuse.OpenIn{InHeader: by, Flags: uint32(os.O_RDWR)}, &opened); !s.Ok() {
		t.Fatal(s)
	}
	if s := kernel.Fallocate(nil, &fuse.FallocateIn{InHeader: by, Fh: opened.Fh, Length: 4096}); !s.Ok() {
		t.Fatal(s)
	}
	if a, err := tool.Attr(t.Context()); err != nil || a.Mode&0o7777 != 0o755 {
		t.Errorf("the mode is %o, %v", a.Mode, err)
	}
	kernel.Release(nil, &fuse.ReleaseIn{InHeader: by, Fh: opened.Fh})
}
