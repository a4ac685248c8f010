package patience

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mcfs/store"
)

// TestWait: after silence what is known is shown at once, for a while, unless the store answers.
func TestWait(t *testing.T) {
	silent := fmt.Errorf("list: %w", store.ErrUnavailable)
	for _, c := range []struct {
		name string
		done func(p *Patience)
		want time.Duration // where something is known
	}{
		{"nothing has happened", func(*Patience) {}, Known},
		{"silence", func(p *Patience) { p.NoteFailure(silent) }, 0},
		{"a deadline", func(p *Patience) { p.NoteFailure(context.DeadlineExceeded) }, 0},
		{"a refusal", func(p *Patience) { p.NoteFailure(store.ErrNotExist) }, Known},
		{"silence, long ago", func(p *Patience) { p.NoteFailure(silent); time.Sleep(awayFor) }, Known},
		{"silence, a moment less long ago", func(p *Patience) { p.NoteFailure(silent); time.Sleep(awayFor - 1) }, 0},
		{"silence, and an answer", func(p *Patience) { p.NoteFailure(silent); p.NoteAnswer(time.Now()) }, Known},
		{"silence, and an answer that took long", func(p *Patience) { p.NoteFailure(silent); p.NoteAnswer(time.Now().Add(-Known)) }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var p Patience
			c.done(&p)
			if got := p.Wait(true); got != c.want || p.IsAway() != (c.want == 0) {
				t.Errorf("%s: %v, away %t; want %v", c.name, got, p.IsAway(), c.want)
			}
			if got := p.Wait(false); got != Unknown {
				t.Errorf("%s, and nothing known: %v", c.name, got)
			}
		})
	}
}

// TestDo: a request has its time, and fails the operation only where nothing is known.
func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Patience
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		refuse := func(context.Context) error { return store.ErrNotExist }
		took := func(known bool, f func(context.Context) error) (time.Duration, error) {
			begun := time.Now()
			err := p.Do(t.Context(), known, f)
			return time.Since(begun), err
		}
		if d, err := took(false, hang); d != Unknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("unknown: %v after %v", err, d)
		}
		if p.IsAway() {
			t.Error("who has failed for it is not to make others wait less")
		}
		if d, err := took(true, hang); d != Known || err != nil || !p.IsAway() {
			t.Errorf("known: %v after %v, away %t", err, d, p.IsAway())
		}
		if d, err := took(true, hang); d != 0 || err != nil {
			t.Errorf("known, the store away: %v after %v", err, d)
		}
		if d, err := took(false, func(context.Context) error { return nil }); d != 0 || err != nil || p.IsAway() {
			t.Errorf("an answer: %v after %v, away %t", err, d, p.IsAway())
		}
		if _, err := took(true, refuse); err != nil || p.IsAway() {
			t.Errorf("a refusal: %v, away %t", err, p.IsAway())
		}
		if _, err := took(false, refuse); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("a refusal, and nothing known: %v", err)
		}
	})
}
