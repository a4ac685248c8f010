package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// findMount looks for a mount of any kind at path; ours has a uid of 0 or more.
func findMount(path string) (m mounted, ok bool) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return m, false
	}
	for line := range strings.Lines(string(info)) {
		if at, found := parseMount(line); at == path {
			m, ok = found, true // the topmost comes last
		}
	}
	return m, ok
}

// parseMount reads a line of mountinfo, proc_pid_mountinfo(5): fields, of which
// the fifth is the place, then "-", type, source, and the options of the
// superblock. Blanks in a path are spelled \040.
func parseMount(line string) (at string, m mounted) {
	before, after, ok := strings.Cut(line, " - ")
	fields, rest := strings.Fields(before), strings.Fields(after)
	if !ok || len(fields) < 5 || len(rest) < 3 {
		return "", m
	}
	at, m.uid = unescape(fields[4]), -1
	if rest[0] != "fuse.mcfs" {
		return at, m
	}
	for option := range strings.SplitSeq(rest[2], ",") {
		if uid, found := strings.CutPrefix(option, "user_id="); found {
			m.uid, _ = strconv.Atoi(uid)
		}
	}
	return at, m
}

var mountinfoEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`)

func unescape(s string) string { return mountinfoEscapes.Replace(s) }

// detach takes a mount out of the tree, in use or not.
func detach(mountpoint string) error { return fusermount(mountpoint, true) }

// kernelUnmount asks the kernel to end a mount that is not in use.
func kernelUnmount(mountpoint string) error { return fusermount(mountpoint, false) }

func fusermount(mountpoint string, lazy bool) error {
	if os.Geteuid() == 0 {
		flags := 0
		if lazy {
			flags = unix.MNT_DETACH
		}
		return unix.Unmount(mountpoint, flags)
	}
	helper, err := exec.LookPath("fusermount3")
	if err != nil {
		if helper, err = exec.LookPath("fusermount"); err != nil {
			return errors.New("fusermount3 is not installed: install the package fuse3")
		}
	}
	args := []string{"-u", "--", mountpoint}
	if lazy {
		args = []string{"-u", "-z", "--", mountpoint}
	}
	if out, err := exec.Command(helper, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s", helper, strings.TrimSpace(string(out)))
	}
	return nil
}
