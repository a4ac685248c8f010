package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mcfs/internal/feed"
	"mcfs/sidecar"
)

// commandGrace is how long a command may take to end after a signal.
const commandGrace = 5 * time.Second

// runFor runs the command for a line, which is its standard input.
func (p *Pipeline) runFor(ctx context.Context, l feed.Line, text []byte) error {
	c := exec.CommandContext(ctx, "/bin/sh", "-c", p.Command)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(append(bytes.Clone(text), '\n')), p.Out, p.Err
	c.Env = append(os.Environ(), environment(l)...)
	c.Env = append(c.Env, settingsOf(l)...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = cmp.Or(p.grace, commandGrace)
	return c.Run()
}

// environment are the variables of a line. One that does not apply is empty, so that none is
// inherited.
func environment(l feed.Line) []string {
	at, side := l.Path, ""
	if l.To != "" && (l.IsCommit() || l.IsRename()) {
		at = l.To
	}
	file := ""
	if l.Path != "" {
		file = filepath.Join(l.Mount, at)
	}
	if l.Sidecar != "" {
		side = filepath.Join(l.Mount, l.Sidecar)
	}
	list := []string{
		"MCFS_TYPE=" + l.Type, "MCFS_SEQ=" + l.Seq, "MCFS_PATH=" + l.Path, "MCFS_TO=" + l.To, "MCFS_FILE=" + file,
		"MCFS_SETTINGS=" + side, "MCFS_ETAG=" + l.ETag, "MCFS_ADDRESS=" + l.Address, "MCFS_IV=" + l.IV, "MCFS_WHAT=" + l.What,
		"MCFS_JOB=" + l.Job, "MCFS_STATUS=" + l.Status, "MCFS_OUTPUTS=" + strings.Join(l.Outputs, "\n"),
	}
	size, code, message, cure := "", "", "", ""
	if l.Size != nil {
		size = strconv.FormatInt(*l.Size, 10)
	}
	if l.Failure != nil {
		code, message, cure = string(l.Failure.Code), l.Failure.Message, l.Failure.Cure
	}
	return append(list, "MCFS_SIZE="+size, "MCFS_CODE="+code, "MCFS_MESSAGE="+message, "MCFS_CURE="+cure)
}

// settingsOf are the variables of the settings of the version that a line is about; empty where
// it is not there any more.
func settingsOf(l feed.Line) []string {
	mode, key, region := "", "", ""
	if l.Sidecar != "" {
		s, err := readSettings(filepath.Join(l.Mount, l.Sidecar))
		if err == nil && base64.StdEncoding.EncodeToString(s.IV) == l.IV {
			mode, key, region = s.Mode, base64.StdEncoding.EncodeToString(s.Key), s.Region
		}
	}
	return []string{"MCFS_DECRYPTION_MODE=" + mode, "MCFS_ENCRYPTED_KEY=" + key, "MCFS_KMS_KEY_REGION=" + region}
}

// readSettings reads a file of settings in a mount.
func readSettings(name string) (sidecar.Settings, error) {
	f, err := os.Open(name)
	if err != nil {
		return sidecar.Settings{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, sidecar.MaxSize+1))
	if err != nil {
		return sidecar.Settings{}, fmt.Errorf("read %s: %w", name, err)
	}
	return sidecar.Parse(text)
}
