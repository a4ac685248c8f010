package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"mcfs/sidecar"
)

// Making says what jobs are made, and where. Empty values leave the commands' own.
type Making struct {
	Template     string        `toml:"template"` // a file, absolute; or name or ARN of one that the service keeps
	Preset       Preset        `toml:"preset"`
	Output       string        `toml:"output"` // s3://…
	SSE          string        `toml:"sse"`    // s3, kms or kms:ARN
	NoAudio      bool          `toml:"no_audio"`
	Role         string        `toml:"role"`  // ARN
	Queue        string        `toml:"queue"` // name or ARN
	Region       string        `toml:"region"`
	KMSRegion    string        `toml:"kms_region"`
	Priority     int           `toml:"priority"` // -50 to 50
	Tags         []string      `toml:"tags"`     // NAME=VALUE
	Acceleration Acceleration  `toml:"acceleration"`
	Poll         time.Duration `toml:"poll"` // 0: the command's own
	Endpoint     string        `toml:"endpoint"`
}

// Job has the defaults of the flags of `mcfs job` with the same names.
type Job struct {
	Making
	AllowPlain bool          `toml:"allow_plain"`
	Case       Case          `toml:"case"`
	Submit     bool          `toml:"submit"`
	Detach     bool          `toml:"detach"`
	Timeout    time.Duration `toml:"timeout"` // 0: none
	Jobs       int           `toml:"jobs"`    // of many files how many at once, 1 to 64
}

// The values of keys of [job] that take one word of a few.
type (
	Preset       string
	Acceleration string
	Case         string
)

const (
	PresetNone Preset = "" // mp4, or the template
	PresetMP4  Preset = "mp4"
	PresetHLS  Preset = "hls"
	PresetABR  Preset = "abr"

	AccelerationNone      Acceleration = "" // the template's
	AccelerationOff       Acceleration = "off"
	AccelerationPreferred Acceleration = "preferred"

	CasePascal Case = "pascal"
	CaseCamel  Case = "camel"
)

func (Preset) words() []string { return list(PresetNone, PresetMP4, PresetHLS, PresetABR) }
func (Acceleration) words() []string {
	return list(AccelerationNone, AccelerationOff, AccelerationPreferred)
}
func (Case) words() []string { return list(CasePascal, CaseCamel) }

// The patterns of MediaConvert's and IAM's names.
var (
	rolePattern   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}$`)
	outputPattern = regexp.MustCompile(`^s3://[^/]+/.*$`)
	tagPattern    = regexp.MustCompile(`^[^=]{1,128}=.{0,256}$`)
)

// Limits of [job].
const (
	mostPriority = 50
	mostName     = 256
	mostJobs     = 64
)

// DefaultJob is the section where no file has one.
func DefaultJob() Job { return defaults().Job }

func (f *file) job(j *Job) {
	f.making("job", &j.Making)
	if j.Detach && !j.Submit {
		f.reject("job.detach", j.Detach, errors.New("it goes with job.submit = true"))
	}
	if j.Timeout < 0 {
		f.reject("job.timeout", j.Timeout, errors.New(`give "0s" or more`))
	}
	if j.Jobs < 1 || j.Jobs > mostJobs {
		f.reject("job.jobs", j.Jobs, fmt.Errorf("give 1 to %d", mostJobs))
	}
}

// making checks the keys of a section that say what jobs are made.
func (f *file) making(section string, m *Making) {
	f.template(section, m)
	key := func(name string) string { return section + "." + name }
	f.given(key("output"), m.Output, outputPattern.MatchString, "give an address like s3://BUCKET/FOLDER/")
	f.given(key("sse"), m.SSE, validSSE, `give "s3", "kms" or "kms:ARN"`)
	f.given(key("role"), m.Role, rolePattern.MatchString, "give an ARN like arn:aws:iam::111122223333:role/MediaConvert")
	f.given(key("queue"), m.Queue, validName, "give the name or the ARN of a queue")
	f.endpoint(section, &m.Endpoint, false)
	f.region(key("region"), m.Region, m.Endpoint)
	if err := sidecar.CheckRegion(m.KMSRegion); err != nil {
		f.reject(key("kms_region"), m.KMSRegion, errors.New("give a region like us-west-2"))
	}
	if m.Priority < -mostPriority || m.Priority > mostPriority {
		f.reject(key("priority"), m.Priority, fmt.Errorf("give %d to %d", -mostPriority, mostPriority))
	}
	for _, tag := range m.Tags {
		f.given(key("tags"), tag, tagPattern.MatchString, "give NAME=VALUE, a name of at most 128 and a value of at most 256 characters")
	}
	if m.Poll < 0 {
		f.reject(key("poll"), m.Poll, errors.New(`give "0s" or more`))
	}
}

// given checks a value that may be left out.
func (f *file) given(key, value string, valid func(string) bool, cure string) {
	if value != "" && !valid(value) {
		f.reject(key, value, errors.New(cure))
	}
}

// template makes the path of a template absolute. A name or an ARN stays as it is.
func (f *file) template(section string, m *Making) {
	key := section + ".template"
	isFile := !strings.HasPrefix(m.Template, "arn:") && (strings.Contains(m.Template, "/") || strings.HasSuffix(m.Template, ".json"))
	switch {
	case m.Template == "":
	case m.Preset != PresetNone:
		f.reject(section+".preset", string(m.Preset), fmt.Errorf("%s says what is made; remove one of them", key))
	case m.NoAudio || m.SSE != "":
		f.reject(key, m.Template, fmt.Errorf("%s.no_audio and %[1]s.sse are for presets; write that into the template", section))
	case isFile:
		f.path(key, &m.Template, false, "")
	case m.Output != "":
		f.reject(section+".output", m.Output, errors.New("the job template of the service says where its outputs go; remove one of them"))
	default:
		f.given(key, m.Template, validName, "give a file, or the name or ARN of a job template")
	}
}

// TemplateIsFile reports whether the template is a file, and not the service's.
func (m Making) TemplateIsFile() bool { return strings.HasPrefix(m.Template, "/") }

func validName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= mostName && !strings.ContainsFunc(s, isControl)
}

func validSSE(s string) bool {
	key, named := strings.CutPrefix(s, "kms:")
	return s == "s3" || s == "kms" || named && arnPattern.MatchString(key)
}
