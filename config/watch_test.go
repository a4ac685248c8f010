package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// watched is enough for a hot folder.
const watched = minimal + "[[watch]]\noutput = 's3://out/'\nrole = 'arn:aws:iam::111122223333:role/M'\n"

// TestWatch: each key of a section can be set.
func TestWatch(t *testing.T) {
	testHome(t)
	c := mustParse(t, minimal+`
[[watch]]
path = "day1/card2/"
match = ["*.mov", "*.mxf"]
max_jobs = 7
every = "1m"
preset = "hls"
output = "s3://deliver/"
sse = "kms"
no_audio = true
role = "arn:aws:iam::111122223333:role/MediaConvert"
queue = "Fast"
region = "eu-west-1"
kms_region = "us-west-2"
priority = -3
tags = ["show=7"]
acceleration = "preferred"
poll = "30s"
endpoint = "https://mediaconvert.example.com/"
[log]
level = "warn"
[[watch]]
template = "/house.json"
`)
	want := []Watch{
		{Path: "day1/card2", Match: []string{"*.mov", "*.mxf"}, MaxJobs: 7, Every: time.Minute, Making: Making{
			Preset: PresetHLS, Output: "s3://deliver/", SSE: "kms", NoAudio: true, Role: "arn:aws:iam::111122223333:role/MediaConvert", Queue: "Fast", Region: "eu-west-1",
			KMSRegion: "us-west-2", Priority: -3, Tags: []string{"show=7"}, Acceleration: AccelerationPreferred, Poll: 30 * time.Second, Endpoint: "https://mediaconvert.example.com",
		}},
		{Match: []string{}, MaxJobs: 20, Every: 30 * time.Second, Making: Making{Template: "/house.json", Tags: []string{}}},
	}
	if diff := cmp.Diff(want, c.Watch); diff != "" {
		t.Error(diff)
	}
	if c.Log.Level != LevelWarn {
		t.Errorf("log.level is %s", c.Log.Level)
	}
	everyFieldIsSet(t, "", reflect.ValueOf(c.Watch[0]), "Making.Template")
	if a, b := c.Watch[0].String(), c.Watch[1].String(); a != "day1/card2 (*.mov, *.mxf)" || b != "/" {
		t.Errorf("they are called %q and %q", a, b)
	}
}

// TestWatchInherits: what a section does not say [job] does, as with flags: a template is taken as
// it is, and a preset is made in place of [job]'s template.
func TestWatchInherits(t *testing.T) {
	testHome(t)
	const job = minimal + "[job]\noutput = 's3://out/'\nrole = 'arn:aws:iam::111122223333:role/M'\npriority = 4\ntags = ['a=1']\nqueue = 'Q'\n"
	c := mustParse(t, job+"preset = 'hls'\n[[watch]]\n[[watch]]\npreset = 'mp4'\noutput = 's3://other/'\npriority = 0\ntags = ['b=2']\n[[watch]]\ntemplate = '/t.json'\n")
	want := []Making{
		{Output: "s3://out/", Role: "arn:aws:iam::111122223333:role/M", Priority: 4, Tags: []string{"a=1"}, Queue: "Q", Preset: PresetHLS},
		{Output: "s3://other/", Role: "arn:aws:iam::111122223333:role/M", Tags: []string{"a=1", "b=2"}, Queue: "Q", Preset: PresetMP4},
		{Template: "/t.json", Role: "arn:aws:iam::111122223333:role/M", Priority: 4, Tags: []string{"a=1"}, Queue: "Q"},
	}
	for i, w := range c.Watch {
		if diff := cmp.Diff(want[i], w.Making); diff != "" {
			t.Errorf("%d: %s", i, diff)
		}
	}
	c = mustParse(t, job+"template = '/t.json'\n[[watch]]\n[[watch]]\nsse = 'kms'\n")
	if c.Watch[0].Template != "/t.json" || c.Watch[1].Template != "" || c.Watch[1].SSE != "kms" {
		t.Errorf("%+v", c.Watch)
	}
}

