package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/store/s3/s3test"
)

const (
	mountLimit   = 2 * time.Minute
	unmountLimit = 3 * time.Minute // draining included
)

// Mount is a running daemon and its mount.
type Mount struct {
	Dir   string // the mountpoint
	Spool string

	tb     testing.TB
	rig    *Rig
	binary string
	config string
	cmd    *exec.Cmd
	log    string        // the file that holds its standard error
	ended  chan struct{} // closed when the daemon has ended
	status error         // then: how

	over     bool // Unmount or Kill have dealt with the end
	expected *regexp.Regexp
}

// Mount mounts the volume in the foreground of a daemon of its own, with the
// spool of that name, and returns when the mount answers.
func (r *Rig) Mount(spool string) *Mount {
	r.tb.Helper()
	return r.MountWith(Binary(r.tb, Race), spool)
}

// MountWith is Mount with a given binary.
func (r *Rig) MountWith(binary, spool string) *Mount {
	r.tb.Helper()
	r.mounts++
	base := filepath.Join(r.Dir, fmt.Sprintf("%d", r.mounts))
	m := &Mount{
		Dir: base + "-mnt", Spool: r.Spool(spool), tb: r.tb, rig: r, binary: binary,
		config: base + "-config.toml", log: base + "-stderr", ended: make(chan struct{}),
	}
	if err := os.Mkdir(m.Dir, 0o755); err != nil {
		r.tb.Fatal(err)
	}
	r.writeConfig(m.config, spool)
	m.start()
	return m
}

// Again mounts at the same place with the same spool, after Unmount or Kill.
func (m *Mount) Again() *Mount {
	m.tb.Helper()
	again := m.successor()
	again.start()
	return again
}

// AgainUntil is Again with a daemon that is killed after a while, mounted by then or not.
func (m *Mount) AgainUntil(after time.Duration) *Mount {
	m.tb.Helper()
	again := m.successor()
	again.launch()
	again.waitEnd(after)
	again.Kill()
	return again
}

func (m *Mount) successor() *Mount {
	m.rig.mounts++
	return &Mount{
		Dir: m.Dir, Spool: m.Spool, tb: m.tb, rig: m.rig, binary: m.binary, config: m.config,
		log: filepath.Join(m.rig.Dir, fmt.Sprintf("%d-stderr", m.rig.mounts)), ended: make(chan struct{}),
	}
}

// start launches the daemon, and waits for the mount.
func (m *Mount) start() {
	m.tb.Helper()
	m.launch()
	deadline := time.Now().Add(mountLimit)
	for !m.answers() {
		select {
		case <-m.ended:
			m.tb.Fatalf("the daemon ended at the start: %v\n%s", m.status, m.Log())
		default:
		}
		if time.Now().After(deadline) {
			m.hung("mounting")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (m *Mount) launch() {
	m.tb.Helper()
	stderr, err := os.Create(m.log)
	if err != nil {
		m.tb.Fatal(err)
	}
	defer stderr.Close()
	line := append(slices.Clone(m.rig.Before), m.binary, "mount", m.Dir, "--config", m.config)
	m.cmd = exec.Command(line[0], line[1:]...)
	m.cmd.Dir, m.cmd.Env = "/", append(os.Environ(), m.rig.env...)
	m.cmd.Stdout, m.cmd.Stderr = stderr, stderr
	m.cmd.SysProcAttr = orphaned()
	if err := m.cmd.Start(); err != nil {
		m.tb.Fatal(err)
	}
	go func() { // ends with the process, which cleanUp makes sure of
		m.status = m.cmd.Wait()
		close(m.ended)
	}()
	m.tb.Cleanup(m.cleanUp)
}

// answers says whether something is mounted, by the log: to look at the
// mountpoint would wait for the daemon.
func (m *Mount) answers() bool { return strings.Contains(m.Log(), "msg=mounted ") }

// Log is what the daemon has said so far.
func (m *Mount) Log() string {
	text, err := os.ReadFile(m.log)
	if err != nil {
		m.tb.Errorf("log: %v", err)
	}
	return string(text)
}

// LogLines are the lines that contain all of the texts.
func (m *Mount) LogLines(texts ...string) []string {
	var found []string
lines:
	for line := range strings.Lines(m.Log()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		found = append(found, strings.TrimSpace(line))
	}
	return found
}

// Expect lets errors in the log pass that match the expression.
func (m *Mount) Expect(expression string) {
	m.expected = regexp.MustCompile(expression)
}

// PID is the daemon's.
func (m *Mount) PID() int { return m.cmd.Process.Pid }

// Path is a file in the mount.
func (m *Mount) Path(elements ...string) string {
	return filepath.Join(append([]string{m.Dir}, elements...)...)
}

// Mcfs runs the program with the mount's environment; its output and how it ended.
func (m *Mount) Mcfs(limit time.Duration, args ...string) (string, error) {
	cmd := exec.Command(m.binary, args...)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), m.rig.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := m.run(cmd, limit, "mcfs "+strings.Join(args, " "))
	return out.String(), err
}

// Terminal runs a python program with the mountpoint and the command line that
// mounts there as its arguments; it may give that a terminal of its own.
func (m *Mount) Terminal(limit time.Duration, program string, flags ...string) (string, error) {
	m.tb.Helper()
	args := append([]string{"-c", program, m.Dir, m.binary, "mount", m.Dir, "--config", m.config}, flags...)
	cmd := exec.Command("python3", args...)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), m.rig.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := m.run(cmd, limit, "a terminal")
	return out.String(), err
}

// Unmount drains and unmounts, and demands that command and daemon end with status 0.
func (m *Mount) Unmount() {
	m.tb.Helper()
	if out, err := m.UnmountFails(); err != nil {
		m.tb.Errorf("mcfs unmount: %v\n%s", err, out)
	}
	if m.status != nil {
		m.tb.Errorf("the daemon ended with %v", m.status)
	}
}

// UnmountFails is Unmount for one who expects that not everything can be finished.
func (m *Mount) UnmountFails() (string, error) {
	m.tb.Helper()
	out, err := m.Mcfs(unmountLimit, "unmount", m.Dir)
	m.over = true
	if !m.waitEnd(Soon) {
		m.hung("ending after mcfs unmount")
	}
	if m.isMounted() {
		m.tb.Errorf("%s is still mounted after mcfs unmount", m.Dir)
	}
	m.inspect()
	return out, err
}

// Kill ends the daemon as a power failure would. The mount stays, dead. Somebody
// else may have sent the signal already; one that ended by itself fails the test.
func (m *Mount) Kill() {
	m.tb.Helper()
	m.over = true
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.tb.Fatal(err)
	}
	<-m.ended
	if state, ok := m.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGKILL {
		m.tb.Fatalf("the daemon ended before it was killed: %v\n%s", m.status, clip(m.Log()))
	}
}

