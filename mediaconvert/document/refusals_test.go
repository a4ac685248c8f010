package document

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

func TestTemplateRefusals(t *testing.T) {
	for text, want := range map[string]string{
		``:                                  "template: document: not JSON: it ends too early",
		`{}`:                                "template: document: neither a CreateJob document nor Settings",
		`{"Foo": 1}`:                        "template: document: neither a CreateJob document nor Settings",
		`{"Settings": null}`:                "template: Settings: empty",
		`{"Settings": {}, "X":1}`:           "template: X: MediaConvert knows no such field here",
		`{"Settings": {"OutputGroup": []}}`: "template: Settings.OutputGroup: MediaConvert knows no such field here; did you mean OutputGroups?",
		`{"Inputs": [], "OutputGroups": [{"Kind":1}]}`: "template: OutputGroups[0].Kind: MediaConvert knows no such field here",
		`{"Job": {"Settings": {"Inputs": [{"x":1}]}}}`: "template: Job.Settings.Inputs[0].x: MediaConvert knows no such field here",
	} {
		if _, err := ParseTemplate([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, not %s", text, err, want)
		}
	}
}

func TestInputRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Input)
		want   string
	}{
		"no address":   {func(in *Input) { in.Settings.FileInput = "" }, "a.mov: its settings name no address in S3"},
		"no IV":        {func(in *Input) { in.Settings.IV = nil }, "a.mov: DecryptionSettings.InitializationVector: missing"},
		"HLS":          {func(in *Input) { in.Settings.FileInput = "s3://ingest/camera-a/x.M3U8" }, "a.mov: it is an HLS package"},
		"DASH":         {func(in *Input) { in.Settings.FileInput = "s3://ingest/camera-a/x.mpd" }, "a.mov: it is a DASH package"},
		"IMF":          {func(in *Input) { in.Settings.FileInput = "s3://ingest/camera-a/CPL.xml" }, "a.mov: it is an IMF package"},
		"a picture":    {func(in *Input) { in.Settings.FileInput = "s3://ingest/camera-a/x.0001.dpx" }, "a.mov: it is a picture"},
		"not an input": {func(in *Input) { in.Settings.Mode = "AES_XTS" }, "a.mov: DecryptionSettings.DecryptionMode"},
	} {
		in := input("a.mov")
		c.change(&in)
		if _, err := Build([]Input{input("b.mov"), in}, options()); !refused(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Build(nil, options()); !refused(err, "job: it has no inputs") {
		t.Errorf("no inputs: %v", err)
	}
}

// Each field of a job that names another object: in the volume it is refused by its path, and
// elsewhere it is not.
func TestOtherObjectsInTheVolume(t *testing.T) {
	const there = "s3://ingest/camera-a/more/x"
	in := func(more string) string {
		return strings.Replace(template, `"VideoSelector":`, more+`, "VideoSelector":`, 1)
	}
	whole := func(more string) string {
		return strings.Replace(template, `"TimecodeConfig":`, more+`, "TimecodeConfig":`, 1)
	}
	for path, text := range map[string]string{
		`Settings.Inputs[0].AudioSelectors["Audio Selector 1"].ExternalAudioFileInput`:          strings.Replace(template, `"Offset": 0`, `"ExternalAudioFileInput": "`+there+`"`, 1),
		`Settings.Inputs[0].CaptionSelectors["C"].SourceSettings.FileSourceSettings.SourceFile`: in(`"CaptionSelectors": {"C": {"SourceSettings": {"SourceType": "SRT", "FileSourceSettings": {"SourceFile": "` + there + `"}}}}`),
		`Settings.Inputs[0].ImageInserter.InsertableImages[0].ImageInserterInput`:               in(`"ImageInserter": {"InsertableImages": [{"ImageInserterInput": "` + there + `"}]}`),
		`Settings.Inputs[0].VideoOverlays[0].Input.FileInput`:                                   in(`"VideoOverlays": [{"Input": {"FileInput": "` + there + `"}}]`),
		`Settings.Inputs[0].DolbyVisionMetadataXml`:                                             in(`"DolbyVisionMetadataXml": "` + there + `"`),
		`Settings.Inputs[0].MultiViewSettings[0].Input.FileInput`:                               in(`"MultiViewSettings": [{"Input": {"FileInput": "` + there + `"}}]`),
		`Settings.ColorConversion3DLUTSettings[0].FileInput`:                                    whole(`"ColorConversion3DLUTSettings": [{"FileInput": "` + there + `"}]`),
		`Settings.MotionImageInserter.Input`:                                                    whole(`"MotionImageInserter": {"Input": "` + there + `"}`),
		`Settings.NielsenNonLinearWatermark.MetadataDestination`:                                whole(`"NielsenNonLinearWatermark": {"MetadataDestination": "` + there + `"}`),
		`Settings.OutputGroups[0].OutputGroupSettings.FileGroupSettings.Destination`:            strings.Replace(template, `s3://deliver/out/`, there, 1),
	} {
		for address, want := range map[string]bool{
			there: true, "https://ingest.s3.us-west-2.amazonaws.com/camera-a/more/x": true, "https://s3.us-west-2.amazonaws.com/ingest/camera-a/more/x": true,
			"s3://ingest/camera-b/x": false, "s3://ingest2/camera-a/more/x": false, "https://example.com/ingest/camera-a/x": false,
		} {
			if strings.HasSuffix(path, "FileGroupSettings.Destination") && !strings.HasPrefix(address, "s3:") {
				continue // which is refused for not being in S3
			}
			o := options()
			o.Template, o.Output = parse(t, strings.Replace(text, there, address, 1)), ""
			_, err := Build(inputs(1), o)
			if want != refused(err, path+": "+address+" lies in the volume") || !want && err != nil {
				t.Errorf("%s = %s: %v", path, address, err)
			}
		}
	}
}

func TestOutputRefusals(t *testing.T) {
	build := func(text string, change func(*Options)) error {
		o := options()
		if text != "" {
			o.Template, o.Output = parse(t, text), ""
		}
		change(&o)
		_, err := Build(inputs(1), o)
		return err
	}
	nothing := func(*Options) {}
	two := strings.Replace(template, `"OutputGroups": [`, `"OutputGroups": [{"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"Destination": "s3://deliver/x"}}}, `, 1)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"preset without output": {build("", func(o *Options) { o.Output = "" }), "output: the preset mp4 does not say"},
		"unknown preset":        {build("", func(o *Options) { o.Preset = "prores" }), `preset: there is none called "prores"`},
		"output in the volume":  {build("", func(o *Options) { o.Output = "s3://ingest/camera-a/out/" }), "Settings.OutputGroups[0].OutputGroupSettings.FileGroupSettings.Destination: s3://ingest/camera-a/out/ lies in the volume"},
		"output over the web":   {build("", func(o *Options) { o.Output = "https://example.com/" }), "Settings.OutputGroups[0]: its destination"},
		"no destination":        {build(strings.Replace(template, `"Destination": "s3://deliver/out/"`, "", 1), nothing), "Settings.OutputGroups[0]: it has no destination"},
		"no type":               {build(strings.Replace(template, `"Type": "FILE_GROUP_SETTINGS",`, "", 1), nothing), "Settings.OutputGroups[0]: it does not say of which type"},
		"no output groups":      {build(`{"Inputs": [{}]}`, nothing), "Settings.OutputGroups: the template has none"},
		"two groups, output":    {build(two, func(o *Options) { o.Output = "s3://deliver/y" }), "output: the template has 2 output groups"},
		"two templates":         {build(template, func(o *Options) { o.JobTemplate = "T" }), "job: a template from a file and one of the service"},
		"preset and template":   {build(template, func(o *Options) { o.Preset = HLS }), "job: preset, encryption of the outputs and audio"},
		"output, service's":     {build("", func(o *Options) { o.JobTemplate = "T" }), "output: the job template T says where"},
		"generated input":       {build(strings.Replace(template, `"VideoSelector":`, `"VideoGenerator": {}, "VideoSelector":`, 1), nothing), "Settings.Inputs[0].VideoGenerator: "},
		"IMF in the template":   {build(strings.Replace(template, `"VideoSelector":`, `"SupplementalImps": ["s3://x/y/"], "VideoSelector":`, 1), nothing), "Settings.Inputs[0].SupplementalImps: "},
		"region":                {build("", func(o *Options) { o.KMSRegion = "mars" }), "region of the key: "},
	} {
		if !refused(c.err, c.want) {
			t.Errorf("%s: %v, not %s", name, c.err, c.want)
		}
	}
}

