package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"mcfs/mediaconvert/mediaconverttest"
)

// What a guide calls a job, a volume and a key, and how it says where they are.
const (
	guideJob    = "1515368087458-qnoxtd"
	guideVolume = "s3://ingest/camera-a/"
	guideKey    = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	guidePlace  = "--bucket ingest --prefix camera-a/ --region us-west-2"
)

// step is a command of a transcript, and what it prints.
type step struct{ command, output string }

var transcripts = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// readSteps reads the transcripts of a guide.
func readSteps(text string) (steps []step) {
	for _, m := range transcripts.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(m[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: strings.TrimSpace(command)})
				continue
			}
			steps[len(steps)-1].output += line
		}
	}
	return steps
}

// cmdGuide runs the transcripts of a guide in docs, in turn, and demands what they print:
// guide FILE. The last job that was made is the one that the guide names.
func cmdGuide(ts *testscript.TestScript, neg bool, args []string) {
	s := convertOf(ts)
	text, err := os.ReadFile(args[0])
	ts.Check(err)
	steps := readSteps(string(text))
	if len(steps) < 5 {
		ts.Fatalf("%s has %d steps", args[0], len(steps))
	}
	prefix := filepath.Base(ts.Getenv("WORK")) + "/"
	here := strings.NewReplacer(guideVolume, "s3://"+ts.Getenv("BUCKET")+"/"+prefix, guideKey, ts.Getenv("KEY_ARN"),
		guidePlace, "--bucket "+ts.Getenv("BUCKET")+" --prefix "+prefix+" --region us-east-1 --path-style --endpoint "+ts.Getenv("S3_ENDPOINT"))
	ended := "0"
	for _, st := range steps {
		if st.command == "echo $?" {
			if strings.TrimSpace(st.output) != ended {
				ts.Fatalf("status %s, not %s", ended, st.output)
			}
			continue
		}
		command := here.Replace(withJob(st.command, s))
		if strings.Contains(command, "--submit") || strings.Contains(command, "job wait") {
			command = strings.NewReplacer(" --submit", " --submit --poll 1ms", "job wait", "job wait --poll 1ms").Replace(command)
		}
		ts.Check(os.WriteFile(ts.MkAbs("step.sh"), []byte("exec 2>&1\n"+command+"\necho \"status $?\"\n"), 0o600))
		ts.Check(ts.Exec("sh", "step.sh"))
		said := ts.ReadFile("stdout")
		at := strings.LastIndex(said, "status ")
		got := said[:at]
		ended = strings.TrimSpace(said[at+len("status "):])
		if !pattern(here.Replace(withJob(st.output, s))).MatchString(got) {
			ts.Fatalf("$ %s\nprints\n%snot\n%s", command, got, st.output)
		}
	}
}

// pattern is what a transcript says that a command prints: "…" is the rest of a line, and in a line
// of its own any number of lines.
func pattern(output string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for line := range strings.Lines(output) {
		if line == "…\n" {
			b.WriteString("(?s:.*)")
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile(b.String() + "$")
}

// withJob puts the last job's ID for the one of the guide.
func withJob(text string, s *mediaconverttest.Server) string {
	all := s.Jobs()
	if len(all) == 0 {
		return text
	}
	return strings.ReplaceAll(text, guideJob, *all[len(all)-1].Id)
}
