package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// parsers names, for all that mcfs reads and others may have written, the target
// that fuzzes it. (Of what lies in S3, anybody who may write to the bucket; of the
// spool, whoever has the disk; of the socket, a program of the same user.)
var parsers = map[string][]string{
	"config":                {"FuzzParse", "FuzzParseByteSize", "FuzzParseRateLimit"},
	"internal/fstab":        {"FuzzParseOptions"},
	"internal/control":      {"FuzzRequest"},
	"internal/inventory":    {"FuzzParse", "FuzzKeys"},
	"internal/mhl":          {"FuzzParse"},
	"internal/status":       {"FuzzReport"},
	"fs":                    {"FuzzParseProc", "FuzzParseMount"},
	"crypt":                 {"FuzzUnpad", "FuzzParsePartial", "FuzzOpenBlock", "FuzzVerify"},
	"journal":               {"FuzzLog", "FuzzValues"},
	"keys":                  {"FuzzLocalUnwrap", "FuzzKeyringFile", "FuzzARN"},
	"mediaconvert/document": {"FuzzParseTemplate"},
	"mediaconvert/wire":     {"FuzzDecode"},
	"sidecar":               {"FuzzParse", "FuzzParseObject", "FuzzParseAttr", "FuzzParseMeta"},
	"spool":                 {"FuzzHeader", "FuzzRecord", "FuzzMapFile", "FuzzNote"},
	"store/dir":             {"FuzzUnescape", "FuzzMeta"},
	"store/s3":              {"FuzzAnswer", "FuzzListing", "FuzzContentRange", "FuzzListedName"},
	"volume":                {"FuzzEntryRecord", "FuzzChangeRecord", "FuzzParseACL"},
	"volume/listing":        {"FuzzListed"},
	"volume/metacache":      {"FuzzValue"},
	"volume/naming":         {"FuzzPatterns"},
	"volume/remote":         {"FuzzRecord"},
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// TestEveryParserIsFuzzed: each has its target, each target stands in the list,
// and each has a corpus that is checked in.
func TestEveryParserIsFuzzed(t *testing.T) {
	found := make(map[string]bool)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range fuzzTarget.FindAllStringSubmatch(string(text), -1) {
			dir := filepath.Dir(path)
			found[filepath.ToSlash(strings.TrimPrefix(dir, "../"))+" "+m[1]] = true
			hasCorpus(t, filepath.Join(dir, "testdata", "fuzz", m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, targets := range parsers {
		for _, target := range targets {
			if !found[dir+" "+target] {
				t.Errorf("%s has no %s", dir, target)
			}
			delete(found, dir+" "+target)
		}
	}
	for target := range found {
		t.Errorf("%s is not in the list", target)
	}
}

func hasCorpus(t *testing.T, dir string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range list {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || !strings.HasPrefix(string(text), "go test fuzz v1\n") {
			t.Errorf("%s/%s is no corpus file (%v)", dir, e.Name(), err)
		}
	}
	if len(list) == 0 {
		t.Errorf("%s is empty", dir)
	}
}
