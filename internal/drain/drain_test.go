package drain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/volume"
)

// TestDrainEnds: it says what it waits for, and returns when the wait does.
func TestDrainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		d := Drain{Patience: time.Minute, Pending: func() []volume.Pending { return []volume.Pending{{Path: "d", What: "mkdir"}} }}
		err := d.Run(t.Context(), func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(20 * time.Second):
				return errors.New("done")
			}
		}, func(text string) { told = append(told, text) })
		if err == nil || err.Error() != "done" {
			t.Errorf("%v", err)
		}
		if len(told) != 1 || told[0] != "waiting for 1 change: d" {
			t.Errorf("told %q", told)
		}
	})
}

// TestDrainGivesUp: it waits while something moves, and for Patience after that.
func TestDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const moves, patience = 30 * time.Second, 10 * time.Second
		begun := time.Now()
		pending := func() []volume.Pending {
			return []volume.Pending{
				{Path: "film", What: "uploading", Done: int64(min(time.Since(begun), moves)), Size: 1 << 40},
				{Path: "local~", What: volume.Local.String(), Size: int64(time.Since(begun))},
			}
		}
		err := Drain{Patience: patience, Pending: pending}.Run(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, func(string) {})
		if !errors.Is(err, ErrStuck) || err.Error() != "no progress for 10s" {
			t.Errorf("%v", err)
		}
		if took := time.Since(begun); took < moves+patience || took > moves+patience+2*every {
			t.Errorf("it took %v", took)
		}
	})
}

// TestDrainOfNothing: where only what stays is pending, nothing is said and nothing given up.
func TestDrainOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := Drain{Patience: time.Second, Pending: func() []volume.Pending { return []volume.Pending{{Path: "a~", What: volume.Local.String()}} }}
		err := d.Run(t.Context(), func(ctx context.Context) error {
			time.Sleep(time.Minute)
			return ctx.Err()
		}, func(text string) { t.Errorf("told %q", text) })
		if err != nil {
			t.Error(err)
		}
	})
}

func TestProgress(t *testing.T) {
	list := []volume.Pending{
		{Path: "d", What: "remove"}, {Path: "c", What: "uploading", Done: 3 << 20, Size: 10 << 20},
		{Path: "b", What: "queued", Reason: "store unavailable", Size: 1 << 30},
		{Path: "hidden", What: volume.Local.String(), Size: 9}, {Path: "a", What: "rename"},
	}
	want := "waiting for 2 files (3.0 MiB of 1.0 GiB sent) and 2 changes: a, b (store unavailable), c, and 1 more"
	if got := progress(awaited(list)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What is waited for is said again only when it has changed.
func TestProgressOnChange(t *testing.T) {
	var said []string
	tell := onChange(func(text string) { said = append(said, text) })
	for _, text := range []string{"a", "a", "b", "b", "a"} {
		tell(text)
	}
	if got := strings.Join(said, ""); got != "aba" {
		t.Errorf("it said %q", got)
	}
}

// TestStay: what keeps a file on this machine is named, however many there are.
func TestStay(t *testing.T) {
	if got := Stay([]volume.DraftStatus{{Path: "film", State: volume.Uploading.String()}}); got != "" {
		t.Errorf("of none: %q", got)
	}
	list := []volume.DraftStatus{{Path: "a\n~", State: volume.Local.String()}, {Path: "b.part", State: volume.Temporary.String()}}
	const begins = "on this machine alone while the name is temporary; rename to upload: "
	if got, want := Stay(list), begins+`"a\n~", b.part (still open)`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for i := range mostNames {
		list = append(list, volume.DraftStatus{Path: fmt.Sprint(i), State: volume.Local.String()})
	}
	if got := Stay(list); !strings.HasSuffix(got, ", 27, and 2 more") {
		t.Errorf("of many: %s", got)
	}
}

// TestWriters: the programs that have files open are named, the first few of many.
func TestWriters(t *testing.T) {
	if err := InUse(nil); err != nil {
		t.Errorf("of none: %v", err)
	}
	list := make([]volume.Writer, 7)
	for i := range list {
		list[i] = volume.Writer{Path: fmt.Sprintf("f%d", i), By: fmt.Sprintf("ffmpeg (%d)", 10+i)}
	}
	want := "ffmpeg (10): f0, ffmpeg (11): f1, ffmpeg (12): f2, ffmpeg (13): f3, ffmpeg (14): f4, and 2 more"
	for _, err := range []error{InUse(list), CutOff(list)} {
		if !strings.Contains(err.Error(), " by "+want+":") {
			t.Errorf("%v", err)
		}
	}
}
