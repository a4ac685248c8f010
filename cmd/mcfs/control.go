package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"mcfs/internal/human"
)

// The control socket of a daemon lies in its user's runtime folder, named after
// the mountpoint. A client sends one request, a line of JSON; the daemon answers
// with lines of JSON: one, to "status" and "restore". After "unmount" it keeps the connection until it has ended,
// so that the end of the connection is the end of the daemon; after "sync" until
// all that was asked for is done, or the client hangs up.

// request is what a client asks for.
type request struct {
	Op     string   `json:"op"`               // "unmount", "sync" or "status"
	Now    bool     `json:"now,omitempty"`    // do not wait for what is pending, and end what is open
	Wait   bool     `json:"wait,omitempty"`   // until nothing is open for writing
	Paths  []string `json:"paths,omitempty"`  // of sync and status, in the volume; "" is all of it
	Repair bool     `json:"repair,omitempty"` // of sync: look at all sidecars first
	ID     string   `json:"id,omitempty"`     // of restore, in quarantine
}

// answer is one line back.
type answer struct {
	Text  string `json:"text,omitempty"`  // progress, for a person
	Done  bool   `json:"done,omitempty"`  // the last line: unmounted, or in sync
	Error string `json:"error,omitempty"` // with Done: what could not be finished

	Status int `json:"status,omitempty"` // with Error: that of the client's exit, if it is not 1

	Report *report `json:"report,omitempty"` // to status, with Done
}

// runtimeDirs are the folders in which the sockets of a user's daemons may be,
// the preferred one first. They do not depend on the environment, which differs
// between boot, a login and sudo.
func runtimeDirs(uid int) []string {
	dirs := []string{"/run/mcfs"}
	if uid != 0 {
		dirs = []string{filepath.Join("/run/user", strconv.Itoa(uid), "mcfs")}
	}
	return append(dirs, fmt.Sprintf("/tmp/mcfs-%d", uid))
}

func socketName(mountpoint string) string {
	sum := sha256.Sum256([]byte(mountpoint))
	return hex.EncodeToString(sum[:12]) + ".sock"
}

// private says that a runtime folder is the user's own: in /tmp, anybody could
// have made one.
func private(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != uid || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s must be a folder of user %d with mode 0700", dir, uid)
	}
	return nil
}

// served is what a daemon does for those who ask.
type served struct {
	stop   func(now bool)                                                // asks the daemon to end
	unused func(ctx context.Context, wait bool, tell func(string)) error // nil: nothing is open for writing
	settle func(ctx context.Context, paths []string, tell func(string)) error
	// repair has wrong sidecars put again, for which settle then waits.
	repair func(ctx context.Context, paths []string, tell func(string)) error
	status func(path string) report
	// restore brings something back from quarantine and says where.
	restore func(ctx context.Context, id string) (path string, err error)
	log     func(error)
}

// control is the daemon's side.
type control struct {
	listener net.Listener
	served
	ctx    context.Context // of what is done for clients
	cancel context.CancelFunc

	wg    sync.WaitGroup // accept and those who serve a connection
	mu    sync.Mutex
	conns map[net.Conn]struct{} // of those who wait for the end
}

// listenControl makes the socket. That nobody else answers on it makes sure
// that one daemon alone serves a mountpoint.
func listenControl(mountpoint string, s served) (*control, error) {
	l, err := listenUnix(mountpoint)
	if err != nil {
		return nil, err
	}
	c := &control{served: s, listener: l, conns: make(map[net.Conn]struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.wg.Go(c.accept)
	return c, nil
}

func listenUnix(mountpoint string) (net.Listener, error) {
	var failed error
	for _, dir := range runtimeDirs(os.Geteuid()) {
		err := os.Mkdir(dir, 0o700)
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = private(dir, os.Geteuid())
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		path := filepath.Join(dir, socketName(mountpoint))
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

func (c *control) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // closed
		}
		c.wg.Go(func() { c.serve(conn) })
	}
}

func (c *control) serve(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	var r request
	if err != nil || json.Unmarshal(line, &r) != nil {
		r.Op = "" // also one who only looked whether somebody answers
	}
	switch r.Op {
	case "unmount":
		c.unmount(conn, r)
	case "sync":
		c.sync(conn, r)
	case "status":
		c.report(conn, r.Paths)
	case "restore":
		c.bringBack(conn, r.ID)
	default:
		conn.Close()
	}
}

// unmount asks for the end, unless something is open for writing: the client is told
// what, or waits until nothing is.
func (c *control) unmount(conn net.Conn, r request) {
	if !r.Now {
		err, hungUp := c.whileConnected(conn, func(ctx context.Context, tell func(string)) error { return c.unused(ctx, r.Wait, tell) })
		if err != nil || hungUp {
			if !hungUp {
				c.write(conn, answer{Done: true, Error: human.OneLine(err)})
			}
			conn.Close()
			return
		}
	}
	c.mu.Lock()
	c.conns[conn] = struct{}{}
	c.mu.Unlock()
	c.stop(r.Now)
}

// whileConnected runs what one client has asked for, which ends when the client hangs up.
func (c *control) whileConnected(conn net.Conn, do func(ctx context.Context, tell func(string)) error) (err error, hungUp bool) {
	ctx, hangUp := context.WithCancel(c.ctx)
	defer hangUp()
	_ = conn.SetReadDeadline(time.Time{})
	var wg sync.WaitGroup
	wg.Go(func() { // ends when the client does, or at the deadline below
		_, err := conn.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			hangUp()
		}
	})
	err = do(ctx, func(text string) { c.write(conn, answer{Text: text}) })
	_ = conn.SetReadDeadline(time.Now())
	wg.Wait()
	return err, ctx.Err() != nil && c.ctx.Err() == nil
}

