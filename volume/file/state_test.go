package file

import "testing"

// TestStateTable walks every pair of state and event, so that whoever changes the
// table changes this expectation too: a letter is the state that follows, a dot
// means that it cannot happen.
func TestStateTable(t *testing.T) {
	letters := map[State]byte{
		Clean: 'C', Writing: 'W', Queued: 'Q', Uploading: 'U', Publishing: 'P', Interrupted: 'I', Local: 'L', Temporary: 'T', Lost: 'X',
	}
	// write ask start ready done fail move kill spoil abandon hide guess remove condemn restore
	want := map[State]string{
		Clean:       "W...C.C...LTC..",
		Writing:     "WQ....WII.LTCX.",
		Queued:      "QQU..QQQQILTCX.",
		Uploading:   "UU.P.QQUUILTCX.",
		Publishing:  "PP..CQPPP...PX.",
		Interrupted: "WQ....III.LICX.",
		Local:       "LL....WLL.LTCX.",
		Temporary:   "TQ....WII.LTCX.",
		Lost:        "WX....XX....C.I",
	}
	if len(want) != len(letters) || len(transitions) != len(letters) {
		t.Fatalf("%d states are expected, %d in the table", len(want), len(transitions))
	}
	for s, row := range want {
		for e := EvWrite; e <= evRestore; e++ {
			to, err := s.Next(e)
			got := byte('.')
			if err == nil {
				got = letters[to]
			}
			if got != row[e] {
				t.Errorf("%s, %s: %c, want %c", s, e, got, row[e])
			}
			if err != nil && to != s {
				t.Errorf("%s, %s: an impossible event changed the state", s, e)
			}
		}
	}
}
