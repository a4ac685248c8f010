package config

import (
	"path/filepath"
	"testing"
)

// TestErrorsOfJob: each value of [job] that no job could have is an error with its place and the cure.
func TestErrorsOfJob(t *testing.T) {
	testHome(t)
	for _, c := range []struct{ line, want string }{
		{"job.output = 'movies/'", `config.toml:4: job.output: "movies/": give an address like s3://BUCKET/FOLDER/`},
		{"job.output = 's3:///x'", `config.toml:4: job.output: "s3:///x": give an address`},
		{"job.sse = 'aes'", `config.toml:4: job.sse: "aes": give "s3", "kms" or "kms:ARN"`},
		{"job.sse = 'kms:alias/x'", `config.toml:4: job.sse: "kms:alias/x": give`},
		{"job.role = 'MediaConvert'", `config.toml:4: job.role: "MediaConvert": give an ARN like arn:aws:iam::`},
		{`job.queue = "a\nb"`, `config.toml:4: job.queue: "a\nb": give the name or the ARN of a queue`},
		{"job.region = 'oregon'", `config.toml:4: job.region: "oregon": give a region like us-west-2`},
		{"job.kms_region = 'us-west'", `config.toml:4: job.kms_region: "us-west": give a region like us-west-2`},
		{"job.priority = 51", `config.toml:4: job.priority: 51: give -50 to 50`},
		{"job.priority = -51", `config.toml:4: job.priority: -51: give -50 to 50`},
		{"job.tags = ['show']", `config.toml:4: job.tags: "show": give NAME=VALUE`},
		{"job.tags = 'show=7'", `config.toml:4: job.tags: "show=7": give a list of texts`},
		{"job.preset = 'mov'", `config.toml:4: job.preset: "mov": give "", "mp4", "hls" or "abr"`},
		{"job.acceleration = 'on'", `config.toml:4: job.acceleration: "on": give "", "off" or "preferred"`},
		{"job.case = 'snake'", `config.toml:4: job.case: "snake": give "pascal" or "camel"`},
		{"job.detach = true", `config.toml:4: job.detach: true: it goes with job.submit = true`},
		{"job.poll = '-1s'", `config.toml:4: job.poll: -1s: give "0s" or more`},
		{"job.timeout = '-1s'", `config.toml:4: job.timeout: -1s: give "0s" or more`},
		{"job.jobs = 0", `config.toml:4: job.jobs: 0: give 1 to 64`},
		{"job.jobs = 65", `config.toml:4: job.jobs: 65: give 1 to 64`},
		{"job.endpoint = 'http://example.com'", `config.toml:4: job.endpoint: "http://example.com": use https`},
		{"job.template = 'house.json'", `config.toml:4: job.template: "house.json": give an absolute path`},
		{"job.template = 'House'\njob.preset = 'hls'", `config.toml:5: job.preset: "hls": job.template says what is made; remove one of them`},
		{"job.template = 'House'\njob.no_audio = true", `config.toml:4: job.template: "House": job.no_audio and job.sse are for presets`},
		{"job.template = 'House'\njob.output = 's3://a/'", `config.toml:5: job.output: "s3://a/": the job template of the service says where`},
		{"job.tempalte = 'House'", `config.toml:4: unknown key job.tempalte; did you mean job.template?`},
	} {
		expect(t, minimal+"\n"+c.line, c.want)
	}
}

// TestTemplateOfJob: a template is a file by its path, and else one that the service keeps.
func TestTemplateOfJob(t *testing.T) {
	home := testHome(t)
	for value, want := range map[string]struct {
		template string
		file     bool
	}{
		"~/house.json":      {filepath.Join(home, "house.json"), true},
		"/srv/house":        {"/srv/house", true},
		"House style":       {"House style", false},
		"arn:aws:x:y/House": {"arn:aws:x:y/House", false},
	} {
		j := mustParse(t, minimal+"\njob.template = '"+value+"'").Job
		if j.Template != want.template || j.TemplateIsFile() != want.file {
			t.Errorf("%s: %q, a file: %v", value, j.Template, j.TemplateIsFile())
		}
	}
}
