package fs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"mcfs/volume"
)

// linuxProcess is a process as proc(5) shows it. A FUSE request carries the id of the
// thread that sent it, while descriptors belong to the process: so two are the same if
// thread group and start time are. The start time tells a reused id apart.
type linuxProcess struct {
	tgid, tid int
	start     uint64 // of the thread group's leader, clock ticks since boot; 0: not looked up
}

// identify returns the process of a thread; nil if /proc does not show it.
func identify(tid int) volume.Process {
	tgid := tid
	if !leads(tid) {
		st, err := readStatus(procPath(tid, "status"))
		if err != nil {
			return nil
		}
		tgid = st.tgid
	}
	leader, err := readStat(procPath(tgid, "stat"))
	if errors.Is(err, errExecuting) {
		return linuxProcess{tgid: tgid, tid: tid}
	}
	if err != nil {
		return nil
	}
	return linuxProcess{tgid: tgid, tid: tid, start: leader.start}
}

// identifyCloser returns the process of a thread that sent a close(2). In the middle of
// execve(2) the kernel closes each descriptor that is marked so, and until that close is
// answered every look at the process in /proc waits. Therefore a process that is not the
// opener, as most children are, is told by its id alone.
func identifyCloser(tid int, opener volume.Process) volume.Process {
	if o, ok := opener.(linuxProcess); ok && tid != o.tgid && leads(tid) {
		return linuxProcess{tgid: tid, tid: tid}
	}
	return identify(tid)
}

// leads reports whether a thread is its group's leader, whose id is the group's. It sends
// signal 0, which does nothing and is refused with ESRCH for a thread of another group:
// that is much faster than reading status.
func leads(tid int) bool { return unix.Tgkill(tid, tid, 0) != unix.ESRCH }

func procPath(id int, file string) string { return "/proc/" + strconv.Itoa(id) + "/" + file }

// Same reports whether both are of one process, by thread group and start time.
func (p linuxProcess) Same(other volume.Process) bool {
	o, ok := other.(linuxProcess)
	return ok && o.tgid == p.tgid && o.start == p.start
}

// String returns the program's name and the id of the process.
func (p linuxProcess) String() string {
	var buf [64]byte // 16 at most
	name, err := readProc(procPath(p.tgid, "comm"), buf[:])
	if err != nil {
		return fmt.Sprintf("process %d, which has ended and left it to another", p.tgid)
	}
	return fmt.Sprintf("%s (%d)", bytes.TrimSpace(name), p.tgid)
}

// Fate reads /proc again and returns whether the process is alive, gone, exiting or killed.
func (p linuxProcess) Fate() volume.Fate {
	leader, err := readStat(procPath(p.tgid, "stat"))
	if errors.Is(err, errExecuting) {
		return volume.Alive
	}
	if err != nil || p.start != 0 && leader.start != p.start || leader.dead() {
		return volume.Gone
	}
	s, dir := leader, strconv.Itoa(p.tgid)
	if p.tid != p.tgid {
		// The thread that asked is looked at, unless it has ended before its process.
		thread := dir + "/task/" + strconv.Itoa(p.tid)
		if own, err := readStat("/proc/" + thread + "/stat"); err == nil {
			s, dir = own, thread
			// Only the process's own stat has the exit code of the group.
			s.exitCode = leader.exitCode
		}
	}
	st, err := readStatus("/proc/" + dir + "/status")
	if errors.Is(err, errExecuting) {
		return volume.Alive
	}
	if err != nil {
		return volume.Gone
	}
	return judge(s, st, mayReadExitCode(st), showsGroupExit())
}

// Flags of a task, as field 9 of /proc/PID/stat shows them (PF_* in the
// kernel's include/linux/sched.h).
const (
	taskExiting  = 0x4   // PF_EXITING
	taskSignaled = 0x400 // PF_SIGNALED: a signal ended it, or a sibling thread's exit did
)

