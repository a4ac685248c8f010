package measure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// walls are samples that took so many seconds.
func walls(seconds ...int) []Sample {
	samples := make([]Sample, len(seconds))
	for i, s := range seconds {
		samples[i] = Sample{Wall: time.Duration(s) * time.Second, More: map[string]float64{"n": float64(s)}}
	}
	return samples
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		samples           []Sample
		want, least, most float64
	}{
		{walls(), 0, 0, 0},
		{walls(3), 3, 3, 3},
		{walls(9, 1), 5, 1, 9},
		{walls(9, 1, 2), 2, 1, 9},
		{walls(4, 9, 1, 2), 3, 1, 9},
	} {
		s := Series{Samples: c.samples}
		least, most := s.Range(Wall)
		if got := s.Median(Wall); got != c.want || least != c.least || most != c.most {
			t.Errorf("%v: %v, %v to %v; want %v", s.values(Wall), got, least, most, c.want)
		}
		if got := s.Median(More("n")); got != c.want {
			t.Errorf("of a further figure: %v", got)
		}
	}
}

func TestAlternate(t *testing.T) {
	var order []string
	contender := func(name string, failsAt int) Contender {
		runs := 0
		return Contender{name, func(_ context.Context, warmUp bool) (Sample, error) {
			runs++
			order = append(order, fmt.Sprint(name, warmUp))
			if runs == failsAt {
				return Sample{}, errors.New("broken")
			}
			return Sample{Wall: time.Duration(runs) * time.Second}, nil
		}}
	}
	all, err := Alternate(t.Context(), 2, contender("a", 0), contender("b", 2), contender("c", 1))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, " "), "atrue btrue ctrue afalse bfalse afalse"; got != want {
		t.Errorf("order: %s, want %s", got, want)
	}
	a, err := all.Of("a")
	if err != nil || len(a.Samples) != 2 || a.Median(Wall) != 2.5 {
		t.Errorf("a: %+v, %v: the first run must not count", a, err)
	}
	for _, name := range []string{"b", "c"} {
		if _, err := all.Of(name); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := all.Ratio(Wall, "a", name); err == nil {
			t.Errorf("a ratio to %s, which failed", name)
		}
	}
	if _, err := all.Of("d"); !errors.Is(err, ErrNone) {
		t.Errorf("one who was not there: %v", err)
	}
}

func TestAlternateEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	_, err := Alternate(ctx, 5, Contender{"a", func(context.Context, bool) (Sample, error) {
		cancel(why)
		return Sample{}, nil
	}})
	if !errors.Is(err, why) {
		t.Errorf("error: %v", err)
	}
}

func TestRatio(t *testing.T) {
	all := All{{Name: "a", Samples: walls(2, 4, 3)}, {Name: "b", Samples: walls(6)}, {Name: "none", Samples: walls(0)}}
	if got, err := all.Ratio(Wall, "a", "b"); got != 0.5 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := all.Ratio(Wall, "a", "none"); err == nil {
		t.Error("a ratio to nothing")
	}
}
