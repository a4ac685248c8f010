package document_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/crypt"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/mediaconverttest"
	"mcfs/mediaconvert/wire"
)

const template = `{"Role": "` + mediaconverttest.Role + `", "Settings": ` + templateSettings + `}`

const templateSettings = `{
  "Inputs": [{"VideoSelector": {"ColorSpace": "FOLLOW"}, "TimecodeSource": "ZEROBASED"}],
  "OutputGroups": [{
    "OutputGroupSettings": {"Type": "CMAF_GROUP_SETTINGS", "CmafGroupSettings": {"Destination": "s3://deliver/out/", "SegmentLength": 10, "FragmentLength": 2}},
    "Outputs": [{
      "NameModifier": "_v",
      "ContainerSettings": {"Container": "CMFC"},
      "VideoDescription": {"CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 1000000}}}
    }]
  }]
}`

// forms are the options of each form that a document has.
func forms(t *testing.T) map[string]document.Options {
	common := document.Options{Role: mediaconverttest.Role, Region: "us-west-2"}
	list := make(map[string]document.Options)
	for _, preset := range document.Presets {
		for _, silent := range []bool{false, true} {
			o := common
			o.Preset, o.NoAudio, o.Output = preset, silent, "s3://deliver/out/"
			o.SSE.KMS = silent
			list[fmt.Sprintf("%s, no audio %v", preset, silent)] = o
		}
	}
	for name, text := range map[string]string{
		"template": template, "settings": templateSettings, "exported": `{"JobTemplate": {"Name": "x", "Settings": ` + templateSettings + `}}`,
		"two inputs": strings.Replace(template, `"Inputs": [`, `"Inputs": [{"PsiControl": "USE_PSI"}, `, 1),
	} {
		tmpl, err := document.ParseTemplate([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		o := common
		o.Template = tmpl
		list[name] = o
	}
	named := common
	named.JobTemplate, named.Priority, named.Tags, named.Acceleration = "House style", aws.Int32(-50), map[string]string{"a": "b"}, types.AccelerationModePreferred
	list["of the service"] = named
	return list
}

// Every form of a document is accepted by the strict server, which finds each input playable.
func TestAccepted(t *testing.T) {
	st := mediaconverttest.NewStudio(t, mediaconverttest.Options{JobTemplates: []string{"House style"}})
	var inputs []document.Input
	for i, m := range []crypt.Mode{crypt.CTR, crypt.CBC, crypt.GCM} {
		key := fmt.Sprintf("camera a/tag %d & nacht ü.mkv", i)
		inputs = append(inputs, document.Input{Name: key, Settings: st.Save(key, mediaconverttest.Film(t), m, m.DefaultIVSize(), 256)})
	}
	for name, o := range forms(t) {
		counts := []int{1, 3}
		if name == "two inputs" {
			counts = []int{2}
		}
		for _, n := range counts {
			d, err := document.Build(inputs[:n], o)
			if err != nil {
				t.Errorf("%s, %d inputs: %v", name, n, err)
				continue
			}
			text, err := d.JSON(wire.Pascal)
			if err != nil {
				t.Fatal(err)
			}
			var printed mediaconvert.CreateJobInput // as `aws mediaconvert create-job --cli-input-json` would take it
			if err := wire.Decode(text, &printed, wire.Pascal); err != nil {
				t.Fatal(err)
			}
			follow(t, st.Client(), fmt.Sprintf("%s, %d inputs", name, n), &printed)
		}
	}
}

// follow creates a job, and demands that it completes.
func follow(t *testing.T, c *mediaconvert.Client, name string, in *mediaconvert.CreateJobInput) {
	t.Helper()
	out, err := c.CreateJob(t.Context(), in)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	j := out.Job
	for range 10 {
		got, err := c.GetJob(t.Context(), &mediaconvert.GetJobInput{Id: j.Id})
		if err != nil {
			t.Fatal(err)
		}
		j = got.Job
	}
	if j.Status != types.JobStatusComplete {
		t.Errorf("%s: %s %s", name, j.Status, aws.ToString(j.ErrorMessage))
	}
}
