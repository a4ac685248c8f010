package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"mcfs/volume"
)

// FuzzControlRequest sends a daemon whatever it is: it does one of the things
// that it knows, or hangs up, and lives.
func FuzzControlRequest(f *testing.F) {
	for _, r := range []request{{Op: "status", Paths: []string{"d"}}, {Op: "sync", Paths: []string{"", "../x"}}, {Op: "unmount", Now: true}} {
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
		c := &control{conns: make(map[net.Conn]struct{})}
		c.ctx, c.cancel = context.WithCancel(t.Context())
		defer c.cancel()
		c.served = served{
			stop: func(bool) { asked += "stop" },
			settle: func(_ context.Context, paths []string, tell func(string)) error {
				asked += "sync"
				tell("one")
				return nil
			},
			status: func(path string) report {
				asked += "status"
				return report{State: stateMounted, Status: &volume.Status{}}
			},
			log: func(error) {},
		}
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
		c.serve(there)
		there.Close()
		here.Close()
		<-done
		var r request
		first, _, _ := strings.Cut(string(line), "\n")
		if json.Unmarshal([]byte(first), &r) != nil {
			r.Op = ""
		}
		if want := map[string]string{"unmount": "stop", "sync": "sync", "status": "status"}[r.Op]; asked != want {
			t.Errorf("%q made it do %q", first, asked)
		}
	})
}

// FuzzControlAnswer has a daemon answer whatever it is: what comes out for a
// person is lines that no terminal obeys.
func FuzzControlAnswer(f *testing.F) {
	for _, r := range someStatus(time.Unix(0, 0)) {
		line, err := json.Marshal(answer{Done: true, Report: &r})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"done":true,"report":{"status":null}}`))
	f.Add([]byte(`{"text":"\u001b[2J"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var a answer
		if json.Unmarshal(line, &a) != nil || a.Report == nil {
			return
		}
		for _, l := range statusLines([]report{*a.Report}, time.Unix(1e9, 0)) {
			if strings.ContainsAny(l, "\n\r\x1b\x00") {
				t.Fatalf("%q", l)
			}
		}
	})
}
