package jobspec

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/config"
)

// TestOptions: each word comes where it belongs, from a command line and from a configuration.
func TestOptions(t *testing.T) {
	for name, s := range map[string]Spec{
		"command line": {Preset: "hls", Output: "s3://out/", SSE: "kms:KEY", NoAudio: true, Role: "R", Queue: "Q", KMSRegion: "us-west-2", Priority: aws.Int32(-3), Tags: []string{"a=1", "b=2=3", "a=4"}, Acceleration: "preferred"},
		"configuration": Of(config.Making{Preset: config.PresetHLS, Output: "s3://out/", SSE: "kms:KEY", NoAudio: true, Role: "R", Queue: "Q", KMSRegion: "us-west-2", Priority: -3,
			Tags: []string{"a=1", "b=2=3", "a=4"}, Acceleration: config.AccelerationPreferred}),
	} {
		o, err := s.Options(nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if o.Preset != "hls" || o.Output != "s3://out/" || !o.SSE.KMS || o.SSE.Key != "KEY" || !o.NoAudio || o.Role != "R" || o.Queue != "Q" || o.KMSRegion != "us-west-2" ||
			aws.ToInt32(o.Priority) != -3 || o.Acceleration != types.AccelerationModePreferred || !maps.Equal(o.Tags, map[string]string{"a": "4", "b": "2=3"}) {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if o, err := Of(config.Making{}).Options(nil); err != nil || o.Priority != nil || o.Tags != nil || o.Acceleration != "" || o.Template != nil || o.JobTemplate != "" {
		t.Errorf("nothing is said: %+v, %v", o, err)
	}
}

// TestMistakes: a value that makes no sense is named with its flag and the cure.
func TestMistakes(t *testing.T) {
	for want, s := range map[string]Spec{
		`--acceleration "on": give off or preferred`: {Acceleration: "on"},
		`--sse "aes": give s3, kms or kms:ARN`:       {SSE: "aes"},
		`--tag "show": give NAME=VALUE`:              {Tags: []string{"show"}},
		`--tag "=7": give NAME=VALUE`:                {Tags: []string{"a=1", "=7"}},
	} {
		if _, err := s.Options(nil); !errors.As(err, new(Mistake)) || err.Error() != want {
			t.Errorf("%v, not %s", err, want)
		}
	}
}

// TestTemplate: a template is a file by its looks, or if there is one of that name, and else the
// service's.
func TestTemplate(t *testing.T) {
	const text = `{"Settings": {"Inputs": [{}], "OutputGroups": []}}`
	t.Chdir(t.TempDir())
	file := filepath.Join(t.TempDir(), "house.json")
	for _, name := range []string{file, "plain"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		spec Spec
		kept bool
	}{
		{Spec{Template: "-"}, false},
		{Spec{Template: file}, false},
		{Spec{Template: "plain"}, false},
		{Spec{Template: "plain", Kept: true}, true},
		{Spec{Template: "House style"}, true},
		{Spec{Template: "arn:aws:mediaconvert:us-west-2:111122223333:jobTemplates/a/b"}, true},
		{Of(config.Making{Template: "House style"}), true},
		{Of(config.Making{Template: file}), false},
	} {
		o, err := c.spec.Options(strings.NewReader(text))
		if err != nil || (o.Template == nil) != c.kept || (o.JobTemplate != "") != c.kept {
			t.Errorf("%+v: %v, the service keeps %q", c.spec, err, o.JobTemplate)
		}
	}
	for _, name := range []string{"./missing", "missing.json"} {
		if _, err := (Spec{Template: name}).Options(nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Spec{Template: "-"}).Options(io.MultiReader(strings.NewReader(`{"Nonsense": 1}`))); err == nil || !strings.HasPrefix(err.Error(), "-: ") {
		t.Errorf("no template: %v", err)
	}
}
