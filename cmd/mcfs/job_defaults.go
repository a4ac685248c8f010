package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"mcfs/config"
	"mcfs/internal/jobspec"
	"mcfs/internal/status"
)

// jobDefaults is the section [job] that counts for a command: of the configuration that is named,
// else of the mount in which a path lies, else of the one that applies.
func jobDefaults(ctx context.Context, file, path string) (config.Job, error) {
	if file == "" && path != "" && !strings.HasPrefix(path, "s3://") {
		file = status.ConfigOf(ctx, path)
	}
	if file == "" && homeless() {
		return config.DefaultJob(), nil
	}
	j, err := config.LoadJob(file)
	return j, configError(err)
}

// homeless reports whether nothing says where a configuration might be, as in a service.
func homeless() bool {
	return os.Getenv(config.EnvFile) == "" && os.Getenv("HOME") == "" && os.Getenv("XDG_CONFIG_HOME") == ""
}

// setDefaults takes from a configuration what no flag says.
func (f *serviceFlags) setDefaults(given *pflag.FlagSet, j config.Job) {
	setDefault(given, "region", &f.region, j.Region)
	setDefault(given, "endpoint", &f.endpoint, j.Endpoint)
	setDefault(given, "poll", &f.poll, j.Poll)
	setDefault(given, "timeout", &f.timeout, j.Timeout)
}

func setDefault[T any](given *pflag.FlagSet, flag string, to *T, value T) {
	if !given.Changed(flag) {
		*to = value
	}
}

// setDefaults takes from a configuration what no flag says. A template on the command line is
// taken as it is; a preset there is made in place of the configuration's template.
func (f *jobFlags) setDefaults(given *pflag.FlagSet, j config.Job) {
	f.service.setDefaults(given, j)
	setDefault(given, "allow-plain", &f.allowPlain, j.AllowPlain)
	setDefault(given, "jobs", &f.parallel, j.Jobs)
	spec := &f.spec
	setDefault(given, "role", &spec.Role, j.Role)
	setDefault(given, "queue", &spec.Queue, j.Queue)
	setDefault(given, "kms-region", &spec.KMSRegion, j.KMSRegion)
	setDefault(given, "acceleration", &spec.Acceleration, string(j.Acceleration))
	setDefault(given, "case", &f.spelling, string(j.Case))
	setDefault(given, "submit", &f.submit, j.Submit)
	if f.submit {
		setDefault(given, "detach", &f.detach, j.Detach)
	}
	if spec.Priority = jobspec.Of(j.Making).Priority; given.Changed("priority") {
		spec.Priority = &f.priority
	}
	spec.Tags = append(append([]string{}, j.Tags...), spec.Tags...) // of one name the last counts
	if given.Changed("template") {
		return
	}
	setDefault(given, "output", &spec.Output, j.Output)
	preset := given.Changed("preset") || given.Changed("sse") || given.Changed("no-audio")
	if j.Template != "" && !preset {
		spec.Template, spec.Kept = j.Template, !j.TemplateIsFile()
		return
	}
	setDefault(given, "preset", &spec.Preset, string(j.Preset))
	setDefault(given, "sse", &spec.SSE, j.SSE)
	setDefault(given, "no-audio", &spec.NoAudio, j.NoAudio)
}
