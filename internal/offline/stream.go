package offline

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mcfs/crypt"
	"mcfs/sidecar"
	"mcfs/volume/remote"
	"mcfs/volume/upload"
)

const (
	// blockSize is how much of a stream is read at once, and let go of at once.
	blockSize = 256 << 10
	// mostWaiting is how much of a stream waits in memory until parts of it have left, if its parts
	// are not so large that one alone takes more.
	mostWaiting = 64 << 20
)

// inflow is a stream that is being encrypted: what has been read and has not left is in memory, since
// it may have to be sent again. It is the source, and the view, of its upload.
type inflow struct {
	begun time.Time
	size  atomic.Int64 // bytes read so far
	acked chan struct{}

	mu     sync.Mutex
	blocks map[int64]*block // by their index
	held   int64            // bytes in blocks
}

// block is a stretch of a stream. What is read of it, sent says how much of that is in the store.
type block struct {
	data []byte
	sent int64
}

func newInflow() *inflow {
	return &inflow{begun: time.Now(), acked: make(chan struct{}, 1), blocks: make(map[int64]*block)}
}

// add takes what comes next; only the last block is shorter than blockSize.
func (f *inflow) add(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocks[f.size.Load()/blockSize] = &block{data: data}
	f.held += int64(len(data))
	f.size.Add(int64(len(data)))
}

// Freeze gives a view of what has been read, which never changes.
func (f *inflow) Freeze(int64, int64) (upload.View, error) { return f, nil }

// Release does nothing: what has been sent is let go of.
func (f *inflow) Release() {}

// ReadAt reads what has not left.
func (f *inflow) ReadAt(p []byte, off int64) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) {
		b := f.blocks[off/blockSize]
		if b == nil || off%blockSize >= int64(len(b.data)) {
			return n, io.EOF
		}
		k := copy(p[n:], b.data[off%blockSize:])
		n, off = n+k, off+int64(k)
	}
	return n, nil
}

// sent lets go of what the store has taken.
func (f *inflow) sent(off, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for end := off + n; off < end; {
		i := off / blockSize
		k := min(end, (i+1)*blockSize) - off
		off += k
		b := f.blocks[i]
		if b == nil {
			continue
		}
		if b.sent += k; b.sent == blockSize {
			clear(b.data)
			f.held -= blockSize
			delete(f.blocks, i)
		}
	}
	select {
	case f.acked <- struct{}{}:
	default:
	}
}

// waiting is how much is in memory.
func (f *inflow) waiting() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

func (f *inflow) check(upload.Result) error { return nil }

func (f *inflow) moved() int64 { return f.size.Load() }

func (f *inflow) attr() sidecar.Attr {
	return sidecar.Attr{Mode: fileBits | 0o600, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Mtime: f.begun}
}

// piece is what was read of a stream.
type piece struct {
	data []byte
	err  error
}

// pieces reads a stream, block by block, to its end. It may hang in a read, and then ends with the
// process.
func pieces(ctx context.Context, in io.Reader) <-chan piece {
	out := make(chan piece)
	go func() {
		for {
			p := piece{data: make([]byte, blockSize)}
			var n int
			n, p.err = io.ReadFull(in, p.data)
			p.data = p.data[:n]
			if errors.Is(p.err, io.ErrUnexpectedEOF) {
				p.err = io.EOF
			}
			select {
			case out <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil {
				return
			}
		}
	}()
	return out
}

// stream encrypts standard input.
func (w *Writer) stream(ctx context.Context, e Encryption, i Item, key string) Item {
	there, side, err := w.before(ctx, key)
	switch {
	case err != nil:
		return i.failed(err)
	case there != nil && !e.Force:
		return w.compareStream(ctx, e.In, i, key, there)
	case e.DryRun:
		i.State = Would
		return i
	}
	f := newInflow()
	i.State, err = w.outcome(key, w.putStream(ctx, e.In, f, key, there, side))
	i.Size = f.size.Load()
	if err != nil {
		return i.failed(err)
	}
	return i
}

// compareStream reports whether standard input is what is there already.
func (w *Writer) compareStream(ctx context.Context, in io.Reader, i Item, key string, there *remote.Version) Item {
	if there.Damage != nil || there.Foreign() || there.IsSymlink() || there.MAC == "" {
		return i.failed(w.another(key))
	}
	wrapped, keyID := there.DataKey()
	dataKey, err := w.unwrap(ctx, wrapped, keyID)
	if err != nil {
		return i.failed(err)
	}
	defer clear(dataKey)
	n, mac, err := crypt.EncryptStream(io.Discard, reading{ctx, in}, there.Mode, dataKey, there.IV)
	if err != nil {
		return i.failed(err)
	}
	if n != there.Plain || crypt.SameMAC(there.MAC, mac) != nil {
		return i.failed(w.another(key))
	}
	i.State, i.Size = There, n
	return i
}

// putStream makes a version of a stream. Parts leave while it is read.
func (w *Writer) putStream(ctx context.Context, in io.Reader, f *inflow, key string, there *remote.Version, side *remote.FoundSidecar) error {
	up, err := w.start(ctx, upload.Target{Key: key, Acked: f.sent}, f)
	if err != nil {
		return err
	}
	defer up.Abort()
	p := &publication{w: w, from: f, key: key, there: there, side: side, up: up}
	defer p.end(ctx)
	var idle atomic.Bool // nothing is to move: the stream is waited for
	moving, stop := whileMoving(ctx, w.c.Upload.Timeout, p.moved, func() bool { return idle.Load() || p.waits() })
	defer stop()
	for next := pieces(moving, in); ; {
		idle.Store(true)
		var got piece
		select {
		case got = <-next:
		case <-moving.Done():
			return context.Cause(moving)
		}
		idle.Store(false)
		if len(got.data) > 0 {
			f.add(got.data)
			up.Advance(f.size.Load())
		}
		if errors.Is(got.err, io.EOF) {
			return p.finish(ctx, moving, f, f.size.Load())
		}
		if got.err != nil {
			return got.err
		}
		if err := f.awaitRoom(moving, up); err != nil {
			return err
		}
	}
}

// awaitRoom waits while much is in memory and on its way.
func (f *inflow) awaitRoom(ctx context.Context, up *upload.Upload) error {
	for f.waiting() > mostWaiting && up.Leaving() {
		look := time.NewTimer(20 * time.Millisecond) // the last that was on its way tells before it has ended
		select {
		case <-f.acked:
		case <-look.C:
		case <-ctx.Done():
			look.Stop()
			return context.Cause(ctx)
		}
		look.Stop()
	}
	return nil
}
