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
	values := map[string]string{"rapid.checks": "6", "rapid.steps": "60", "rapid.shrinktime": "1s", "rapid.nofailfile": "true"}
	if os.Getenv("MCFS_SOAK") == "" {
		values["rapid.seed"] = "20261125" // make test runs the same walks each time; make soak goes new ways
	}
	for name, value := range values {
		if !given[name] {
			_ = flag.Set(name, value)
		}
	}
	os.Exit(rig.Main(m))
}
