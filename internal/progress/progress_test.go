package progress

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		taken       time.Duration
		want        string
	}{
		{0, 0, 0, "0 files"},
		{0, 7, time.Second, "0 of 7 files"},
		{1, 0, time.Minute, "1 file, 1.0 a minute"},
		{3, 9, 2 * time.Minute, "3 of 9 files, 1.5 a minute, 4m0s left"},
		{9, 9, 2 * time.Minute, "9 of 9 files, 4.5 a minute"},
		{10, 9, 2 * time.Minute, "10 of 9 files, 5.0 a minute"},
	} {
		if got := text(c.done, c.total, c.taken, "file"); got != c.want {
			t.Errorf("%d of %d: %q, not %q", c.done, c.total, got, c.want)
		}
	}
}

// TestNoTerminal: what is no terminal gets nothing but what was to be printed there.
func TestNoTerminal(t *testing.T) {
	var out bytes.Buffer
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, w := range []io.Writer{&out, null} {
		b := Start(w, "file")
		b.Total(2)
		b.Done()
		if b.Shown() || b.Above(w) != w {
			t.Error("a bar is shown")
		}
		b.Stop()
	}
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}
