package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
)

// telling is an Events that tells so many lines of a size, says when it has, and then waits.
func telling(lines, size int, told chan<- error) Handler {
	return Handler{Events: func(ctx context.Context, path, since string, send func(json.RawMessage) error) error {
		for range lines {
			text, err := json.Marshal(path + since + strings.Repeat("x", size))
			if err == nil {
				err = send(text)
			}
			if err != nil {
				told <- err
				return err
			}
		}
		told <- nil
		<-ctx.Done()
		return context.Cause(ctx)
	}}
}

// TestEvents: a client has the lines that the daemon tells, until it hangs up.
func TestEvents(t *testing.T) {
	told := make(chan error, 1)
	r := listenFor(t, telling(3, 200_000, told))
	enough, n := errors.New("enough"), 0
	err := r.client.Events(t.Context(), "d/", "s-1", func(line json.RawMessage) error {
		if n++; !strings.HasPrefix(string(line), `"d/s-1xxx`) || len(line) < 200_000 {
			t.Errorf("%.20s, %d bytes", line, len(line))
		}
		if n == 3 {
			return enough
		}
		return nil
	})
	if err != enough || n != 3 {
		t.Errorf("%d lines, %v", n, err)
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
}

// TestEventsEnd: the end of the mount is one, a daemon that hangs up at once knows no events, and
// one that ends without a word is told from both.
func TestEventsEnd(t *testing.T) {
	r := listenFor(t, Handler{Events: func(_ context.Context, _, _ string, send func(json.RawMessage) error) error { return send([]byte("1")) }})
	if err := r.client.Events(t.Context(), "", "", func(json.RawMessage) error { return nil }); err != nil {
		t.Errorf("at the end of the mount: %v", err)
	}
	told := make(chan error, 1)
	r = listenFor(t, telling(1, 1, told))
	err := r.client.Events(t.Context(), "", "", func(json.RawMessage) error {
		go r.server.Close() // ends when this client does
		return nil
	})
	if !errors.Is(err, ErrCutOff) {
		t.Errorf("cut off: %v", err)
	}
	if err := r.client.Events(t.Context(), "", "", nil); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("nobody there: %v", err)
	}
	l, err := net.Listen("unix", r.server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with the listener; an older daemon hangs up on what it does not know
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadBytes('\n')
			conn.Close()
		}
	}()
	if err := r.client.Events(t.Context(), "", "", nil); !errors.Is(err, ErrOldDaemon) {
		t.Errorf("an older daemon: %v", err)
	}
}

// TestEventsToTheDeaf: a client that reads nothing keeps the daemon from ending for a second at
// most, and no other client waiting.
func TestEventsToTheDeaf(t *testing.T) {
	told := make(chan error, 2)
	r := listenFor(t, telling(20, 200_000, told))
	hold, there := make(chan struct{}), make(chan struct{}, 1)
	defer close(hold)
	deaf := make(chan error, 1)
	go func() { // ends with hold
		deaf <- r.client.Events(context.Background(), "", "", func(json.RawMessage) error {
			there <- struct{}{}
			<-hold
			return errors.New("enough")
		})
	}()
	<-there
	n := 0
	if err := r.client.Events(t.Context(), "", "", func(json.RawMessage) error {
		if n++; n == 20 {
			return errors.New("enough")
		}
		return nil
	}); n != 20 {
		t.Fatalf("the other client has %d lines: %v", n, err)
	}
	<-told
	if err := r.server.Close(); err != nil { // waits for what it serves
		t.Error(err)
	}
	if err := <-told; err == nil {
		t.Error("all of it was sent to one who read nothing")
	}
}
