package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// event is what a terminal was sent at a time.
type event struct {
	at   time.Duration
	text string
}

// size of the terminal, characters.
const columns, rows = 92, 27

// cast is a recording as an asciicast of version 2, a line of JSON each.
func cast(events []event) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"version\":2,\"width\":%d,\"height\":%d,\"title\":\"mcfs\"}\n", columns, rows)
	for _, e := range events {
		text, _ := json.Marshal(e.text) // a string always has a JSON form
		fmt.Fprintf(&b, "[%.3f,\"o\",%s]\n", e.at.Seconds(), text)
	}
	return b.Bytes()
}

// readCast reads one.
func readCast(data []byte) (events []event, err error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "{") {
			var head struct{ Version, Width, Height int }
			if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.Version != 2 || head.Width != columns || head.Height != rows {
				return nil, fmt.Errorf("head %s: %v", lines.Text(), err)
			}
			continue
		}
		var seconds float64
		var kind, text string
		if err := json.Unmarshal(lines.Bytes(), &[]any{&seconds, &kind, &text}); err != nil || kind != "o" {
			return nil, fmt.Errorf("event %s: %v", lines.Text(), err)
		}
		events = append(events, event{time.Duration(seconds * float64(time.Second)), text})
	}
	return events, lines.Err()
}
