package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/internal/feed"
	"mcfs/sidecar"
)

func textOf(t *testing.T, l feed.Line) json.RawMessage {
	t.Helper()
	text, err := l.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestPrinted: lines of the types that are asked for, and those of no file, are printed as they came.
func TestPrinted(t *testing.T) {
	var out bytes.Buffer
	p := Pipeline{Types: []string{"commit", "failure"}, Out: &out}
	var want []byte
	for _, kind := range []string{"listening", "commit", "rename", "missed", "failure", "remove", "ended"} {
		text := textOf(t, feed.Line{V: 1, Type: kind, Path: "a"})
		if err := p.Take(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if kind != "rename" && kind != "remove" {
			want = append(append(want, text...), '\n')
		}
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("printed\n%snot\n%s", out.Bytes(), want)
	}
	if err := p.Take(t.Context(), json.RawMessage(`{"v":`)); err == nil {
		t.Error("a line that is no JSON is taken")
	}
}

// TestClosedPipe: the end of who reads the output is the end of the listening, and an error.
func TestClosedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	p := Pipeline{Out: w}
	if err := p.Take(t.Context(), textOf(t, feed.Line{Type: "commit", Path: "a"})); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("printing: %v", err)
	}
	var said bytes.Buffer
	p = Pipeline{Command: "echo x", Out: w, Err: &said}
	if err := p.Take(t.Context(), textOf(t, feed.Line{Type: "commit", Path: "a"})); err != nil || p.Failed != 1 {
		t.Errorf("a command that cannot print: %v, %d failed: %s", err, p.Failed, said.String())
	}
}

// TestCommands: a command runs for each line about a file and each that says that some are missing,
// one after the other, with the line as its input. One that fails is named, and the next runs.
func TestCommands(t *testing.T) {
	var out, said bytes.Buffer
	p := Pipeline{Command: `cat; test "$MCFS_PATH" != bad || exit 9; test "$MCFS_PATH" != killed || kill -KILL $$`, Out: &out, Err: &said}
	var want []byte
	for _, l := range []feed.Line{{Type: "listening"}, {Type: "commit", Path: "a"}, {Type: "remove", Path: "bad"}, {Type: "commit", Path: "killed"}, {Type: "missed"}, {Type: "failure", Path: "b"}, {Type: "ended"}} {
		text := textOf(t, l)
		if err := p.Take(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if l.Type != "listening" && l.Type != "ended" {
			want = append(append(want, text...), '\n')
		}
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("inputs were\n%snot\n%s", out.Bytes(), want)
	}
	if p.Ran != 5 || p.Failed != 2 {
		t.Errorf("%d ran and %d failed, not 5 and 2", p.Ran, p.Failed)
	}
	if want := "mcfs: remove bad: exit status 9\nmcfs: commit killed: signal: killed\n"; said.String() != want {
		t.Errorf("said %q, not %q", said.String(), want)
	}
}

// TestEnvironment: a command has the settings of the version that its line is about, and nothing of
// one that was saved since, or that its own environment says.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"MCFS_WHAT", "MCFS_KMS_KEY_REGION", "MCFS_CURE", "MCFS_TO"} {
		t.Setenv(name, "inherited")
	}
	mount := t.TempDir()
	text, err := sidecar.Settings{FileInput: "s3://in/d/a.mov", Mode: "AES_CTR", Key: []byte("0123456789abcdef"), IV: []byte("fedcba9876543210"), Region: "us-west-2"}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(mount, "d"), 0o700), os.WriteFile(filepath.Join(mount, "d", "b.mov.settings.json"), text, 0o600)); err != nil {
		t.Fatal(err)
	}
	size := int64(7)
	line := feed.Line{Type: "rename", Seq: "run-1", Mount: mount, Path: "d/a.mov", To: "d/b.mov", Size: &size, ETag: "e", Address: "s3://in/d/b.mov", Sidecar: "d/b.mov.settings.json", IV: "ZmVkY2JhOTg3NjU0MzIxMA=="}
	var out bytes.Buffer
	p := Pipeline{Command: "env", Out: &out, Err: io.Discard}
	run := func(l feed.Line) (list []string) {
		out.Reset()
		if err := p.Take(t.Context(), textOf(t, l)); err != nil || p.Failed > 0 {
			t.Fatal(err, p.Failed)
		}
		for v := range strings.Lines(out.String()) {
			if strings.HasPrefix(v, "MCFS_") {
				list = append(list, strings.TrimSuffix(v, "\n"))
			}
		}
		slices.Sort(list)
		return list
	}
	want := []string{
		"MCFS_ADDRESS=s3://in/d/b.mov", "MCFS_CODE=", "MCFS_CURE=", "MCFS_DECRYPTION_MODE=AES_CTR", "MCFS_ENCRYPTED_KEY=MDEyMzQ1Njc4OWFiY2RlZg==", "MCFS_ETAG=e",
		"MCFS_FILE=" + mount + "/d/b.mov", "MCFS_IV=ZmVkY2JhOTg3NjU0MzIxMA==", "MCFS_JOB=", "MCFS_KMS_KEY_REGION=us-west-2", "MCFS_MESSAGE=", "MCFS_OUTPUTS=", "MCFS_PATH=d/a.mov", "MCFS_SEQ=run-1",
		"MCFS_SETTINGS=" + mount + "/d/b.mov.settings.json", "MCFS_SIZE=7", "MCFS_STATUS=", "MCFS_TO=d/b.mov", "MCFS_TYPE=rename", "MCFS_WHAT=",
	}
	if got := run(line); !slices.Equal(got, want) {
		t.Errorf("environment\n%q\nnot\n%q", got, want)
	}
	line.IV = "AAAAAAAAAAAAAAAAAAAAAA=="
	got := run(line)
	for _, name := range []string{"MCFS_DECRYPTION_MODE=", "MCFS_ENCRYPTED_KEY=", "MCFS_KMS_KEY_REGION="} {
		if !slices.Contains(got, name) {
			t.Errorf("of a version that was saved over there is more than %q: %q", name, got)
		}
	}
}

