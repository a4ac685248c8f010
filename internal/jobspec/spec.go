package jobspec

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/config"
	"mcfs/mediaconvert/document"
	"mcfs/mediaconvert/wire"
)

// Spec is what a user says of a job, each in a word. Empty ones leave the service's own.
type Spec struct {
	Template     string // a file, "-" for an input, or name or ARN of one that the service keeps
	Kept         bool   // the template is the service's, whatever it looks like
	Preset       string
	Output       string // s3://…
	SSE          string // s3, kms or kms:ARN
	NoAudio      bool
	Role, Queue  string
	KMSRegion    string
	Priority     *int32
	Tags         []string // NAME=VALUE; of one name the last counts
	Acceleration string   // off or preferred
}

// Of is what a section of a configuration says.
func Of(m config.Making) Spec {
	s := Spec{
		Template: m.Template, Kept: m.Template != "" && !m.TemplateIsFile(), Preset: string(m.Preset), Output: m.Output, SSE: m.SSE, NoAudio: m.NoAudio,
		Role: m.Role, Queue: m.Queue, KMSRegion: m.KMSRegion, Tags: m.Tags, Acceleration: string(m.Acceleration),
	}
	if m.Priority != 0 {
		s.Priority = aws.Int32(int32(m.Priority))
	}
	return s
}

// Mistake is a value that makes no sense.
type Mistake struct{ Flag, Value, Cure string }

func (m Mistake) Error() string { return fmt.Sprintf("--%s %q: %s", m.Flag, m.Value, m.Cure) }

// Options are the options of a document. A template "-" is read from in.
func (s Spec) Options(in io.Reader) (document.Options, error) {
	o := document.Options{Preset: document.Preset(s.Preset), Output: s.Output, NoAudio: s.NoAudio, Role: s.Role, Queue: s.Queue, KMSRegion: s.KMSRegion, Priority: s.Priority}
	switch s.Acceleration {
	case "":
	case "off":
		o.Acceleration = types.AccelerationModeDisabled
	case "preferred":
		o.Acceleration = types.AccelerationModePreferred
	default:
		return o, Mistake{"acceleration", s.Acceleration, "give off or preferred"}
	}
	kind, key, _ := strings.Cut(s.SSE, ":")
	switch {
	case s.SSE == "" || s.SSE == "s3":
	case kind == "kms":
		o.SSE = document.SSE{KMS: true, Key: key}
	default:
		return o, Mistake{"sse", s.SSE, "give s3, kms or kms:ARN"}
	}
	for _, tag := range s.Tags {
		name, value, ok := strings.Cut(tag, "=")
		if !ok || name == "" {
			return o, Mistake{"tag", tag, "give NAME=VALUE"}
		}
		if o.Tags == nil {
			o.Tags = make(map[string]string)
		}
		o.Tags[name] = value
	}
	return o, s.readTemplate(&o, in)
}

// readTemplate takes the template from a file, or by its name.
func (s Spec) readTemplate(o *document.Options, in io.Reader) error {
	switch {
	case s.Template == "":
		return nil
	case s.isKept():
		o.JobTemplate = s.Template
		return nil
	case s.Template != "-":
		file, err := os.Open(s.Template)
		if err != nil {
			return fmt.Errorf("template: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, wire.MaxSize+1))
	if err != nil {
		return fmt.Errorf("template %s: %w", s.Template, err)
	}
	o.Template, err = document.ParseTemplate(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Template, err)
	}
	return nil
}

// isKept reports whether the service keeps the template: what looks like no file and is none.
func (s Spec) isKept() bool {
	if s.Kept || strings.HasPrefix(s.Template, "arn:") {
		return true
	}
	if s.Template == "-" || strings.Contains(s.Template, "/") || strings.HasSuffix(s.Template, ".json") {
		return false
	}
	_, err := os.Stat(s.Template)
	return errors.Is(err, os.ErrNotExist)
}
