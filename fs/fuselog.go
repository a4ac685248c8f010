package fs

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"regexp"
	"runtime"
)

// fuseLogger returns a log for go-fuse. Its lines about single requests are passed on at
// debug level, all others as warnings.
func fuseLogger(to *slog.Logger) *log.Logger { return log.New(fuseLog{to}, "", 0) }

type fuseLog struct{ log *slog.Logger }

// payload matches how go-fuse shows names, and the first bytes of what is read or written:
//
//	rx 8: WRITE n2 {…}"content"... 4096b p12
//	tx 9:     OK,  4096b data "content"...
//
// Content, which has a length beside it, must not be logged (P1); names may.
var payload = regexp.MustCompile(`(data )?"(?:[^"\\]|\\.)*"(?:\.\.\.)?( \d+b)?`)

func (l fuseLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte("rx ")) || bytes.HasPrefix(line, []byte("tx ")) {
		level = slog.LevelDebug
	}
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "the FUSE library says", "line", withoutContent(string(bytes.TrimSpace(line))))
	}
	return len(line), nil
}

func withoutContent(line string) string {
	return payload.ReplaceAllStringFunc(line, func(found string) string {
		m := payload.FindStringSubmatch(found)
		if m[1] == "" && m[2] == "" {
			return found // a name
		}
		return m[1] + "(content)" + m[2]
	})
}

func stack() string {
	buf := make([]byte, 16<<10)
	return string(buf[:runtime.Stack(buf, false)])
}
