package fs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"mcfs/volume"
)

const (
	// maxWrite is the largest read or write request, bytes. 128 KiB measured
	// better than 1 MiB: the buffers stay in the processor's cache.
	maxWrite = 128 << 10
	// maxReadAhead is how far the kernel may read ahead of a program, bytes.
	maxReadAhead = 1 << 20
	// maxBackground is how many background requests may run at once: read-ahead
	// and releases. The default, 12, lets a dozen slow reads block every close.
	maxBackground = 64
	// believed is how long the kernel may keep names and attributes. That a name does not
	// exist it may not keep.
	believed = time.Second
)

// ErrDetached is returned if programs still had files open. The mountpoint is free, and
// the mount ends when they close them.
var ErrDetached = errors.New("still in use: detached, and ends with the last open file")

// ErrElsewhere is an ErrDetached of a mount that nobody uses here, but which another mount namespace has, too, as that of
// a container to which its folder was given. It ends with the process that serves it.
var ErrElsewhere = fmt.Errorf("another mount namespace, as that of a container, has it, too: %w", ErrDetached)

// elsewhereAfter is how long a mount that is gone here may take to end, which is done at once where nobody else has it.
const elsewhereAfter = 10 * time.Second

// Options of a mount.
type Options struct {
	AllowOther bool   // let other users in; the kernel checks permissions then
	ReadOnly   bool   // the kernel lets no program change anything
	FsName     string // the source that mount(8) and df show, as "mcfs#bucket/prefix"; "": mcfs
	Debug      bool   // log every request, without content

	// UID and GID are the owner of everything that is made in the mount; nil: its maker is.
	UID, GID *uint32

	Extra []string // further mount options, as "noexec"
	Log   *slog.Logger
}

// Server is a mount that answers.
type Server struct {
	mountpoint string
	fuse       *fuse.Server
	log        *slog.Logger
	ended      chan struct{} // closed when the last request is answered and the connection closed

	mu       sync.Mutex // one unmount at a time
	detached bool
}

// Mount mounts v at mountpoint, an empty directory, and returns when the mount answers or
// ctx ends. Its errors name the thing and the cure in one line. The caller closes the
// volume, after Wait.
func Mount(ctx context.Context, mountpoint string, v *volume.Volume, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	mountpoint, err := Preflight(mountpoint, o.AllowOther)
	if err != nil {
		return nil, err
	}
	f := newFilesystem(v, o)
	s := &Server{mountpoint: mountpoint, log: o.Log, ended: make(chan struct{})}
	root := &dirNode{node: node{fs: f, v: v.Root()}}
	raw := platformFS(gofs.NewNodeFS(root, f.nodeOptions(o)))
	if s.fuse, err = fuse.NewServer(raw, mountpoint, mountOptions(o)); err != nil {
		return nil, fmt.Errorf("mount %s: %s", mountpoint, strings.TrimSpace(err.Error())) // the helper's ends in a newline
	}
	keepFromChildren(o.Log)
	go s.serve()
	if err := s.waitMount(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("mount %s: %w", mountpoint, err), s.Unmount())
	}
	afterMount(mountpoint, o.Log)
	return s, nil
}

func newFilesystem(v *volume.Volume, o Options) *filesystem {
	return &filesystem{volume: v, log: o.Log, trouble: newComplaints(o.Log), uid: o.UID, gid: o.GID, obeysACLs: o.AllowOther}
}

// nodeOptions returns go-fuse's options, without timeouts of entries and attributes: those
// are set in every answer, since go-fuse would replace a zero by its default.
func (f *filesystem) nodeOptions(o Options) *gofs.Options {
	return &gofs.Options{
		NullPermissions: true, // a mode of 0 means 0
		RootStableAttr:  &gofs.StableAttr{Ino: f.volume.Root().Ino()},
		Logger:          fuseLogger(o.Log),
	}
}

func mountOptions(o Options) *fuse.MountOptions {
	m := &fuse.MountOptions{
		AllowOther:    o.AllowOther,
		Name:          "mcfs",
		FsName:        o.FsName,
		Options:       append([]string(nil), o.Extra...),
		MaxWrite:      maxWrite,
		MaxReadAhead:  maxReadAhead,
		MaxBackground: maxBackground,
		DisableSplice: true, // all data comes from memory
		Debug:         o.Debug,
		Logger:        fuseLogger(o.Log),
		PanicHandler:  panicHandler(o.Log),
	}
	if m.FsName == "" {
		m.FsName = m.Name
	}
	if o.AllowOther {
		m.Options = append(m.Options, "default_permissions")
	}
	if o.ReadOnly {
		m.Options = append(m.Options, readOnly)
	}
	platformOptions(m)
	return m
}

// serve answers until the mount ends, by Unmount or by anybody's umount.
func (s *Server) serve() {
	defer close(s.ended)
	s.fuse.Serve()
}

func (s *Server) waitMount(ctx context.Context) error {
	ready := make(chan error, 1)
	go func() { ready <- answers(s.fuse) }() // ends with the mount at the latest
	select {
	case err := <-ready:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Mountpoint returns where the mount is, absolute and without symbolic links.
func (s *Server) Mountpoint() string { return s.mountpoint }

// Wait returns when the mount has ended, for whatever reason, and the last request is
// answered.
func (s *Server) Wait() { <-s.ended }

// Done returns a channel that is closed when Wait would return.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Unmount ends the mount. If programs have files open in it, it is detached, and the error
// is ErrDetached: it disappears from the tree at once, and ends with the last open file.
// A mount that has ended already is no error.
func (s *Server) Unmount() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		return nil
	default:
	}
	if s.detached {
		return fmt.Errorf("unmount %s: %w", s.mountpoint, ErrDetached)
	}
	err := s.unmountHere()
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrElsewhere) {
		s.detached = true
		return fmt.Errorf("unmount %s: %w", s.mountpoint, err)
	}
	s.log.Debug("mount is busy", "mountpoint", s.mountpoint, "err", err)
	if lazy := detach(s.mountpoint); lazy != nil {
		return fmt.Errorf("unmount %s: %w", s.mountpoint, errors.Join(err, lazy))
	}
	s.detached = true
	return fmt.Errorf("unmount %s: %w", s.mountpoint, ErrDetached)
}

// unmountHere takes the mount out of the tree if it is not in use, and waits until it has ended. Where another mount
// namespace has a copy of it the kernel ends it only with that, for which nobody can wait.
func (s *Server) unmountHere() error {
	mine, _ := MountAt(s.mountpoint)
	result := make(chan error, 1)
	go func() { // ends with the mount
		err := s.fuse.Unmount() // tries for a moment, then waits for the last request
		if err == nil {
			<-s.ended
		}
		result <- err
	}()
	looks := time.NewTicker(elsewhereAfter)
	defer looks.Stop()
	for {
		select {
		case err := <-result:
			return err
		case <-looks.C:
			if now, there := MountAt(s.mountpoint); !there || now.Device != mine.Device {
				return ErrElsewhere
			}
		}
	}
}

// panicHandler returns a function that logs a panic and answers its request with EIO, so
// that the mount goes on.
func panicHandler(log *slog.Logger) func(any) fuse.Status {
	return func(v any) fuse.Status {
		log.Error("panic while answering a request", "panic", fmt.Sprint(v), "stack", stack())
		return fuse.Status(syscall.EIO)
	}
}
