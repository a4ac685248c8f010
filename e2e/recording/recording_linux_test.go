package recording

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mcfs/e2e/rig"
	"mcfs/internal/terminaltest"
	"mcfs/keys/kmstest"
	"mcfs/store/s3/s3test"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// most is how large the picture may be, bytes.
const most = 60 << 10

// commands are what is shown.
var commands = []string{
	"mcfs mount --background ingest",
	"cp movie.mp4 ingest/",
	"ls -go ingest",
	"mcfs settings ingest/movie.mp4",
	"head -c 16 ingest/movie.mp4 | xxd",
	"mcfs job ingest/movie.mp4 --output s3://deliver/ > job.json",
	"mcfs unmount ingest",
}

// shell is a shell in a terminal, whose output is recorded.
type shell struct {
	t      *testing.T
	keys   *os.File
	output chan []byte
	real   time.Time
	clock  time.Duration
	events []event
	seen   strings.Builder
}

// The recording's clock: a key takes as long as somebody's, and nobody waits for long.
const key, longest = 40 * time.Millisecond, 800 * time.Millisecond

// await records what comes until a text is at its end.
func (s *shell) await(end string, least time.Duration) {
	s.t.Helper()
	limit := time.NewTimer(2 * time.Minute)
	defer limit.Stop()
	for begun := s.seen.Len(); ; {
		select {
		case text, open := <-s.output:
			if !open {
				s.t.Fatalf("the shell ended:\n%s", s.seen.String())
			}
			now := time.Now()
			s.clock += min(max(now.Sub(s.real), least), longest)
			s.real = now
			s.events = append(s.events, event{s.clock.Round(10 * time.Millisecond), string(text)})
			s.seen.Write(text)
		case <-limit.C:
			s.t.Fatalf("no %q on the terminal:\n%s", end, s.seen.String())
		}
		if strings.HasSuffix(s.seen.String()[begun:], end) {
			return
		}
	}
}

// run types a command, and records what it prints up to the next prompt.
func (s *shell) run(command string) {
	s.t.Helper()
	s.clock += longest
	for _, r := range command {
		if _, err := s.keys.WriteString(string(r)); err != nil {
			s.t.Fatal(err)
		}
		s.await(string(r), key)
	}
	if _, err := s.keys.WriteString("\n"); err != nil {
		s.t.Fatal(err)
	}
	s.await("\n$ ", 0)
}

// begin starts a shell in a folder.
func begin(t *testing.T, dir string, env []string) *shell {
	near, far := terminaltest.Open(t)
	c := exec.Command("bash", "--norc", "--noprofile", "--noediting", "-i")
	c.Dir, c.Env = dir, append(env, "PS1=$ ", "TERM=dumb", "LC_ALL=C")
	c.Stdin, c.Stdout, c.Stderr = far, far, far
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = near.WriteString("exit\n")
		_ = c.Wait()
	})
	s := &shell{t: t, keys: near, output: make(chan []byte, 1024), real: time.Now()}
	go func() {
		defer close(s.output)
		for {
			text := make([]byte, 4096)
			n, err := near.Read(text)
			if err != nil {
				return
			}
			s.output <- text[:n]
		}
	}()
	s.await("$ ", 0)
	return s
}

// record runs the commands in a home with a bucket and a key.
func record(t *testing.T) []event {
	rig.Need(t, "ffmpeg", "xxd", "bash")
	home, bin := t.TempDir(), t.TempDir()
	s3 := s3test.Start(t)
	kms := kmstest.Start(t, kmstest.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey})
	config := fmt.Sprintf("[store]\nbucket = %q\nprefix = \"camera-a/\"\nregion = \"us-east-1\"\nendpoint = %q\npath_style = true\n[keys]\nkey_id = %q\nendpoint = %q\n[job]\nrole = \"arn:aws:iam::111122223333:role/MediaConvert\"\n", s3.Bucket, s3.URL, kms.ARN(0), kms.URL)
	if err := errors.Join(os.WriteFile(filepath.Join(home, "config.toml"), []byte(config), 0o600), os.Mkdir(filepath.Join(home, "ingest"), 0o755), os.Symlink(rig.Binary(t, false), filepath.Join(bin, "mcfs"))); err != nil {
		t.Fatal(err)
	}
	film := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=4:size=640x360", "-movflags", "+faststart", filepath.Join(home, "movie.mp4"))
	if out, err := film.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	env := append(os.Environ(), kms.Env()...)
	env = append(env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+home, "MCFS_CONFIG="+filepath.Join(home, "config.toml"), "XDG_STATE_HOME="+filepath.Join(home, "state"))
	t.Cleanup(func() { // of a mount that a failure has left
		c := exec.Command(filepath.Join(bin, "mcfs"), "unmount", "--now", filepath.Join(home, "ingest"))
		c.Env = env
		_ = c.Run()
	})
	s := begin(t, home, env)
	for _, c := range commands {
		s.run(c)
	}
	return s.events
}

// TestPicturesOfTerminal records the terminal of README, and draws it: into $MCFS_PICTURES, as make pictures asks.
func TestPicturesOfTerminal(t *testing.T) {
	dir := os.Getenv("MCFS_PICTURES")
	if dir == "" {
		dir = t.TempDir()
	}
	events := record(t)
	picture, err := draw(events)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, picture)
	var shown strings.Builder
	for _, e := range events {
		shown.WriteString(e.text)
	}
	for _, want := range []string{"movie.mp4.settings.json", `"DecryptionMode": "AES_CTR"`, `"KmsKeyRegion"`, "ftyp", "$ mcfs unmount ingest"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("no %s in\n%s", want, shown.String())
		}
	}
	for name, data := range map[string][]byte{"terminal.cast": cast(events), "terminal.svg": []byte(picture)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sound demands that a picture is small, well-formed, and asks nobody for anything.
func sound(t *testing.T, picture string) {
	t.Helper()
	if len(picture) > most {
		t.Errorf("the picture has %d bytes, more than %d", len(picture), most)
	}
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture: %v", err)
		}
		e, ok := token.(xml.StartElement)
		if ok && !strings.Contains(" svg style rect text tspan ", " "+e.Name.Local+" ") {
			t.Errorf("the picture has a %s", e.Name.Local)
		}
		for _, a := range e.Attr {
			if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
				t.Errorf("the picture has %s=%q", a.Name.Local, a.Value)
			}
		}
	}
	if strings.Contains(picture, "url(") || strings.Contains(picture, "@import") {
		t.Error("the picture asks for something elsewhere")
	}
}

// TestPictureOfReadme: the picture that README shows is the recording beside it.
func TestPictureOfReadme(t *testing.T) {
	recorded, err := os.ReadFile("../../docs/images/terminal.cast")
	if err != nil {
		t.Fatal(err)
	}
	events, err := readCast(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(cast(events), recorded) {
		t.Error("the recording is another when it is written again")
	}
	want, err := draw(events)
	if err != nil {
		t.Fatal(err)
	}
	sound(t, want)
	if got, err := os.ReadFile("../../docs/images/terminal.svg"); err != nil || string(got) != want {
		t.Errorf("docs/images/terminal.svg is not what terminal.cast shows (%v): make pictures", err)
	}
}
