package watchdog

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"mcfs/internal/systemd"
)

const (
	// looks is how often the mount is looked at within the time that systemd waits.
	looks = 4
	// grace is how long the end waits for the child, which may hang in the mount.
	grace = time.Second
)

// Watchdog feeds the watchdog of systemd as long as a mount answers.
type Watchdog struct {
	within  time.Duration // systemd waits for so long
	command []string      // the child's: it calls Look
	log     *slog.Logger

	stop, ended chan struct{}
}

// Start begins to feed, and returns nil where nobody waits for that. command is how this program is
// started anew to call Look.
func Start(command []string, log *slog.Logger) *Watchdog {
	within := systemd.WatchdogTime()
	if within == 0 {
		return nil
	}
	w := &Watchdog{within: within, command: command, log: log, stop: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

// Close ends the feeding and the child. A child that hangs in the mount is killed, and dies with that.
func (w *Watchdog) Close() {
	if w == nil {
		return
	}
	close(w.stop)
	<-w.ended
}

// run looks at once, and then every so often.
func (w *Watchdog) run() {
	defer close(w.ended)
	c, err := w.startChild()
	if err != nil {
		w.log.Warn("systemd cannot be told whether the mount answers: a mount that hangs is not started again", "err", err)
		systemd.LeaveUnwatched()
		return
	}
	ticks := time.NewTicker(max(w.within/looks, time.Millisecond))
	defer ticks.Stop()
	c.look(w.log)
	for {
		select {
		case <-w.stop:
			c.close()
			return
		case <-c.gone: // killed, by whom soever: the next tick starts another
		case <-ticks.C:
			c.look(w.log)
			continue
		}
		select {
		case <-w.stop:
			return
		case <-ticks.C:
		}
		if next, err := w.startChild(); err != nil {
			w.log.Warn("the process that looks whether the mount answers cannot be started; it is tried again", "err", err)
		} else {
			c = next
			c.look(w.log)
		}
	}
}

// child is the process that looks. Its answers feed the watchdog as they come.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	gone chan struct{} // closed once the process has ended

	answered chan struct{} // holds one while no look is under way
	silent   bool          // an answer is overdue, and that has been logged
}

func (w *Watchdog) startChild() (*child, error) {
	c := &child{cmd: exec.Command(w.command[0], w.command[1:]...), gone: make(chan struct{}), answered: make(chan struct{}, 1)}
	c.cmd.Args[0] = "mcfs"
	c.cmd.Dir = "/"
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, "WATCHDOG_")
	})
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the process that looks at the mount: %w", err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the process that looks at the mount: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process that looks at the mount: %w", err)
	}
	c.in = in
	c.answered <- struct{}{}
	go c.listen(out)
	return c, nil
}

// listen feeds at each good answer, until the process has ended.
func (c *child) listen(out io.Reader) {
	defer close(c.gone)
	for word := make([]byte, 1); ; {
		if _, err := io.ReadFull(out, word); err != nil {
			break
		}
		if word[0] == wordWell {
			systemd.Well()
		}
		c.answered <- struct{}{}
	}
	_ = c.cmd.Wait() // nobody asks how it has ended
}

// look has the process look, unless it still does.
func (c *child) look(log *slog.Logger) {
	select {
	case <-c.answered:
		if c.silent {
			log.Info("the mount answers again")
		}
		c.silent = false
		_, _ = c.in.Write([]byte{wordLook}) // fails once it has ended, which gone tells
	default:
		if !c.silent {
			log.Warn("the mount does not answer: if that lasts, systemd ends this daemon and starts it again")
		}
		c.silent = true
	}
}

// close ends the process, and waits for it for a while.
func (c *child) close() {
	_ = c.in.Close()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.gone:
	case <-timer.C:
		_ = c.cmd.Process.Kill()
	}
}
