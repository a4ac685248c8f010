package job

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Daemon is a program that runs beside what is measured.
type Daemon struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when the process has been waited for
	err   error         // then: how it ended
}

// Start starts a daemon in the foreground; log is the file that takes what it prints.
func Start(c Command, log string) (*Daemon, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", c.name(), err)
	}
	defer out.Close()
	d := &Daemon{name: c.name(), cmd: c.build(), log: log, ended: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = out, out
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name, err)
	}
	go func() { // ends with the process, which Stop makes sure of
		d.err = d.cmd.Wait()
		close(d.ended)
	}()
	return d, nil
}

// PID is the daemon's.
func (d *Daemon) PID() int { return d.cmd.Process.Pid }

// Wait calls ready until it says yes. A daemon that ends before is an error,
// with what it said.
func (d *Daemon) Wait(ctx context.Context, limit time.Duration, ready func() bool) error {
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-d.ended:
			return fmt.Errorf("%s ended at its start: %v: %s", d.name, d.err, d.Said())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("%s is not ready after %v: %s", d.name, limit, d.Said())
		}
	}
	return nil
}

// Said is the end of what the daemon printed.
func (d *Daemon) Said() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	return end(string(text))
}

// Ended says whether the daemon ends within the limit.
func (d *Daemon) Ended(limit time.Duration) bool {
	select {
	case <-d.ended:
	case <-time.After(limit):
	}
	select {
	case <-d.ended:
		return true
	default:
		return false
	}
}

// Stop asks the daemon to end and, past the grace, kills its group.
func (d *Daemon) Stop(grace time.Duration) {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if !d.Ended(grace) {
		killGroup(d.PID())
		<-d.ended
	}
}

// Kill ends the daemon at once.
func (d *Daemon) Kill() {
	killGroup(d.PID())
	<-d.ended
}

// Written is how many bytes the daemon has given the kernel to write to disks so far, without those that
// were taken back before they were.
func (d *Daemon) Written() (int64, error) { return written(d.PID()) }

// Meter reads what a daemon costs from a moment on.
type Meter struct {
	pid   int
	begun time.Time
	cpu   time.Duration
}

// Meter begins now, with the peak of memory set back to what is resident now.
func (d *Daemon) Meter() (*Meter, error) {
	if err := resetPeak(d.PID()); err != nil {
		return nil, fmt.Errorf("peak memory of %s: %w", d.name, err)
	}
	cpu, err := cpuTime(d.PID())
	if err != nil {
		return nil, fmt.Errorf("CPU time of %s: %w", d.name, err)
	}
	return &Meter{pid: d.PID(), begun: time.Now(), cpu: cpu}, nil
}

// Read is what the daemon cost since the meter began.
func (m *Meter) Read() (Cost, error) {
	c := Cost{Wall: time.Since(m.begun)}
	cpu, err := cpuTime(m.pid)
	if err != nil {
		return c, err
	}
	c.CPU = cpu - m.cpu
	c.Peak, err = peak(m.pid)
	return c, err
}
