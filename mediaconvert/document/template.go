package document

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/wire"
)

// Template is a job without its inputs' names.
type Template struct{ whole mediaconvert.CreateJobInput }

var (
	jobType      = reflect.TypeFor[mediaconvert.CreateJobInput]()
	settingsType = reflect.TypeFor[types.JobSettings]()
	// exported are what the console and the command line tool write of a job or a template.
	exported = []reflect.Type{
		reflect.TypeFor[types.Job](), reflect.TypeFor[types.JobTemplate](), reflect.TypeFor[mediaconvert.CreateJobTemplateInput](),
	}
)

// ParseTemplate reads a template: a whole CreateJob document, its Settings alone, or a job or job
// template as it is exported, whose other fields are left out.
func ParseTemplate(data []byte) (*Template, error) {
	t := new(Template)
	if len(data) > wire.MaxSize {
		return nil, &Refusal{"template", fmt.Sprintf("%d bytes are too many (at most %d)", len(data), wire.MaxSize), "name another file"}
	}
	if err := t.read("", data); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return t, nil
}

func (t *Template) read(path string, data []byte) error {
	members, err := wire.Members(path, data)
	if err != nil {
		return err
	}
	if path == "" && len(members) == 1 && isObject(members[0].Value) {
		if f := fieldName(members[0].Name); f == "Job" || f == "JobTemplate" {
			return t.read(members[0].Name, members[0].Value)
		}
	}
	if has(members, func(f string) bool { return f == "Settings" }) {
		return t.readWhole(path, members)
	}
	if !has(members, func(f string) bool { return isFieldOf(settingsType, f) }) {
		return &wire.FieldError{Path: "document", Why: "neither a CreateJob document nor Settings: it has neither Settings nor OutputGroups nor Inputs"}
	}
	return wire.DecodeAt(path, data, &t.whole.Settings, wire.Either)
}

// readWhole reads a CreateJob document, or one that was exported.
func (t *Template) readWhole(path string, members []wire.Member) error {
	job := reflect.ValueOf(&t.whole).Elem()
	for _, m := range members {
		f := fieldName(m.Name)
		switch {
		case isFieldOf(jobType, f):
			if err := wire.DecodeAt(wire.Below(path, f), m.Value, job.FieldByName(f).Addr().Interface(), wire.Either); err != nil {
				return err
			}
		case !slices.ContainsFunc(exported, func(t reflect.Type) bool { return isFieldOf(t, f) }):
			return wire.Unknown(path, m.Name, wire.Fields(jobType))
		}
	}
	if t.whole.Settings == nil {
		return &wire.FieldError{Path: wire.Below(path, "Settings"), Why: "empty; give the outputs in it"}
	}
	return nil
}

// job is a copy of the template with n inputs.
func (t *Template) job(n int) (*mediaconvert.CreateJobInput, error) {
	text, err := wire.Encode(&t.whole, wire.Pascal)
	if err != nil {
		return nil, err
	}
	job := new(mediaconvert.CreateJobInput)
	if err := wire.Decode(text, job, wire.Pascal); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	job.ClientRequestToken = nil // of the job that it was: the service would answer with that one
	switch have := len(job.Settings.Inputs); {
	case have == n:
	case have == 0:
		job.Settings.Inputs = make([]types.Input, n)
	case have == 1:
		job.Settings.Inputs = slices.Repeat(job.Settings.Inputs, n)
	default:
		return nil, &Refusal{"template", fmt.Sprintf("it has %d inputs, and %d were named", have, n),
			"name as many, or leave one input in the template, which then serves all"}
	}
	return job, nil
}

func has(members []wire.Member, is func(field string) bool) bool {
	return slices.ContainsFunc(members, func(m wire.Member) bool { return is(fieldName(m.Name)) })
}

// fieldName is the name of a member in Go.
func fieldName(member string) string { return wire.Either.Field(member) }

func isFieldOf(t reflect.Type, field string) bool { return slices.Contains(wire.Fields(t), field) }

func isObject(v json.RawMessage) bool { return len(v) > 0 && v[0] == '{' }
