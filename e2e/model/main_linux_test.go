package model

import (
	"flag"
	"os"
	"testing"

	"mcfs/e2e/rig"
)

func TestMain(m *testing.M) {
	flag.Parse()
	given := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	// What make test can afford, and no shrinking but our own: a step can be left out of
	// a script, which rapid does not know. Any of them can be given on the command line.
	for name, value := range map[string]string{"rapid.checks": "6", "rapid.steps": "60", "rapid.shrinktime": "1s", "rapid.nofailfile": "true"} {
		if !given[name] {
			_ = flag.Set(name, value)
		}
	}
	os.Exit(rig.Main(m))
}