// deadly are SIGKILL and the signals whose default action ends a process with a core
// dump, signal(7). Those that end it without one the kernel turns into a pending SIGKILL.
var deadly = signalSet(unix.SIGKILL, unix.SIGQUIT, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS,
	unix.SIGFPE, unix.SIGSEGV, unix.SIGSYS, unix.SIGXCPU, unix.SIGXFSZ)

func signalSet(signals ...unix.Signal) uint64 {
	var set uint64
	for _, s := range signals {
		set |= 1 << (s - 1)
	}
	return set
}

// judge tells a process that is being killed from one that exits by itself. mayRead
// reports whether s has the true exit code, and not a zero in its place; groupExit,
// whether that is the code of the whole group. The second matters when one thread calls
// exit_group: the kernel ends the others by SIGKILL, and only the group's code tells that
// the process was not killed.
func judge(s taskStat, st taskStatus, mayRead, groupExit bool) volume.Fate {
	pending := (st.pending &^ st.blocked &^ st.ignored &^ st.caught) & deadly
	kill := pending&signalSet(unix.SIGKILL) != 0
	exiting := s.flags&taskExiting != 0
	if !exiting && pending == 0 {
		return volume.Alive
	}
	signal := s.exitCode & 0x7f
	switch {
	case !exiting && !kill: // a core-dumping signal that waits for this request to end
		return volume.Killed
	case mayRead && signal != 0:
		return volume.Killed
	case mayRead && groupExit:
		return volume.Exiting
	case mayRead && exiting && s.flags&taskSignaled == 0:
		return volume.Exiting
	case kill || s.flags&taskSignaled != 0: // unclear: a half-written file must not be published
		return volume.Killed
	}
	return volume.Exiting
}

// taskStat are the fields of /proc/PID/stat that are used, with their numbers in
// proc_pid_stat(5).
type taskStat struct {
	state    byte   // 3
	flags    uint64 // 9
	threads  int    // 20
	start    uint64 // 22
	exitCode int    // 52, as waitpid(2) shows it
}

// dead reports whether no thread of the process runs any more. A leader that ended before
// its other threads is a zombie, too, but the threads are counted.
func (s taskStat) dead() bool {
	return s.state == 'X' || s.state == 'Z' && s.threads <= 1
}

func readStat(path string) (taskStat, error) {
	var buf [procSize]byte
	data, err := readProc(path, buf[:])
	if err != nil {
		return taskStat{}, err
	}
	return parseStat(data)
}

// procSize is enough for a whole file of /proc, bytes, but for the status of a process
// with hundreds of groups.
const procSize = 4096

// errExecuting is returned if reading a file of /proc takes longer than execPatience: the
// process is in the middle of execve(2), where it waits for the answer to this request.
var errExecuting = errors.New("the process is executing a program")

// execPatience is how long reading a file of /proc may take. It is long, since a close on
// a busy machine that is mistaken for one in execve returns before the commit.
const execPatience = time.Second

// readProc reads a file of /proc, into buf if it fits. It returns errExecuting rather than
// wait for long.
func readProc(path string, buf []byte) ([]byte, error) {
	type answer struct {
		data []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends, at the latest, when this request is answered and the execve goes on
		own := make([]byte, len(buf))
		data, err := readProcNow(path, own)
		got <- answer{data, err}
	}()
	timer := time.NewTimer(execPatience)
	defer timer.Stop()
	select {
	case a := <-got:
		return append(buf[:0], a.data...), a.err
	case <-timer.C:
		return nil, errExecuting
	}
}

// readProcNow reads a file of /proc, into buf and with one call if it fits.
func readProcNow(path string, buf []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	n, err := unix.Read(fd, buf)
	unix.Close(fd)
	if err != nil || n == len(buf) {
		return os.ReadFile(path)
	}
	return buf[:n], nil
}

