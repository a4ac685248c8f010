package upload

import "testing"

func TestPhases(t *testing.T) {
	all := []phase{fresh, begun, finishing, done, aborted, lost}
	allowed := map[[2]phase]bool{
		{fresh, begun}: true, {fresh, aborted}: true, {fresh, lost}: true,
		{begun, finishing}: true, {begun, aborted}: true, {begun, lost}: true,
		{finishing, done}: true, {finishing, aborted}: true, {finishing, lost}: true,
		{lost, aborted}: true,
	}
	for _, p := range all {
		for _, q := range all {
			if got := p.may(q); got != allowed[[2]phase{p, q}] {
				t.Errorf("%v to %v: %v", p, q, got)
			}
		}
		if len(moves[p]) == 0 && !p.ended() {
			t.Errorf("%v leads nowhere and does not count as ended", p)
		}
	}
	if len(moves) != len(all) {
		t.Errorf("the table has %d phases, want %d", len(moves), len(all))
	}
}
