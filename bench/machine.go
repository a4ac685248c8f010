package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"mcfs/bench/job"
	"mcfs/bench/report"
)

// asked are the programs that say their version, and how to ask them.
var asked = []struct {
	name string
	args []string
}{
	{"s3fs", []string{"s3fs", "--version"}},
	{"gocryptfs", []string{"gocryptfs", "-version"}},
	{"fio", []string{"fio", "--version"}},
	{"openssl", []string{"openssl", "version"}},
	{"ffmpeg", []string{"ffmpeg", "-version"}},
	{"rsync", []string{"rsync", "--version"}},
}

// machine says what the figures are from.
func (l *lab) machine(ctx context.Context) report.Machine {
	m := report.Machine{Scale: l.o.scale, Commit: l.said(ctx, job.Shell(`cd "$1"; git describe --always --dirty --exclude '*'`, here()))}
	m.Hardware = fmt.Sprintf("%d × %s, %s of memory", runtime.NumCPU(), field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"))
	m.Kernel = l.said(ctx, job.Command{Args: []string{"uname", "-srm"}})
	m.Versions = append(m.Versions, [2]string{"Go", runtime.Version()}, [2]string{"go-fuse (the loopback)", module("github.com/hanwen/go-fuse/v2")},
		[2]string{"versitygw", l.gatewayVersion()},
		[2]string{"rclone", l.said(ctx, job.Command{Args: []string{l.o.rclone, "version"}})})
	if l.o.geesefs != "" {
		m.Versions = append(m.Versions, [2]string{"geesefs", l.said(ctx, job.Command{Args: []string{l.o.geesefs, "--version"}})})
	}
	for _, a := range asked {
		m.Versions = append(m.Versions, [2]string{a.name, l.said(ctx, job.Command{Args: a.args})})
	}
	return m
}

// gatewayVersion is what the binary was built from.
func (l *lab) gatewayVersion() string {
	info, err := buildinfo.ReadFile(l.o.versitygw)
	if err != nil {
		return err.Error()
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == "github.com/versity/versitygw" {
			return m.Version
		}
	}
	return "unknown"
}

func here() string {
	dir, err := os.Getwd()
	if err != nil {
		return "/"
	}
	return dir
}

// said is the first line that a command prints, or its error.
func (l *lab) said(ctx context.Context, c job.Command) string {
	_, out, err := job.Run(ctx, c)
	if err != nil {
		return err.Error()
	}
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return first
}

// field is the value of the first line "NAME: VALUE" of a file.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, is := strings.Cut(line, ":"); is && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// module is the version of a module that this program is built with.
func module(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
