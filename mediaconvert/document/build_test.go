package document

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"mcfs/mediaconvert/wire"
	"mcfs/sidecar"
)

const role = "arn:aws:iam::111122223333:role/MediaConvert"

func input(key string) Input {
	return Input{Name: key, Settings: sidecar.Settings{
		FileInput: "s3://ingest/camera-a/" + key, Mode: "AES_CTR",
		Key: bytes.Repeat([]byte{byte(len(key))}, 184), IV: append([]byte(key + "0123456789abcdef")[:12], 0, 0, 0, 0), Region: "us-west-2",
	}}
}

// TestPlain: an object that is not encrypted has no settings for its decryption, whatever a template
// says, and its ETag names its version. A package is not refused: what it names is plain, too.
func TestPlain(t *testing.T) {
	tmpl, err := ParseTemplate([]byte(template))
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Template, o.Output = tmpl, ""
	plain := Input{Name: "list.m3u8", Settings: sidecar.Settings{FileInput: "s3://ingest/camera-a/list.m3u8"}, Plain: `"abc"`}
	d, err := Build([]Input{plain, input("b.mov"), plain}, o)
	if err != nil {
		t.Fatal(err)
	}
	in := d.Job.Settings.Inputs
	if in[0].DecryptionSettings != nil || in[1].DecryptionSettings == nil || in[2].DecryptionSettings != nil || *in[0].FileInput != plain.Settings.FileInput {
		t.Errorf("%+v", in)
	}
	want := map[string]string{"show": "Nr. 7", "mcfs-etag": "abc", "mcfs-iv-2": base64.StdEncoding.EncodeToString(input("b.mov").Settings.IV), "mcfs-etag-3": "abc"}
	if diff := cmp.Diff(want, d.Job.UserMetadata); diff != "" {
		t.Error(diff)
	}
	plain.Plain = ""
	if _, err := Build([]Input{plain}, o); err == nil {
		t.Error("without an ETag it is taken for an encrypted one")
	}
}

func inputs(n int) (list []Input) {
	for i := range n {
		list = append(list, input(fmt.Sprintf("day %d/clip & %d.mov", i, i)))
	}
	return list
}

func options() Options {
	return Options{Output: "s3://deliver/out/", Role: role, Region: "us-west-2", Volumes: []string{"s3://ingest/camera-a/"}}
}

// template is a CreateJob document with two inputs' worth of things that mcfs must leave alone.
const template = `{
  "Role": "` + role + `",
  "Queue": "arn:aws:mediaconvert:us-west-2:111122223333:queues/Default",
  "UserMetadata": {"show": "Nr. 7", "mcfs-iv": "of another job", "mcfs-iv-9": "of another job"},
  "ClientRequestToken": "of another job",
  "Settings": {
    "TimecodeConfig": {"Source": "ZEROBASED"},
    "Inputs": [{
      "FileInput": "s3://elsewhere/x.mov",
      "DecryptionSettings": {"DecryptionMode": "AES_GCM", "KmsKeyRegion": "eu-west-1"},
      "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT", "Offset": 0}},
      "VideoSelector": {"ColorSpace": "REC_709"}
    }],
    "OutputGroups": [{
      "OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "s3://deliver/out/"}},
      "Outputs": [{
        "ContainerSettings": {"Container": "MP4"},
        "VideoDescription": {"Width": 640, "Height": 360, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1000000}}}
      }]
    }]
  }
}`

