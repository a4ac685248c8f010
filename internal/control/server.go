package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// writeTimeout is how long a client may take to read one line.
const writeTimeout = time.Second

// Handler is what a daemon does for those who ask. The ctx of a request ends when its
// client hangs up, and tell sends the client a line of progress.
type Handler struct {
	// Stop asks the daemon to end; it does not wait for that.
	Stop func(now bool)
	// Unused returns nil if nothing is open for writing; with wait, when nothing is any more.
	Unused func(ctx context.Context, wait bool, tell func(string)) error
	// Sync returns when everything under the paths is committed.
	Sync func(ctx context.Context, paths []string, tell func(string)) error
	// Repair has wrong sidecars under the paths put again, for which Sync then waits.
	Repair func(ctx context.Context, paths []string, tell func(string)) error
	// Wrong calls tell with the path of each file at and under a path whose sidecar Repair would
	// have put again, one after the other.
	Wrong func(ctx context.Context, path string, tell func(path string)) error
	// Status returns how the mount is at and under a path, as a value for JSON.
	Status func(path string) any
	// Events calls send with each line about what happens at and below a path, after the one that
	// since names, until ctx or the mount ends. send may take its time.
	Events func(ctx context.Context, path, since string, send func(json.RawMessage) error) error
	// Restore brings something back from quarantine and returns where it is now.
	Restore func(ctx context.Context, id string) (path string, err error)
	// Reload has the mount take over what has changed in its configuration, of which tell is told.
	Reload func(ctx context.Context, tell func(string)) error
	// Log is told of what went wrong with the socket.
	Log func(error)
}

// Server is the daemon's side of the socket.
type Server struct {
	listener net.Listener
	handler  Handler
	ctx      context.Context // of what is done for clients
	cancel   context.CancelFunc

	wg      sync.WaitGroup // accept, and the connections that are served
	mu      sync.Mutex
	waiting map[net.Conn]struct{} // clients that wait for the end of the daemon
}

// Listen makes the socket of a mountpoint and serves it until Close. It fails if another
// daemon answers there.
func Listen(mountpoint string, h Handler) (*Server, error) {
	l, err := listen(mountpoint)
	if err != nil {
		return nil, err
	}
	s := newServer(l, h)
	s.wg.Go(s.accept)
	return s, nil
}

func newServer(l net.Listener, h Handler) *Server {
	s := &Server{handler: h, listener: l, waiting: make(map[net.Conn]struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func listen(mountpoint string) (net.Listener, error) {
	var failed error
	for _, path := range Sockets(mountpoint, os.Geteuid()) {
		dir := filepath.Dir(path)
		err := os.Mkdir(dir, 0o700)
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = private(dir, os.Geteuid())
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return nil, fmt.Errorf("another mcfs serves %s, or is about to end: wait for it with mcfs unmount %q", mountpoint, mountpoint)
		}
		_ = os.Remove(path) // of a daemon that was killed
		l, err := net.Listen("unix", path)
		if err == nil {
			if err = os.Chmod(path, 0o600); err == nil { // the folder already keeps others out
				return l, nil
			}
			l.Close()
		}
		failed = errors.Join(failed, err)
	}
	return nil, fmt.Errorf("no folder for the control socket: %w: make one of these folders yours", failed)
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.wg.Go(func() { s.serve(conn) })
	}
}

// Tell sends a line of progress to all who wait for the end of the daemon.
func (s *Server) Tell(text string) { s.broadcast(answer{Text: text}) }

// Ended tells all who wait how the daemon has ended. They are let go by the end of the
// process.
func (s *Server) Ended(err error) { s.broadcast(done(err)) }

// broadcast drops a client that does not read.
func (s *Server) broadcast(a answer) {
	line, err := lineOf(a)
	if err != nil {
		s.handler.Log(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.waiting {
		_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := conn.Write(line); err != nil {
			conn.Close()
			delete(s.waiting, conn)
		}
	}
}

func (s *Server) write(conn net.Conn, a answer) {
	line, err := lineOf(a)
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err = conn.Write(line)
	}
	if err != nil && s.ctx.Err() == nil {
		s.handler.Log(err)
	}
}

// lineOf returns a message as a line of JSON.
func lineOf(message any) ([]byte, error) {
	line, err := json.Marshal(message)
	return append(line, '\n'), err
}

// Close takes the socket away and ends what is done for clients. Those who wait for the
// end of the daemon stay connected.
func (s *Server) Close() error {
	err := s.listener.Close() // removes the file
	s.cancel()
	s.wg.Wait()
	return err
}