// Another of the job's own inputs is encrypted too, even where the volume is not known.
func TestOwnInputElsewhere(t *testing.T) {
	o := options()
	o.Volumes = nil
	o.Template, o.Output = parse(t, strings.Replace(template, `"Offset": 0`, `"ExternalAudioFileInput": "s3://ingest/camera-a/b.wav"`, 1)), ""
	if _, err := Build([]Input{input("a.mov"), input("b.wav")}, o); !refused(err, `Settings.Inputs[0].AudioSelectors["Audio Selector 1"].ExternalAudioFileInput: `) {
		t.Error(err)
	}
}

// A job without a role can be printed, and says what it lacks; encryption at rest is asked for
// as it was wished.
func TestWarnings(t *testing.T) {
	o := options()
	o.Role, o.SSE = "", SSE{KMS: true, Key: "arn:aws:kms:us-west-2:111122223333:key/x"}
	d, err := Build(inputs(1), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Warnings) != 1 || !strings.HasPrefix(d.Warnings[0], "Role: missing") {
		t.Errorf("%q", d.Warnings)
	}
	e := d.Job.Settings.OutputGroups[0].OutputGroupSettings.FileGroupSettings.DestinationSettings.S3Settings.Encryption
	if e.EncryptionType != types.S3ServerSideEncryptionTypeServerSideEncryptionKms || *e.KmsKeyArn != o.SSE.Key {
		t.Errorf("%+v", e)
	}
}

func FuzzParseTemplate(f *testing.F) {
	f.Add([]byte(template))
	f.Add([]byte(`{"Job":{"JobTemplate":{"Settings":{}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tmpl, err := ParseTemplate(text)
		if err != nil {
			return
		}
		o := options()
		o.Template, o.Output = tmpl, ""
		if d, err := Build(inputs(2), o); err == nil {
			read(t, d)
		}
	})
}
