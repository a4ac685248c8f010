package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sys/unix"

	"mcfs/internal/human"
)

// Bar is how far some work is. Its methods may be called by any number of goroutines.
type Bar struct {
	all *mpb.Progress // nil: nothing is shown
	bar *mpb.Bar
}

// width is that of the bar itself, in characters.
const width = 24

// Start shows a bar for items of a name on w, if that is a terminal.
func Start(w io.Writer, what string) *Bar {
	if !IsTerminal(w) {
		return new(Bar)
	}
	begun := time.Now()
	all := mpb.New(mpb.WithOutput(w), mpb.WithWidth(width))
	return &Bar{all, all.AddBar(0, mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
		return text(s.Current, s.Total, time.Since(begun), what)
	})))}
}

// text is how far it is for a person. A total of 0 is not known.
func text(done, total int64, taken time.Duration, what string) string {
	line := human.Count(int(done), what)
	if total > 0 {
		line = fmt.Sprintf("%d of %s", done, human.Count(int(total), what))
	}
	if done == 0 || taken <= 0 {
		return line
	}
	line += fmt.Sprintf(", %.1f a minute", float64(done)/taken.Minutes())
	if left := total - done; left > 0 {
		line += fmt.Sprintf(", %v left", (taken / time.Duration(done) * time.Duration(left)).Round(time.Second))
	}
	return line
}

// Above is where lines are printed that were to go to w, while the bar is shown on a terminal.
func (b *Bar) Above(w io.Writer) io.Writer {
	if b.all == nil || !IsTerminal(w) {
		return w
	}
	return b.all
}

// Shown reports whether anybody sees the bar.
func (b *Bar) Shown() bool { return b.all != nil }

// Done counts an item.
func (b *Bar) Done() {
	if b.bar != nil {
		b.bar.Increment()
	}
}

// Total says of how many items it is told now.
func (b *Bar) Total(n int) {
	if b.bar != nil {
		b.bar.SetTotal(int64(n), false)
	}
}

// Stop takes the bar away. What was printed above it stays.
func (b *Bar) Stop() {
	if b.all != nil {
		b.bar.Abort(true)
		b.all.Wait()
	}
}

// IsTerminal reports whether a person may look at what is written to w.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
