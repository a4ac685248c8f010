package launchd

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

// parsed reads a property list with python's plistlib, which takes nothing that is not one.
func parsed(t *testing.T, list string) (keys map[string]any) {
	t.Helper()
	c := exec.Command("python3", "-c", "import json, plistlib, sys\njson.dump(plistlib.load(sys.stdin.buffer, fmt=plistlib.FMT_XML), sys.stdout)")
	var wrong bytes.Buffer
	c.Stdin, c.Stderr = strings.NewReader(list), &wrong
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, wrong.String(), list)
	}
	if err := json.Unmarshal(out, &keys); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestList: launchd runs just this, as long as it fails, and what it says goes to the log; names come through
// whatever is in them.
func TestList(t *testing.T) {
	for _, a := range []Agent{
		{"/usr/local/bin/mcfs", "/Users/me/.config/mcfs/config.toml", "/Users/me/ingest", "/Users/me/Library/Logs/mcfs.log"},
		{`/opt/<m>&"c" 'fs'`, "/Users/zoë/日本/c]]>.toml", "/Volumes/A & B <x> ü %s %d $HOME \u00a0\u2028", "/l/-- <!-- &amp; 😀"},
	} {
		text, err := a.List()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"Label": Label(a.Mountpoint), "ProgramArguments": []any{a.Program, "mount", a.Mountpoint, "--config", a.Configuration},
			"RunAtLoad": true, "KeepAlive": map[string]any{"SuccessfulExit": false}, "ThrottleInterval": 30.0, "ExitTimeOut": 600.0,
			"ProcessType": "Interactive", "StandardErrorPath": a.Log,
		}
		if got := parsed(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%v\nis to be\n%v", got, want)
		}
	}
	if got := Label("/Users/zoë/my films/"); got != "mcfs.Users-zo-my-films" {
		t.Error(got)
	}
}

// TestGuide: the list of the guide is the one that is written.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/macos.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Agent{"/usr/local/bin/mcfs", "/Users/me/.config/mcfs/config.toml", "/Users/me/ingest", "/Users/me/Library/Logs/mcfs.Users-me-ingest.log"}.List()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(guide), "```xml\n"+text+"```\n") {
		t.Errorf("docs/macos.md has another list than\n%s", text)
	}
}

// TestRefused: what launchd could not find, or XML cannot hold, is in no list.
func TestRefused(t *testing.T) {
	for _, path := range []string{"", "relative", "/a\x00b", "/\xff", "/\uffff", "/a\nb", "/a\tb"} {
		for i, a := range []Agent{{path, "/c", "/m", "/l"}, {"/p", path, "/m", "/l"}, {"/p", "/c", path, "/l"}, {"/p", "/c", "/m", path}} {
			if text, err := a.List(); err == nil || text != "" {
				t.Errorf("%q as %d: %v\n%s", path, i, err, text)
			}
		}
	}
}
