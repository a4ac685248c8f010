package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
)

// noting is what a daemon does that only notes what it was asked for.
func noting(asked *string) Handler {
	return Handler{
		Stop:   func(bool) { *asked += "stop" },
		Unused: func(context.Context, bool, func(string)) error { return nil },
		Sync: func(_ context.Context, paths []string, tell func(string)) error {
			*asked += "sync"
			tell("one")
			return nil
		},
		Repair: func(context.Context, []string, func(string)) error { return nil },
		Wrong: func(_ context.Context, path string, tell func(string)) error {
			*asked += "wrong"
			tell(path)
			return nil
		},
		Status: func(string) any {
			*asked += "status"
			return "well"
		},
		Events: func(_ context.Context, _, _ string, send func(json.RawMessage) error) error {
			*asked += "events"
			return send([]byte("{}"))
		},
		Reload: func(_ context.Context, tell func(string)) error {
			*asked += "reload"
			tell("one")
			return nil
		},
		Restore: func(context.Context, string) (string, error) {
			*asked += "restore"
			return "", errors.New("there is none")
		},
		Log: func(error) {},
	}
}

// FuzzRequest sends a daemon whatever it is: it does one of the things
// that it knows, or hangs up, and lives.
func FuzzRequest(f *testing.F) {
	for _, r := range []request{{Op: "status", Paths: []string{"d"}}, {Op: "sync", Paths: []string{"", "../x"}}, {Op: "unmount", Now: true}, {Op: "wrong"}, {Op: "reload"}, {Op: "events", Since: "x-1"}} {
		line, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(line, '\n'))
	}
	f.Add([]byte("\n"))
	f.Add([]byte(`{"op":7}` + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if !strings.Contains(string(line), "\n") {
			line = append(line, '\n') // else it waits for the rest, for a second
		}
		asked := ""
		s := newServer(nil, noting(&asked))
		defer s.cancel()
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() { // ends when the connection does
			defer close(done)
			lines := bufio.NewScanner(here)
			for lines.Scan() {
				var a answer
				if json.Unmarshal(lines.Bytes(), &a) != nil {
					t.Errorf("%q", lines.Bytes())
				}
			}
		}()
		go func() { _, _ = here.Write(line) }() // ends with the connection, too
		s.serve(there)
		there.Close()
		here.Close()
		<-done
		var r request
		first, _, _ := strings.Cut(string(line), "\n")
		if json.Unmarshal([]byte(first), &r) != nil {
			r.Op = ""
		}
		if want := map[string]string{"unmount": "stop", "sync": "sync", "status": "status", "restore": "restore", "events": "events", "wrong": "wrong", "reload": "reload"}[r.Op]; asked != want {
			t.Errorf("%q made it do %q", first, asked)
		}
	})
}