// parseStat reads a line of /proc/PID/stat. The second field, the command's
// name in parentheses, may hold anything, parentheses and blanks included.
func parseStat(data []byte) (taskStat, error) {
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return taskStat{}, os.ErrInvalid
	}
	fields := bytes.Fields(data[end+1:]) // fields[0] is number 3
	if len(fields) < 20 {
		return taskStat{}, os.ErrInvalid
	}
	s := taskStat{state: fields[0][0]}
	var err error
	if s.flags, err = strconv.ParseUint(string(fields[9-3]), 10, 64); err != nil {
		return taskStat{}, err
	}
	if s.threads, err = strconv.Atoi(string(fields[20-3])); err != nil {
		return taskStat{}, err
	}
	if s.start, err = strconv.ParseUint(string(fields[22-3]), 10, 64); err != nil {
		return taskStat{}, err
	}
	if len(fields) > 52-3 { // since Linux 3.5
		if s.exitCode, err = strconv.Atoi(string(fields[52-3])); err != nil {
			return taskStat{}, err
		}
	}
	return s, nil
}

// taskStatus are the fields of /proc/PID/status that are used.
type taskStatus struct {
	tgid                              int
	uids, gids                        [3]int // real, effective, saved
	groups                            []uint32
	capable                           uint64 // bit n is capability n, effective
	pending, blocked, ignored, caught uint64 // bit n-1 is signal n; pending for the thread or the process
}

func readStatus(path string) (taskStatus, error) {
	var buf [procSize]byte
	data, err := readProc(path, buf[:])
	if err != nil {
		return taskStatus{}, err
	}
	return parseStatus(data)
}

func parseStatus(data []byte) (taskStatus, error) {
	st := taskStatus{tgid: -1}
	for line := range bytes.Lines(data) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		value = bytes.TrimSpace(value)
		var err error
		switch string(name) {
		case "Tgid":
			st.tgid, err = strconv.Atoi(string(value))
		case "Uid":
			st.uids, err = threeInts(value)
		case "Gid":
			st.gids, err = threeInts(value)
		case "Groups":
			st.groups, err = numbers(value)
		case "CapEff":
			st.capable, err = strconv.ParseUint(string(value), 16, 64)
		case "SigPnd", "ShdPnd":
			var set uint64
			set, err = strconv.ParseUint(string(value), 16, 64)
			st.pending |= set
		case "SigBlk":
			st.blocked, err = strconv.ParseUint(string(value), 16, 64)
		case "SigIgn":
			st.ignored, err = strconv.ParseUint(string(value), 16, 64)
		case "SigCgt":
			st.caught, err = strconv.ParseUint(string(value), 16, 64)
		}
		if err != nil {
			return taskStatus{}, err
		}
	}
	if st.tgid <= 0 {
		return taskStatus{}, os.ErrInvalid
	}
	return st, nil
}

func numbers(value []byte) (out []uint32, err error) {
	for field := range bytes.FieldsSeq(value) {
		n, err := strconv.ParseUint(string(field), 10, 32)
		if err != nil {
			return nil, err
		}
		out = append(out, uint32(n))
	}
	return out, nil
}

func threeInts(value []byte) ([3]int, error) {
	var out [3]int
	fields := bytes.Fields(value)
	if len(fields) < len(out) {
		return out, os.ErrInvalid
	}
	for i := range out {
		n, err := strconv.Atoi(string(fields[i]))
		if err != nil {
			return out, err
		}
		out[i] = n
	}
	return out, nil
}

// mayReadExitCode reports whether the kernel shows this daemon a process's exit code. It
// does to root, and to who has all its ids: ptrace(2), access mode checking.
func mayReadExitCode(st taskStatus) bool {
	uid, gid := os.Geteuid(), os.Getegid()
	return uid == 0 || st.uids == [3]int{uid, uid, uid} && st.gids == [3]int{gid, gid, gid}
}

// showsGroupExit reports whether field 52 of a process's stat is the group's exit code as
// soon as the group is exiting. That is so since Linux 5.18.
var showsGroupExit = sync.OnceValue(func() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	major, minor := kernelVersion(unix.ByteSliceToString(u.Release[:]))
	return major > 5 || major == 5 && minor >= 18
})

func kernelVersion(release string) (major, minor int) {
	number := func(s string) (int, string) {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		n, _ := strconv.Atoi(s[:i])
		return n, s[min(i+1, len(s)):]
	}
	major, rest := number(release)
	minor, _ = number(rest)
	return major, minor
}