// TestErrorsOfWatch: each mistake in a hot folder is an error with its own place and the cure.
func TestErrorsOfWatch(t *testing.T) {
	home := testHome(t)
	second := watched + "path = 'a'\n\n  [[ watch ]] # the second\noutput = 's3://out/'\nrole = 'arn:aws:iam::111122223333:role/M'\n"
	for _, c := range []struct{ text, want string }{
		{watched + "path = '/mnt/day1'", `config.toml:6: watch.path: "/mnt/day1": give a folder of the volume, like "day1"`},
		{watched + "path = 's3://ingest/day1'", `config.toml:6: watch.path: "s3://ingest/day1": give a folder of the volume`},
		{watched + "path = 'a//b'", `config.toml:6: watch.path: "a//b": give a folder of the volume, like "day1/card2"`},
		{watched + "path = '../b'", `config.toml:6: watch.path: "../b": give a folder`},
		{watched + "path = '.'", `config.toml:6: watch.path: ".": give a folder`},
		{watched + "match = ['day/*.mov']", `config.toml:6: watch.match: "day/*.mov": give a pattern like "*.mov"`},
		{watched + "match = ['[a']", `config.toml:6: watch.match: "[a": give a pattern`},
		{watched + "match = '*.mov'", `config.toml:6: watch.match: "*.mov": give a list of texts`},
		{watched + "max_jobs = 0", `config.toml:6: watch.max_jobs: 0: give 1 to 1000`},
		{watched + "max_jobs = 1001", `config.toml:6: watch.max_jobs: 1001: give 1 to 1000`},
		{watched + "every = '999ms'", `config.toml:6: watch.every: 999ms: give "1s" or more`},
		{watched + "pathh = 'a'", `config.toml:6: unknown key watch.pathh; did you mean watch.path?`},
		{watched + "submit = true", `config.toml:6: unknown key watch.submit; did you mean job.submit?`},
		{watched + "queue = \"a\\nb\"", `config.toml:6: watch.queue: "a\nb": give the name`},
		{watched + "endpoint = 'http://example.com'", `config.toml:6: watch.endpoint: "http://example.com": use https`},
		{watched + "template = 'House'", `config.toml:4: watch.output: "s3://out/": the job template of the service says where`},
		{second + "max_jobs = 0", `config.toml:11: watch.max_jobs: 0: give 1 to 1000`},
		{second + "maxjobs = 3", `config.toml:11: unknown key watch.maxjobs; did you mean watch.max_jobs?`},
		{second + "every = 5", `config.toml:11: watch.every: 5: give a time with its unit`},
		{minimal + "[[watch]]\nrole = 'arn:aws:iam::111122223333:role/M'", `config.toml:3: watch.output: missing; give an address like "s3://BUCKET/{dir}/{name}/", here or as job.output`},
		{watched + "[[watch]]\noutput = 's3://out/'", `config.toml:6: watch.role: missing; give the ARN of the role that MediaConvert takes on, here or as job.role`},
		{minimal + "[[watch]]\noutput = 's3://ingest/out/'\nrole = 'arn:aws:iam::111122223333:role/M'", `config.toml:4: watch.output: "s3://ingest/out/": it lies in the volume`},
		{minimal + "[job]\ntemplate = 'House'\n" + strings.TrimPrefix(watched, minimal), `config.toml:6: watch.output: "s3://out/": job.template, which counts here, says where`},
		{"[watch]\npath = 'a'", `config.toml:1: watch: no list of tables; write [[watch]] on a line of its own`},
		{"watch = ['a']", `config.toml:1: watch: no list of tables; write [[watch]]`},
		{"watch = 5", `config.toml:1: watch: no list of tables; write [[watch]]`},
		{"store.kind = 'dir'\nkeys.kind = 'local'\n" + strings.TrimPrefix(watched, minimal), `config.toml:3: watch: MediaConvert reads from S3 alone; set store.kind = "s3"`},
		{"store.bucket = 'ingest'\nkeys.kind = 'local'\n" + strings.TrimPrefix(watched, minimal), `config.toml:3: watch: MediaConvert cannot have the keys of a local keyring`},
		{"[wacth]\npath = 'a'", `config.toml:1: unknown section wacth; did you mean [[watch]]?`},
	} {
		expect(t, c.text, c.want)
	}
	if w := mustParse(t, watched+"\n[[watch]]\nrole = 'arn:aws:iam::111122223333:role/M'\ntemplate = '~/t.json'").Watch[1]; w.Template != filepath.Join(home, "t.json") {
		t.Errorf("the template is %s", w.Template)
	}
}