// Bury takes away the mount that Kill left behind, if there is one.
func (m *Mount) Bury() {
	m.tb.Helper()
	if !m.isMounted() {
		return
	}
	if out, err := m.Mcfs(mountLimit, "unmount", m.Dir); err != nil {
		m.tb.Fatalf("unmount of a dead mount: %v\n%s", err, out)
	}
}

// Signal sends the daemon a signal; after SIGSTOP it has stopped.
func (m *Mount) Signal(s syscall.Signal) {
	m.tb.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		m.tb.Fatal(err)
	}
	if s == syscall.SIGSTOP {
		s3test.AwaitStop(m.tb, m.cmd.Process.Pid)
	}
}

// End waits for the end of a daemon that was told to end: how it ended.
func (m *Mount) End(limit time.Duration) error {
	m.tb.Helper()
	m.over = true
	if !m.waitEnd(limit) {
		m.hung("ending")
	}
	if m.isMounted() {
		m.tb.Errorf("%s is still mounted after the daemon's end", m.Dir)
	}
	m.inspect()
	return m.status
}

// Quit makes the daemon print its goroutines and end, as a crash does. The mount
// stays, dead.
func (m *Mount) Quit() {
	m.tb.Helper()
	m.over = true
	m.dump()
}

// isMounted compares devices: a mount has one of its own.
func (m *Mount) isMounted() bool {
	var at, above syscall.Stat_t
	if err := syscall.Stat(m.Dir, &at); err != nil {
		return true // ENOTCONN: a dead one
	}
	if err := syscall.Stat(filepath.Dir(m.Dir), &above); err != nil {
		m.tb.Error(err)
	}
	return at.Dev != above.Dev
}

var (
	alarms    = regexp.MustCompile(`WARNING: DATA RACE|^panic: |^fatal error: |goroutine leak|level=ERROR`)
	emptyLine = regexp.MustCompile(`^\s*$`)
)

// inspect fails the test for what must not be in a log.
func (m *Mount) inspect() {
	m.tb.Helper()
	shown := 0
	for line := range strings.Lines(m.Log()) {
		if emptyLine.MatchString(line) || !alarms.MatchString(line) || m.expected != nil && m.expected.MatchString(line) {
			continue
		}
		if shown++; shown <= 10 {
			m.tb.Errorf("the daemon said: %s", strings.TrimSpace(line))
		}
	}
}

// cleanUp ends whatever is left.
func (m *Mount) cleanUp() {
	if !m.over && !m.tb.Failed() {
		m.tb.Errorf("the test ended without unmounting %s", m.Dir)
	}
	if !m.waitEnd(0) {
		_ = m.cmd.Process.Signal(syscall.SIGTERM)
		time.Sleep(50 * time.Millisecond)
		_ = m.cmd.Process.Signal(syscall.SIGTERM) // the second ends it at once
		if !m.waitEnd(15 * time.Second) {
			m.dump()
		}
	}
	if m.isMounted() {
		detach(m.tb, m.Dir)
	}
	if m.tb.Failed() {
		m.tb.Logf("the daemon's log, %s:\n%s", filepath.Base(m.log), clip(m.Log()))
	}
}

// waitEnd says whether the daemon ended within the limit.
func (m *Mount) waitEnd(limit time.Duration) bool {
	select {
	case <-m.ended:
		return true
	case <-time.After(limit):
	}
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// dump makes the daemon print its goroutines and end.
func (m *Mount) dump() {
	_ = m.cmd.Process.Signal(syscall.SIGQUIT)
	if !m.waitEnd(10 * time.Second) {
		_ = m.cmd.Process.Kill()
		<-m.ended
	}
}

// clip keeps the beginning and the end of a long text.
func clip(text string) string {
	const most = 24 << 10
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s\n… %d bytes …\n%s", text[:most/4], len(text)-most, text[len(text)-3*most/4:])
}

// hung makes the daemon print its goroutines, and fails.
func (m *Mount) hung(doing string) {
	m.tb.Helper()
	m.dump()
	m.over = true
	m.tb.Fatalf("%s hangs; the daemon's goroutines are at the end of its log", doing)
}