// begin has a command run for a line, and returns once that has printed its first line.
func begin(t *testing.T, p *Pipeline) (end context.CancelCauseFunc, rest <-chan string, done <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	p.Out = w
	result, more := make(chan error, 1), make(chan string, 1)
	go func() {
		result <- p.Take(ctx, textOf(t, feed.Line{Type: "commit", Path: "a"}))
		w.Close()
	}()
	if _, err := io.ReadFull(r, make([]byte, len("begun\n"))); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the command
		text, _ := io.ReadAll(r)
		more <- string(text)
	}()
	return cancel, more, result
}

// TestHangingCommand: a command that runs when the context ends is asked to end. One that does not
// is killed, and no process that it has left behind is waited for.
func TestHangingCommand(t *testing.T) {
	stopped := errors.New("stopped")
	file := filepath.Join(t.TempDir(), "there") // as long as what is left behind runs
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("THERE", file)
	const soon, late = 100 * time.Millisecond, 15 * time.Second
	for name, c := range map[string]struct {
		command, rest string
		grace         time.Duration
	}{
		"asked":       {`trap 'echo asked; exit 0' TERM; echo begun; while :; do sleep 0.02; done`, "asked\n", late},
		"deaf":        {`trap '' TERM; echo begun; while :; do sleep 0.02; done`, "", soon},
		"left behind": {`while test -e "$THERE"; do sleep 0.1; done & echo begun; wait`, "", soon},
	} {
		t.Run(name, func(t *testing.T) {
			p := Pipeline{Command: c.command, Err: io.Discard, grace: c.grace}
			end, rest, done := begin(t, &p)
			end(stopped)
			select {
			case err := <-done:
				if !errors.Is(err, stopped) {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it is waited for without end")
			}
			if text := <-rest; text != c.rest {
				t.Errorf("it printed %q, not %q", text, c.rest)
			}
		})
	}
}
