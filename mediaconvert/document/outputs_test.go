package document

import (
	"slices"
	"strings"
	"testing"
)

func TestOutputs(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"mp4 in a folder":  {func(*Options) {}, "s3://deliver/out/clip & 0.mp4"},
		"mp4 by name":      {func(o *Options) { o.Output = "s3://deliver/out/film" }, "s3://deliver/out/film.mp4"},
		"hls":              {func(o *Options) { o.Preset = HLS }, "s3://deliver/out/clip & 0.m3u8"},
		"abr by name":      {func(o *Options) { o.Preset, o.Output = ABR, "s3://deliver/film" }, "s3://deliver/film.m3u8"},
		"named by service": {func(o *Options) { o.Output = "s3://deliver/$fn$/" }, "s3://deliver/$fn$/"},
		"modifier": {func(o *Options) {
			o.Template, o.Output = parse(t, strings.Replace(template, `"ContainerSettings": {"Container": "MP4"}`, `"NameModifier": "_x", "Extension": "m4v"`, 1)), ""
		}, "s3://deliver/out/clip & 0_x.m4v"},
		"of the codec": {func(o *Options) {
			o.Template, o.Output = parse(t, strings.Replace(template, `"Container": "MP4"`, `"Container": "RAW"`, 1)), ""
		}, "s3://deliver/out/"},
	} {
		o := options()
		c.change(&o)
		d, err := Build(inputs(1), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := Outputs(d.Job.Settings); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	o := options()
	o.JobTemplate, o.Output = "T", ""
	d, err := Build(inputs(1), o)
	if err != nil || Outputs(d.Job.Settings) != nil || Outputs(nil) != nil {
		t.Errorf("%v", err)
	}
}
