package fs

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExclusiveOpen(t *testing.T) {
	const rest = " 0x0 0x0 0x7ffd4c0f2d08 0x7f2f5d1a1f01\n"
	openat, mkdirat, stat := strconv.Itoa(unix.SYS_OPENAT), strconv.Itoa(unix.SYS_MKDIRAT), strconv.Itoa(unix.SYS_STATX)
	for line, want := range map[string]making{
		openat + " 0xffffff9c 0x7ffd4c0f5a10 0xc1 0x1a4" + rest: exclusively, // O_WRONLY|O_CREAT|O_EXCL
		openat + " 0xffffff9c 0x7ffd4c0f5a10 0x41 0x1a4" + rest: anything,    // no O_EXCL
		openat + " 0xffffff9c 0x7ffd4c0f5a10 0x1 0x0" + rest:    nothing,     // no O_CREAT
		mkdirat + " 0xffffff9c 0x7ffd4c0f5a10 0x1ed 0x0" + rest: anything,
		stat + " 0xffffff9c 0x7ffd4c0f5a10 0xc1 0x1a4" + rest:   nothing,
		running: nothing,
		"":      nothing,
	} {
		if got := makingOf(line); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

// TestAwaitCall: a thread that has sent its request and does not sleep yet is waited for.
func TestAwaitCall(t *testing.T) {
	for what, texts := range map[string][]string{
		"asleep": {"257 0x0"}, "soon": {running, running, running, "257 0x0"}, "never": {running}, "gone": {running, ""},
	} {
		reads := 0
		got, err := awaitCall(func() ([]byte, error) {
			text := texts[min(reads, len(texts)-1)]
			reads++
			if text == "" {
				return nil, unix.ESRCH
			}
			return []byte(text), nil
		})
		want := texts[len(texts)-1]
		if got != want || (err != nil) != (want == "") || reads < len(texts) {
			t.Errorf("%s: %q, %v after %d reads, want %q", what, got, err, reads, want)
		}
	}
}