// camel is a document with its fields' names in the service's case.
func camel(t *testing.T, text string) string {
	t.Helper()
	var in mediaconvert.CreateJobInput
	if err := wire.Decode([]byte(text), &in, wire.Pascal); err != nil {
		t.Fatal(err)
	}
	out, err := wire.Encode(&in, wire.Camel)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func member(t *testing.T, text, name string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return string(m[name])
}

// forms are all the forms that a template may have.
func forms(t *testing.T) map[string]string {
	settings := member(t, template, "Settings")
	return map[string]string{
		"document":             template,
		"document in camel":    camel(t, template),
		"settings":             settings,
		"settings in camel":    member(t, camel(t, template), "settings"),
		"exported job":         `{"Job": {"Arn": "arn:x", "Id": "1", "CreatedAt": "2026-01-02T03:04:05+00:00", "Status": "COMPLETE", "Settings": ` + settings + `}}`,
		"exported template":    `{"JobTemplate": {"Name": "T", "Type": "CUSTOM", "LastUpdated": 1517440542, "Settings": ` + settings + `}}`,
		"template of console":  `{"Name": "T", "Description": "d", "Category": "c", "Settings": ` + settings + `, "AccelerationSettings": {"Mode": "DISABLED"}, "StatusUpdateInterval": "SECONDS_60", "Priority": 0, "HopDestinations": []}`,
		"with mark and spaces": "\ufeff\n " + template + "\n",
	}
}

func parse(t *testing.T, text string) *Template {
	t.Helper()
	tmpl, err := ParseTemplate([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// read reads a document's JSON back, strictly, and compares.
func read(t *testing.T, d Document) {
	t.Helper()
	for _, c := range []wire.Case{wire.Pascal, wire.Camel} {
		text, err := d.JSON(c)
		if err != nil {
			t.Fatal(err)
		}
		var back mediaconvert.CreateJobInput
		if err := wire.Decode(text, &back, c); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(*d.Job, back, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Error(diff)
		}
	}
}

func checkInputs(t *testing.T, job *mediaconvert.CreateJobInput, in []Input) {
	t.Helper()
	if len(job.Settings.Inputs) != len(in) {
		t.Fatalf("%d inputs of %d", len(job.Settings.Inputs), len(in))
	}
	for i, got := range job.Settings.Inputs {
		s, d := in[i].Settings, got.DecryptionSettings
		iv := base64.StdEncoding.EncodeToString(s.IV)
		if *got.FileInput != s.FileInput || string(d.DecryptionMode) != s.Mode || *d.InitializationVector != iv ||
			*d.EncryptedDecryptionKey != base64.StdEncoding.EncodeToString(s.Key) || d.KmsKeyRegion != nil {
			t.Errorf("input %d: %q %+v", i, *got.FileInput, d)
		}
		if job.UserMetadata[IVName(i)] != iv {
			t.Errorf("input %d: %v", i, job.UserMetadata)
		}
	}
}

func TestPresets(t *testing.T) {
	for _, preset := range append([]Preset{""}, Presets...) {
		for n := 1; n <= 3; n++ {
			for _, silent := range []bool{false, true} {
				o := options()
				o.Preset, o.NoAudio = preset, silent
				d, err := Build(inputs(n), o)
				if err != nil {
					t.Fatalf("%s: %v", preset, err)
				}
				if len(d.Warnings) != 0 {
					t.Errorf("%s: %q", preset, d.Warnings)
				}
				read(t, d)
				checkInputs(t, d.Job, inputs(n))
				s := d.Job.Settings
				if out := s.OutputGroups[0].Outputs[0]; (len(out.AudioDescriptions) == 0) != silent || (len(s.Inputs[0].AudioSelectors) == 0) != silent {
					t.Errorf("%s, no audio %v: %d descriptions, %d selectors", preset, silent, len(out.AudioDescriptions), len(s.Inputs[0].AudioSelectors))
				}
			}
		}
	}
}

// In a template mcfs sets each input's FileInput and DecryptionSettings, and nothing else.
func TestTemplates(t *testing.T) {
	for name, text := range forms(t) {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Template, o.Output = parse(t, text), ""
			for n := 1; n <= 3; n++ {
				d, err := Build(inputs(n), o)
				if err != nil {
					t.Fatal(err)
				}
				read(t, d)
				checkInputs(t, d.Job, inputs(n))
				if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "encryption at rest") {
					t.Errorf("warnings %q", d.Warnings)
				}
				var want mediaconvert.CreateJobInput
				if err := wire.Decode([]byte(template), &want, wire.Pascal); err != nil {
					t.Fatal(err)
				}
				for i := range d.Job.Settings.Inputs {
					d.Job.Settings.Inputs[i].FileInput, d.Job.Settings.Inputs[i].DecryptionSettings = nil, nil
				}
				want.Settings.Inputs[0].FileInput, want.Settings.Inputs[0].DecryptionSettings = nil, nil
				for range n - 1 {
					want.Settings.Inputs = append(want.Settings.Inputs, want.Settings.Inputs[0])
				}
				if diff := cmp.Diff(want.Settings, d.Job.Settings, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
					t.Error(diff)
				}
				if d.Job.ClientRequestToken != nil || d.Job.UserMetadata[IVName(8)] != "" {
					t.Error("what belongs to the job that the template was")
				}
			}
		})
	}
}

// Inputs merge by position where the template has as many.
func TestMergeByPosition(t *testing.T) {
	two := strings.Replace(template, `"Inputs": [{`, `"Inputs": [{"TimecodeSource": "EMBEDDED"}, {`, 1)
	o := options()
	o.Template, o.Output = parse(t, two), ""
	d, err := Build(inputs(2), o)
	if err != nil {
		t.Fatal(err)
	}
	in := d.Job.Settings.Inputs
	if in[0].TimecodeSource != types.InputTimecodeSourceEmbedded || in[0].VideoSelector != nil || in[1].VideoSelector == nil {
		t.Errorf("%+v", in)
	}
	if d.Job.UserMetadata["show"] != "Nr. 7" {
		t.Errorf("%v", d.Job.UserMetadata)
	}
	for _, n := range []int{1, 3} {
		if _, err := Build(inputs(n), o); !refused(err, fmt.Sprintf("template: it has 2 inputs, and %d were named", n)) {
			t.Errorf("%d inputs: %v", n, err)
		}
	}
}

// A template that the service keeps is named, and gets the inputs.
func TestTemplateOfTheService(t *testing.T) {
	o := options()
	o.JobTemplate, o.Output = "arn:aws:mediaconvert:us-west-2:111122223333:jobTemplates/T", ""
	d, err := Build(inputs(2), o)
	if err != nil {
		t.Fatal(err)
	}
	read(t, d)
	checkInputs(t, d.Job, inputs(2))
	if *d.Job.JobTemplate != o.JobTemplate || d.Job.Settings.OutputGroups != nil || len(d.Warnings) != 0 {
		t.Errorf("%+v %q", d.Job, d.Warnings)
	}
}

func TestGivenOptions(t *testing.T) {
	o := options()
	o.Template, o.Output, o.Queue, o.Priority = parse(t, template), "s3://deliver/other/", "Q", aws.Int32(-3)
	o.Tags, o.Acceleration, o.Role = map[string]string{"a": "b"}, types.AccelerationModePreferred, role+"2"
	d, err := Build(inputs(1), o)
	if err != nil {
		t.Fatal(err)
	}
	job := d.Job
	if *job.Queue != "Q" || *job.Priority != -3 || job.Tags["a"] != "b" || job.AccelerationSettings.Mode != "PREFERRED" || *job.Role != o.Role ||
		*job.Settings.OutputGroups[0].OutputGroupSettings.FileGroupSettings.Destination != o.Output {
		t.Errorf("%+v", job)
	}
}

// The key's region goes where it is the job's, and stays elsewhere.
func TestRegionOfTheKey(t *testing.T) {
	for _, c := range []struct{ job, of, given, want string }{
		{"us-west-2", "us-west-2", "", ""},
		{"eu-west-1", "us-west-2", "", "us-west-2"},
		{"", "us-west-2", "", "us-west-2"},
		{"us-west-2", "", "", ""},
		{"us-west-2", "", "eu-west-1", "eu-west-1"},
		{"us-west-2", "eu-west-1", "us-west-2", ""},
	} {
		o, in := options(), input("a.mov")
		o.Region, o.KMSRegion, in.Settings.Region = c.job, c.given, c.of
		d, err := Build([]Input{in}, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := aws.ToString(d.Job.Settings.Inputs[0].DecryptionSettings.KmsKeyRegion); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func refused(err error, text string) bool {
	var r *Refusal
	return errors.As(err, &r) && strings.HasPrefix(err.Error(), text) && r.Cure != ""
}
