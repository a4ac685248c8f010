package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerTimeout = 5 * time.Second  // for a request to arrive
	writeTimeout  = 10 * time.Second // for an answer, or a part of one, to be read
	idleTimeout   = time.Minute
	closeTimeout  = time.Second // for answers under way
	mostHeader    = 16 << 10
)

// Server shows the page until Close.
type Server struct {
	listener net.Listener
	keys     keys
	server   *http.Server  // nil until Serve
	ended    chan struct{} // closed when the server has ended
	ctx      context.Context
	cancel   context.CancelFunc // of what is done for those who look
	viewers  chan struct{}      // one each
	reads    chan struct{}      // of settings, one each
	source   Source

	mu     sync.Mutex // of looking: one looks for all
	last   *picture
	recent map[string]*recent // by mountpoint
	follow sync.WaitGroup
}

// Listen listens at an address of this machine, where clients wait until Serve. Its error names
// the setting and the cure.
func Listen(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w; choose another port, or leave it empty", err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("web.listen: %s can be reached from other machines; give 127.0.0.1 and a port", l.Addr()), l.Close())
	}
	s := &Server{listener: l, keys: newKeys(l.Addr()), ended: make(chan struct{}), viewers: make(chan struct{}, mostViewers), reads: make(chan struct{}, mostReads), recent: make(map[string]*recent)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Address is that of the page, with its token.
func (s *Server) Address() string {
	return "http://" + s.listener.Addr().String() + "/?token=" + s.keys.token
}

// Serve begins to show what a source tells.
func (s *Server) Serve(source Source) {
	s.source = source
	s.server = &http.Server{
		Handler: s.keys.guard(s.routes()), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: mostHeader, ErrorLog: log.New(io.Discard, "", 0), // what clients do wrong
	}
	go func() { // ends by Close
		defer close(s.ended)
		_ = s.server.Serve(s.listener)
	}()
}

// Close ends the page for all who look, and frees the address. It may be called again.
func (s *Server) Close() error {
	s.cancel()
	if s.server == nil {
		return s.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	<-s.ended
	s.mu.Lock() // who looked meanwhile has begun to follow, and nobody else does
	defer s.mu.Unlock()
	s.follow.Wait()
	return err
}

// Show serves the page of a source until ctx ends, after it has printed the address. It fails at once
// where there is nothing to show.
func Show(ctx context.Context, source Source, out io.Writer) error {
	if reports, err := source.Reports(ctx); err != nil && len(reports) == 0 {
		return err
	}
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	s.Serve(source)
	if _, err := fmt.Fprintln(out, s.Address()); err != nil {
		return errors.Join(err, s.Close())
	}
	<-ctx.Done()
	return s.Close()
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.page)
	mux.HandleFunc("/events", s.events)
	mux.HandleFunc("/settings", s.settings)
	mux.HandleFunc("/style.css", asset("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("/page.js", asset("page.js", "text/javascript; charset=utf-8"))
	return mux
}
