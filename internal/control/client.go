package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
)

// ErrNoDaemon is returned if nobody answers for the mountpoint.
var ErrNoDaemon = errors.New("no daemon answers")

// Client asks the daemon of a mountpoint. Its errors are ErrNoDaemon, a Failure that the
// daemon tells of, or say what became of the request.
type Client struct {
	Mountpoint string
	Users      []int // whose daemon it may be
}

// Unmount are the ways to end a mount, other than to refuse while something is open for
// writing and to finish what is pending.
type Unmount struct {
	Now  bool // leave what is pending, and cut off what is open
	Wait bool // until nothing is open for writing
}

// Unmount ends the mount, and returns when the daemon has ended. tell gets its lines of
// progress.
func (c Client) Unmount(ctx context.Context, how Unmount, tell func(string)) error {
	_, err := c.ask(ctx, request{Op: "unmount", Now: how.Now, Wait: how.Wait}, textTo(tell))
	return err
}

// Sync returns when everything at and under a path of the volume is committed; with
// repair the sidecars there are looked at first. tell gets the lines of progress.
func (c Client) Sync(ctx context.Context, path string, repair bool, tell func(string)) error {
	_, err := c.ask(ctx, request{Op: "sync", Paths: []string{path}, Repair: repair}, textTo(tell))
	return err
}

// WrongSidecars calls tell with the path in the volume of each file at and under a path whose sidecar
// a repair would put again. Nothing is changed.
func (c Client) WrongSidecars(ctx context.Context, path string, tell func(path string)) error {
	gone := ErrOldDaemon
	a, err := c.ask(ctx, request{Op: "wrong", Paths: []string{path}}, func(a answer) {
		if a.Path != "" {
			gone = ErrCutOff
			tell(a.Path)
		}
	})
	if err != nil && !a.Done && ctx.Err() == nil && !errors.Is(err, ErrNoDaemon) {
		return fmt.Errorf("the daemon of %s: %w", c.Mountpoint, gone)
	}
	return err
}

// Restore brings something back from quarantine. It returns the path in the volume that this has
// now, "" from an old daemon; tell is told, too.
func (c Client) Restore(ctx context.Context, id string, tell func(string)) (path string, err error) {
	a, err := c.ask(ctx, request{Op: "restore", ID: id}, textTo(tell))
	return a.Path, err
}

// Reload has the mount take over what has changed in its configuration. tell is told of each change.
func (c Client) Reload(ctx context.Context, tell func(string)) error {
	a, err := c.ask(ctx, request{Op: "reload"}, textTo(tell))
	if err != nil && !a.Done && ctx.Err() == nil && !errors.Is(err, ErrNoDaemon) {
		return fmt.Errorf("the daemon of %s: %w", c.Mountpoint, ErrOldDaemon)
	}
	return err
}

// textTo hands on what an answer has for a person.
func textTo(tell func(string)) func(answer) {
	return func(a answer) {
		if a.Text != "" {
			tell(a.Text)
		}
	}
}

// Status fills in how the mount is at and under a path of the volume: the value that the
// daemon's Handler has returned.
func (c Client) Status(ctx context.Context, path string, report any) error {
	conn, hangUp, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp()
	var a answer
	if err = send(conn, request{Op: "status", Paths: []string{path}}); err == nil {
		err = json.NewDecoder(bufio.NewReader(conn)).Decode(&a)
	}
	switch {
	case errors.Is(err, io.EOF), err == nil && (a.Report == nil || bytes.Equal(a.Report, []byte("null"))):
		return errors.New("it is ending, or of a version that knows no status: mount it anew")
	case err == nil:
		err = json.Unmarshal(a.Report, report)
	}
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// ErrOldDaemon is returned if the daemon is of a version that does not know the request.
var ErrOldDaemon = errors.New("it is ending, or of a version that does not know this request: mount it anew")

// ErrCutOff is returned if the daemon has ended without a word, as when it is killed.
var ErrCutOff = errors.New("the daemon has ended before it told all: mount it again, and what is pending goes on")

// Events calls tell with each line about what happens at and below a path of the volume, after the
// one that since names, until ctx or the mount ends, or tell fails. Its error then is the cause.
func (c Client) Events(ctx context.Context, path, since string, tell func(json.RawMessage) error) error {
	conn, hangUp, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp()
	if err := send(conn, request{Op: "events", Paths: []string{path}, Since: since}); err != nil {
		return fmt.Errorf("ask the daemon of %s: %w", c.Mountpoint, err)
	}
	gone := ErrOldDaemon
	for lines := json.NewDecoder(conn); ; gone = ErrCutOff {
		var a answer
		err := lines.Decode(&a)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("events of %s: %w", c.Mountpoint, gone)
		case a.Done && a.Error != "":
			return Failure{Text: a.Error, Status: a.Status}
		case a.Done:
			return nil
		}
		if err := tell(a.Event); err != nil {
			return err
		}
	}
}

// ask sends a request, hands each answer to tell, and returns the last one when the daemon has
// ended or done what was asked.
func (c Client) ask(ctx context.Context, r request, tell func(answer)) (last answer, err error) {
	conn, hangUp, err := c.connect(ctx)
	if err != nil {
		return last, err
	}
	defer hangUp()
	if err := send(conn, r); err != nil {
		return last, fmt.Errorf("ask the daemon of %s: %w", c.Mountpoint, err)
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return last, fmt.Errorf("answer of the daemon of %s: %w", c.Mountpoint, err)
		}
		tell(a)
		if a.Done {
			last = a
		}
	}
	switch {
	case ctx.Err() != nil:
		return last, fmt.Errorf("interrupted: the daemon of %s goes on", c.Mountpoint)
	case !last.Done:
		return last, fmt.Errorf("the daemon of %s ended without finishing: what is left is in its spool, the next mount goes on", c.Mountpoint)
	case last.Error != "":
		return last, Failure{Text: last.Error, Status: last.Status}
	}
	return last, nil
}

func send(conn net.Conn, r request) error {
	line, err := lineOf(r)
	if err == nil {
		_, err = conn.Write(line)
	}
	return err
}

// connect finds the daemon. The connection ends with ctx, or by hangUp.
func (c Client) connect(ctx context.Context) (conn net.Conn, hangUp func(), err error) {
	var d net.Dialer
	for _, uid := range c.Users {
		for _, path := range Sockets(c.Mountpoint, uid) {
			if private(filepath.Dir(path), uid) != nil {
				continue
			}
			conn, err := d.DialContext(ctx, "unix", path)
			if err != nil {
				continue
			}
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			return conn, func() { stop(); conn.Close() }, nil
		}
	}
	return nil, nil, ErrNoDaemon
}