// sync settles the paths for one client, which may hang up.
func (c *control) sync(conn net.Conn, r request) {
	defer conn.Close()
	err, hungUp := c.whileConnected(conn, func(ctx context.Context, tell func(string)) error {
		var failed error
		if r.Repair {
			failed = c.repair(ctx, r.Paths, tell)
		}
		return errors.Join(failed, c.settle(ctx, r.Paths, tell))
	})
	a := answer{Done: true}
	if err != nil {
		a.Error = human.OneLine(err)
	}
	if !hungUp {
		c.write(conn, a)
	}
}

// report says how the mount is, once.
func (c *control) report(conn net.Conn, paths []string) {
	defer conn.Close()
	under := ""
	if len(paths) > 0 {
		under = paths[0]
	}
	r := c.status(under)
	c.write(conn, answer{Done: true, Report: &r})
}

// bringBack restores something from quarantine for one client.
func (c *control) bringBack(conn net.Conn, id string) {
	defer conn.Close()
	path, err := c.restore(c.ctx, id)
	a := answer{Done: true, Text: "restored as " + path + ", interrupted: mcfs sync commits it"}
	if err != nil {
		a.Text, a.Error, a.Status = "", human.OneLine(err), statusOf(err)
	}
	c.write(conn, a)
}

func (c *control) write(conn net.Conn, a answer) {
	line, err := json.Marshal(a)
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = conn.Write(append(line, '\n'))
	}
	if err != nil && c.ctx.Err() == nil {
		c.log(err)
	}
}

// tell sends a line to all who wait. One who does not read is left behind.
func (c *control) tell(a answer) {
	line, err := json.Marshal(a)
	if err != nil {
		c.log(err)
		return
	}
	line = append(line, '\n')
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := conn.Write(line); err != nil {
			conn.Close()
			delete(c.conns, conn)
		}
	}
}

// close takes the socket away; who waits is let go by the end of the process.
func (c *control) close() error {
	err := c.listener.Close() // removes the file
	c.cancel()
	c.wg.Wait()
	return err
}

// errNoDaemon: nobody answers for the mountpoint.
var errNoDaemon = errors.New("no daemon answers")

// ask sends a request to the daemon of a mountpoint, hands its progress to
// tell, and returns when the daemon has ended or done what was asked. Its error
// is what the daemon could not finish.
func ask(ctx context.Context, mountpoint string, uids []int, r request, tell func(string)) error {
	conn, err := dialControl(ctx, mountpoint, uids)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("ask the daemon of %s: %w", mountpoint, err)
	}
	var last answer
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return fmt.Errorf("answer of the daemon of %s: %w", mountpoint, err)
		}
		if a.Text != "" {
			tell(a.Text)
		}
		if a.Done {
			last = a
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: the daemon of %s goes on", mountpoint)
	case !last.Done:
		return fmt.Errorf("the daemon of %s ended without finishing: what is left is in its spool, the next mount goes on", mountpoint)
	case last.Error != "" && last.Status != 0:
		return statusError{errors.New(last.Error), last.Status}
	case last.Error != "":
		return errors.New(last.Error)
	}
	return nil
}

func dialControl(ctx context.Context, mountpoint string, uids []int) (net.Conn, error) {
	var d net.Dialer
	for _, uid := range uids {
		for _, dir := range runtimeDirs(uid) {
			if private(dir, uid) != nil {
				continue
			}
			if conn, err := d.DialContext(ctx, "unix", filepath.Join(dir, socketName(mountpoint))); err == nil {
				return conn, nil
			}
		}
	}
	return nil, errNoDaemon
}
