package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzReport: whatever a daemon answers, what is shown to a person is lines that no
// terminal takes for commands.
func FuzzReport(f *testing.F) {
	for _, r := range someStatus(time.Unix(0, 0)) {
		line, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"drafts":null}`))
	f.Add([]byte(`{"note":"\u001b[2J"}`))
	f.Add([]byte(`{"state":"\u001b[2J"}`))
	f.Add([]byte(`{"drafts":[{"path":"a","state":"\n","behind":{"what":"\r"}}],"changes":[{"what":"\u001b","path":"a"}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var r Report
		if json.Unmarshal(line, &r) != nil {
			return
		}
		for _, l := range Lines([]Report{r}, time.Unix(1e9, 0)) {
			if strings.ContainsAny(l, "\n\r\x1b\x00") {
				t.Fatalf("%q", l)
			}
		}
	})
}
