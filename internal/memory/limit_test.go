package memory

import "testing"

func TestMemoryLimitFollows(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[int64]int64{
		0:         160 * mib,
		96 * mib:  160 * mib,
		97 * mib:  176 * mib,
		200 * mib: 272 * mib,
		400 * mib: 512 * mib,
	} {
		if got := limitFor(live); got != want {
			t.Errorf("%d MiB live: %d MiB, not %d", live/mib, got/mib, want/mib)
		}
	}
	if live := liveBytes(); live <= 0 {
		t.Errorf("%d bytes live", live)
	}
}

func TestCollectorsPercentFollows(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[int64]int{
		0: 800, 4 * mib: 800, 8 * mib: 400, 20 * mib: 100, 27 * mib: 50, 40 * mib: 50, 400 * mib: 50,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB live: %d %%, not %d", live/mib, got, want)
		}
	}
}
