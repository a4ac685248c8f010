package fs

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestNoContentInTheLog(t *testing.T) {
	for line, want := range map[string]string{
		`rx 8: WRITE n2 {Fh 1 [0 +9)}"se\"cret\x00"... 9b p12`:   `rx 8: WRITE n2 {Fh 1 [0 +9)}(content) 9b p12`,
		`tx 9:     OK,  9b data "secret\\"...`:                   `tx 9:     OK,  9b data (content)`,
		`tx 9:     OK,  3b data "abc"`:                           `tx 9:     OK,  3b data (content)`,
		`rx 3: SETXATTR n2 {sz 3} "user.mime" "abc" 3b p12`:      `rx 3: SETXATTR n2 {sz 3} "user.mime" (content) 3b p12`,
		`rx 2: LOOKUP n1  "film.mp4"  p5`:                        `rx 2: LOOKUP n1  "film.mp4"  p5`,
		`rx 4: RENAME n1 {i1}  "a" "b" p5`:                       `rx 4: RENAME n1 {i1}  "a" "b" p5`,
		`rx 4: SYMLINK n1  "link" "/where" p5`:                   `rx 4: SYMLINK n1  "link" "/where" p5`,
		`rx 5: CREATE n1 {0644 [WRONLY]} "film \"1\".mp4"  p500`: `rx 5: CREATE n1 {0644 [WRONLY]} "film \"1\".mp4"  p500`,
	} {
		if got := withoutContent(line); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
}

func TestLibraryLogLevels(t *testing.T) {
	var out bytes.Buffer
	log := fuseLogger(slog.New(slog.NewTextHandler(&out, nil)))
	log.Print("rx 1: LOOKUP n1")
	log.Print("Unimplemented opcode")
	if got := out.String(); strings.Contains(got, "LOOKUP") || !strings.Contains(got, "level=WARN msg=\"the FUSE library says\" line=\"Unimplemented opcode\"") {
		t.Errorf("at info level: %s", got)
	}
}
