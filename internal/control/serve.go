package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"mcfs/internal/human"
)

// requestTimeout is how long a client may take to send its request.
const requestTimeout = time.Second

// serve does what one client asks for.
func (s *Server) serve(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(requestTimeout))
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	var r request
	if err != nil || json.Unmarshal(line, &r) != nil {
		r.Op = "" // also one who only looked whether somebody answers
	}
	switch r.Op {
	case "unmount":
		s.unmount(conn, r)
	case "sync":
		s.sync(conn, r)
	case "wrong":
		s.wrong(conn, r)
	case "status":
		s.status(conn, r.Paths)
	case "events":
		s.events(conn, r)
	case "restore":
		s.restore(conn, r.ID)
	case "reload":
		s.reload(conn)
	default:
		conn.Close()
	}
}

// unmount asks for the end of the daemon, unless something is open for writing: the
// client is told what, or waits until nothing is.
func (s *Server) unmount(conn net.Conn, r request) {
	if !r.Now {
		err, hungUp := s.whileConnected(conn, func(ctx context.Context, tell func(string)) error { return s.handler.Unused(ctx, r.Wait, tell) })
		if err != nil || hungUp {
			if !hungUp {
				s.write(conn, done(err))
			}
			conn.Close()
			return
		}
	}
	s.mu.Lock()
	s.waiting[conn] = struct{}{}
	s.mu.Unlock()
	s.handler.Stop(r.Now)
}

// sync commits the paths for one client.
func (s *Server) sync(conn net.Conn, r request) {
	defer conn.Close()
	err, hungUp := s.whileConnected(conn, func(ctx context.Context, tell func(string)) error {
		var failed error
		if r.Repair {
			failed = s.handler.Repair(ctx, r.Paths, tell)
		}
		return errors.Join(failed, s.handler.Sync(ctx, r.Paths, tell))
	})
	if !hungUp {
		s.write(conn, done(err))
	}
}

// reload has the mount take over its configuration.
func (s *Server) reload(conn net.Conn) {
	defer conn.Close()
	err, hungUp := s.whileConnected(conn, s.handler.Reload)
	if !hungUp {
		s.write(conn, done(err))
	}
}

// wrong names the files whose sidecars a repair would put again.
func (s *Server) wrong(conn net.Conn, r request) {
	defer conn.Close()
	err, hungUp := s.whileConnected(conn, func(ctx context.Context, _ func(string)) error {
		return s.handler.Wrong(ctx, under(r.Paths), func(path string) { s.write(conn, answer{Path: path}) })
	})
	if !hungUp {
		s.write(conn, done(err))
	}
}

// whileConnected runs what one client has asked for. Its ctx ends when the client hangs
// up, which is reported then.
func (s *Server) whileConnected(conn net.Conn, do func(ctx context.Context, tell func(string)) error) (err error, hungUp bool) {
	ctx, hangUp := context.WithCancel(s.ctx)
	defer hangUp()
	_ = conn.SetReadDeadline(time.Time{})
	var wg sync.WaitGroup
	wg.Go(func() { // ends when the client does, or at the deadline below
		_, err := conn.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			hangUp()
		}
	})
	err = do(ctx, func(text string) { s.write(conn, answer{Text: text}) })
	_ = conn.SetReadDeadline(time.Now())
	wg.Wait()
	return err, ctx.Err() != nil && s.ctx.Err() == nil
}

// events sends a client what happens until the mount ends. One that does not read is waited for
// here, which keeps nobody else, and no longer than the server is there.
func (s *Server) events(conn net.Conn, r request) {
	defer conn.Close()
	var broken error
	err, hungUp := s.whileConnected(conn, func(ctx context.Context, _ func(string)) error {
		stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now().Add(writeTimeout)) })
		defer stop()
		return s.handler.Events(ctx, under(r.Paths), r.Since, func(event json.RawMessage) error {
			line, err := lineOf(answer{Event: event})
			if err == nil {
				_, broken = conn.Write(line)
			}
			return errors.Join(err, broken)
		})
	})
	if !hungUp && broken == nil && s.ctx.Err() == nil {
		s.write(conn, done(err))
	}
}

// under is the path that a request is about.
func under(paths []string) string {
	if len(paths) == 0 {
		return ""
	}
	return paths[0]
}

func (s *Server) status(conn net.Conn, paths []string) {
	defer conn.Close()
	report, err := json.Marshal(s.handler.Status(under(paths)))
	if err != nil {
		s.handler.Log(err)
		return
	}
	s.write(conn, answer{Done: true, Report: report})
}

func (s *Server) restore(conn net.Conn, id string) {
	defer conn.Close()
	path, err := s.handler.Restore(s.ctx, id)
	a := done(err)
	if err == nil {
		a.Path, a.Text = path, "restored as "+path+", interrupted: mcfs sync commits it"
	}
	s.write(conn, a)
}

// done is the last answer to a request.
func done(err error) answer {
	a := answer{Done: true}
	if err != nil {
		a.Error = human.OneLine(err)
	}
	if f, ok := errors.AsType[Failure](err); ok {
		a.Status = f.Status
	}
	return a
}
