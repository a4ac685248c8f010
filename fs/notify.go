package fs

import (
	"log/slog"
	"sync"
	"syscall"

	"mcfs/volume"
)

// maxNews bounds the queue. What does not fit is dropped: the kernel asks again
// by itself when its timeouts are over, a second later.
const maxNews = 4096

// notifier tells the kernel to forget entries that news from elsewhere changed.
// The kernel takes the directory's lock for that, which a request under way
// here may hold: so it is done on a goroutine of its own, which nothing waits
// for before the mount ends, and never from a handler or with a lock held.
type notifier struct {
	tell func(dir *volume.Node, name string) syscall.Errno
	log  *slog.Logger

	mu     sync.Mutex
	queue  []news
	queued map[news]struct{}
	closed bool
	wake   chan struct{} // holds at most one token
	wg     sync.WaitGroup
}

type news struct {
	dir  *volume.Node
	name string
}

func newNotifier(log *slog.Logger, tell func(*volume.Node, string) syscall.Errno) *notifier {
	n := &notifier{tell: tell, log: log, queued: make(map[news]struct{}), wake: make(chan struct{}, 1)}
	n.wg.Go(n.run)
	return n
}

// changed queues one entry. It does not wait.
func (n *notifier) changed(dir *volume.Node, name string) {
	item := news{dir, name}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, twice := n.queued[item]; twice || n.closed || len(n.queue) >= maxNews {
		return
	}
	n.queued[item] = struct{}{}
	n.queue = append(n.queue, item)
	n.poke()
}

// poke wakes the goroutine; n.mu is held.
func (n *notifier) poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) take() (list []news, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list, n.queue = n.queue, nil
	clear(n.queued)
	return list, n.closed
}

func (n *notifier) run() {
	for range n.wake {
		list, closed := n.take()
		if closed {
			return
		}
		for _, item := range list {
			// ENOENT: the kernel does not know the entry.
			if errno := n.tell(item.dir, item.name); errno != 0 && errno != syscall.ENOENT {
				n.log.Debug("kernel not told of a change", "name", item.name, "errno", errno)
			}
		}
	}
}

// close ends the goroutine and waits for it; what is queued is dropped. The
// connection must have ended, or a call into the kernel may still wait.
func (n *notifier) close() {
	n.mu.Lock()
	n.closed = true
	n.poke()
	n.mu.Unlock()
	n.wg.Wait()
}

// forgetEntry makes the kernel drop one entry of a directory it knows.
func (f *filesystem) forgetEntry(dir *volume.Node, name string) syscall.Errno {
	d, ok := f.dirs.Load(dir)
	if !ok {
		return syscall.ENOENT
	}
	return d.(*dirNode).NotifyEntry(name)
}
