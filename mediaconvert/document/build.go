package document

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/wire"
	"mcfs/sidecar"
)

// Input is one file.
type Input struct {
	Name     string // for messages: as the user named it
	Settings sidecar.Settings
	Plain    string // the ETag of an object that is not encrypted, of whose settings only FileInput is used; "": it is
}

// Options say what job is made of the inputs. Without Template and JobTemplate it is Preset's.
type Options struct {
	Template    *Template
	JobTemplate string // name or ARN of one that the service keeps
	Preset      Preset // empty: MP4

	Output  string // where the outputs go, s3://…
	SSE     SSE    // how S3 is to encrypt them; presets only
	NoAudio bool   // the inputs have none; presets only

	Role, Queue  string
	Region       string // where the job runs; empty: not known yet
	KMSRegion    string // of the key, in place of the settings' own
	Priority     *int32
	Tags         map[string]string
	Acceleration types.AccelerationMode // empty: the template's

	Volumes []string // addresses s3://BUCKET/PREFIX under which files are encrypted
}

// Refusal is a job that is not made, with the cure.
type Refusal struct{ What, Why, Cure string }

func (e *Refusal) Error() string { return e.What + ": " + e.Why + ": " + e.Cure }

// Document is a job to be created.
type Document struct {
	Job      *mediaconvert.CreateJobInput
	Warnings []string
}

// JSON writes the document.
func (d Document) JSON(c wire.Case) ([]byte, error) { return wire.Encode(d.Job, c) }

// IVs is the name in a job's UserMetadata of the first input's IV. That of the second ends with
// -2, and so on.
const IVs = "mcfs-iv"

// ETags is the same of inputs that are not encrypted.
const ETags = "mcfs-etag"

// Build makes the document of a job that has all inputs, one after the other.
func Build(inputs []Input, o Options) (Document, error) {
	if len(inputs) == 0 {
		return Document{}, &Refusal{"job", "it has no inputs", "name at least one file"}
	}
	for _, in := range inputs {
		if err := checkInput(in); err != nil {
			return Document{}, err
		}
	}
	job, err := start(len(inputs), o)
	if err != nil {
		return Document{}, err
	}
	for i, in := range inputs {
		job.Settings.Inputs[i].FileInput = aws.String(in.Settings.FileInput)
		job.Settings.Inputs[i].DecryptionSettings = nil
		if in.Plain == "" {
			job.Settings.Inputs[i].DecryptionSettings = decryption(in.Settings, o)
		}
	}
	if err := setGiven(job, o); err != nil {
		return Document{}, err
	}
	markIVs(job, inputs)
	if err := check(job, o); err != nil {
		return Document{}, err
	}
	return Document{Job: job, Warnings: warnings(job)}, nil
}

// start is the job before its inputs are named: it has room for n.
func start(n int, o Options) (*mediaconvert.CreateJobInput, error) {
	switch {
	case o.Template != nil && o.JobTemplate != "":
		return nil, &Refusal{"job", "a template from a file and one of the service were given", "choose one"}
	case o.Template == nil && o.JobTemplate == "":
		return fromPreset(n, o)
	case o.NoAudio || o.SSE != (SSE{}) || o.Preset != "":
		return nil, &Refusal{"job", "preset, encryption of the outputs and audio are the template's to say", "change the template, or leave it out"}
	case o.Template != nil:
		return o.Template.job(n)
	case o.Output != "":
		return nil, &Refusal{"output", "the job template " + o.JobTemplate + " says where its outputs go",
			"leave it out, or write the template to a file with `aws mediaconvert get-job-template` and use that"}
	}
	return &mediaconvert.CreateJobInput{
		JobTemplate: aws.String(o.JobTemplate),
		Settings:    &types.JobSettings{Inputs: make([]types.Input, n)},
	}, nil
}

// decryption are the settings of an input. The key's region is left out where it is the job's.
func decryption(s sidecar.Settings, o Options) *types.InputDecryptionSettings {
	d := &types.InputDecryptionSettings{
		DecryptionMode:         types.DecryptionMode(s.Mode),
		EncryptedDecryptionKey: aws.String(base64.StdEncoding.EncodeToString(s.Key)),
		InitializationVector:   aws.String(base64.StdEncoding.EncodeToString(s.IV)),
	}
	region := s.Region
	if o.KMSRegion != "" {
		region = o.KMSRegion
	}
	if region != "" && region != o.Region {
		d.KmsKeyRegion = aws.String(region)
	}
	return d
}

// setGiven puts into the job what the options say besides its inputs.
func setGiven(job *mediaconvert.CreateJobInput, o Options) error {
	if o.Role != "" {
		job.Role = aws.String(o.Role)
	}
	if o.Queue != "" {
		job.Queue = aws.String(o.Queue)
	}
	if o.Priority != nil {
		job.Priority = o.Priority
	}
	if o.Acceleration != "" {
		job.AccelerationSettings = &types.AccelerationSettings{Mode: o.Acceleration}
	}
	if len(o.Tags) > 0 {
		tags := maps.Clone(job.Tags)
		if tags == nil {
			tags = make(map[string]string)
		}
		maps.Copy(tags, o.Tags)
		job.Tags = tags
	}
	if err := sidecar.CheckRegion(o.KMSRegion); err != nil {
		return &Refusal{"region of the key", err.Error(), "or leave it out"}
	}
	if o.Template != nil && o.Output != "" {
		return redirect(job.Settings, o.Output)
	}
	return nil
}

// redirect sends the outputs elsewhere than the template says.
func redirect(s *types.JobSettings, output string) error {
	if len(s.OutputGroups) != 1 {
		return &Refusal{"output", fmt.Sprintf("the template has %d output groups, whose outputs could take each other's names", len(s.OutputGroups)),
			"write their destinations into the template"}
	}
	g := destinationOf(&s.OutputGroups[0])
	if g == nil {
		return &Refusal{"Settings.OutputGroups[0]", "it does not say of which type it is", "set OutputGroupSettings.Type, and the settings of that type"}
	}
	*g.to = aws.String(output)
	return nil
}

// markIVs notes in the job which versions of its inputs it is for.
func markIVs(job *mediaconvert.CreateJobInput, inputs []Input) {
	marks := make(map[string]string)
	for name, value := range job.UserMetadata {
		if !strings.HasPrefix(name, "mcfs-") { // those of the job that the template was
			marks[name] = value
		}
	}
	for i, in := range inputs {
		if in.Plain != "" {
			marks[nameOf(ETags, i)] = strings.Trim(in.Plain, `"`)
			continue
		}
		marks[IVName(i)] = base64.StdEncoding.EncodeToString(in.Settings.IV)
	}
	job.UserMetadata = marks
}

// IVName is the name in UserMetadata of the IV of the i-th input, from 0.
func IVName(i int) string { return nameOf(IVs, i) }

func nameOf(what string, i int) string {
	if i == 0 {
		return what
	}
	return what + "-" + strconv.Itoa(i+1)
}
