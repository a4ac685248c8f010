package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mcfs/store/s3/s3test"
)

// requestRow is a row of the table of requests in docs/scaling.md: a command, and how many a file takes.
var requestRow = regexp.MustCompile("(?m)^\\| `mcfs (\\w+)` \\| (\\d+) \\| (\\d+) \\| (\\d+) \\|$")

// TestRequestsOfAFile: the table of docs/scaling.md says how many requests a small file takes: what 200
// take more than 100, so that those of a run as a whole do not count.
func TestRequestsOfAFile(t *testing.T) {
	s3 := s3test.Start(t, s3test.WithProxy())
	k := newKilledRun(t, s3, extent{})
	const files = 100
	for i := range 3 * files {
		at := filepath.Join(k.dir, map[bool]string{true: "few", false: "many"}[i < files], fmt.Sprint(i))
		check := os.MkdirAll(filepath.Dir(at), 0o700)
		if check == nil {
			check = os.WriteFile(at, []byte{byte(i)}, 0o600)
		}
		if check != nil {
			t.Fatal(check)
		}
	}
	text, err := os.ReadFile(filepath.Join(k.dir, "aws.toml"))
	if err != nil {
		t.Fatal(err)
	}
	next := strings.Replace(string(text), k.kms.ARN(0), k.kms.ARN(2), 1)
	if err := os.WriteFile(filepath.Join(k.dir, "next.toml"), []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := requestRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) != 4 {
		t.Fatalf("the page has %d rows", len(rows))
	}
	for _, row := range rows {
		few, many := k.requests(s3, row[1], "few"), k.requests(s3, row[1], "many")
		for i, what := range []string{"reading", "writing", "to KMS"} {
			each := float64(many[i]-few[i]) / files
			if fmt.Sprint(math.Round(each)) != row[2+i] {
				t.Errorf("%s: %.2f requests of a file are %s, not %s", row[1], each, what, row[2+i])
			}
		}
	}
}

// requests is how many requests a command sends that read, and write, and those to KMS.
func (k *killedRun) requests(s3 *s3test.Server, command, what string) [3]int {
	k.t.Helper()
	at := k.address + what
	args := map[string][]string{
		"encrypt": {"encrypt", what, at}, "verify": {"verify", at},
		"decrypt": {"decrypt", at, filepath.Join(k.dir, "out", what)}, "rewrap": {"rewrap", "--rate", "1000", at},
	}[command]
	k.config = map[bool]string{true: "next.toml", false: "aws.toml"}[command == "rewrap"]
	ops, calls := len(s3.Proxy.Ops()), len(k.kms.Calls())
	k.must(args...)
	n := [3]int{2: len(k.kms.Calls()) - calls}
	for _, op := range s3.Proxy.Ops()[ops:] {
		if strings.HasPrefix(op, "Get") || strings.HasPrefix(op, "Head") || strings.HasPrefix(op, "List") {
			n[0]++
		} else {
			n[1]++
		}
	}
	return n
}
