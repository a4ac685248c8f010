package config

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Watch is a hot folder that a mount watches: each file that is saved there gets a job. What a
// section does not say the section [job] does, as with the flags of `mcfs watch`.
type Watch struct {
	Path    string        `toml:"path"`     // of a folder or file in the volume; empty: all of it
	Match   []string      `toml:"match"`    // patterns of path.Match for names of files; none: all
	MaxJobs int           `toml:"max_jobs"` // made and followed at once, 1 to MostMaxJobs
	Every   time.Duration `toml:"every"`    // how often all is looked at, LeastEvery or more
	Making
}

// Defaults and limits of hot folders.
const (
	DefaultMaxJobs = 20
	MostMaxJobs    = 1000
	DefaultEvery   = 30 * time.Second
	LeastEvery     = time.Second
)

// String is the folder with its patterns.
func (w Watch) String() string {
	at := w.Path
	if at == "" {
		at = "/"
	}
	if len(w.Match) == 0 {
		return at
	}
	return at + " (" + strings.Join(w.Match, ", ") + ")"
}

// decodeWatches decodes the sections [[watch]]. The parser knows one line for each key in all of
// them, so each is read once more by itself.
func (f *file) decodeWatches(body toml.Primitive, c *Config, all []string) {
	var list []map[string]toml.Primitive
	if err := f.meta.PrimitiveDecode(body, &list); err != nil || f.isTable(body) || !f.areTables(body) {
		f.faultf(f.line(body), "watch: no list of tables; write [[watch]] on a line of its own")
		return
	}
	alone := watchesAlone(f.text)
	for i, keys := range list {
		table := &file{name: f.name, meta: f.meta, lines: map[string]int{"watch": f.line(body)}}
		if len(alone) == len(list) {
			table.readAlone(alone[i], &keys)
		}
		w := Watch{Match: []string{}, MaxJobs: DefaultMaxJobs, Every: DefaultEvery, Making: Making{Tags: []string{}}}
		table.table("watch", keys, reflect.ValueOf(&w).Elem(), all)
		c.Watch, f.tables = append(c.Watch, w), append(f.tables, table)
		f.faults, table.faults = append(f.faults, table.faults...), nil
	}
}

// areTables tells a list of tables from one of other values.
func (f *file) areTables(p toml.Primitive) bool {
	var values []any
	if f.meta.PrimitiveDecode(p, &values) != nil {
		return false
	}
	return !slices.ContainsFunc(values, func(v any) bool { _, ok := v.(map[string]any); return !ok })
}

// section is the text of one [[watch]].
type section struct {
	line int    // where it begins
	text string // the file with every other line empty
}

var (
	watchHeading = regexp.MustCompile(`^\s*\[\[\s*(watch|"watch"|'watch')\s*\]\]\s*(#.*)?$`)
	anyHeading   = regexp.MustCompile(`^\s*\[`)
)

// watchesAlone finds the sections [[watch]] of a file.
func watchesAlone(text string) (list []section) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !watchHeading.MatchString(strings.TrimSuffix(line, "\r")) {
			continue
		}
		end := i + 1
		for end < len(lines) && !anyHeading.MatchString(lines[end]) {
			end++
		}
		list = append(list, section{i + 1, strings.Repeat("\n", i) + strings.Join(lines[i:end], "\n")})
	}
	return list
}

// readAlone reads one section for the lines of its keys. What cannot be read by itself keeps those
// that it has.
func (f *file) readAlone(s section, keys *map[string]toml.Primitive) {
	var alone struct {
		Watch []map[string]toml.Primitive `toml:"watch"`
	}
	meta, err := toml.Decode(s.text, &alone)
	if err != nil || len(alone.Watch) != 1 || len(alone.Watch[0]) != len(*keys) {
		return
	}
	f.meta, *keys, f.lines["watch"] = meta, alone.Watch[0], s.line
}

// watches checks each section [[watch]], and fills in what [job] says.
func (f *file) watches(c *Config) {
	for i := range c.Watch {
		t := f.tables[i]
		t.watch(&c.Watch[i], c)
		f.faults = append(f.faults, t.faults...)
	}
}

func (f *file) watch(w *Watch, c *Config) {
	f.watchPlace(w, c)
	if w.MaxJobs < 1 || w.MaxJobs > MostMaxJobs {
		f.reject("watch.max_jobs", w.MaxJobs, fmt.Errorf("give 1 to %d", MostMaxJobs))
	}
	if w.Every < LeastEvery {
		f.reject("watch.every", w.Every, fmt.Errorf("give %q or more", LeastEvery.String()))
	}
	f.making("watch", &w.Making)
	f.inherit(&w.Making, c.Job.Making)
	switch {
	case w.Template != "" && !w.TemplateIsFile() && w.Output != "" && f.sets("output") && !f.sets("template"):
		f.reject("watch.output", w.Output, errors.New("job.template, which counts here, says where its outputs go; give a watch.template or a watch.preset"))
	case w.Template == "" && w.Output == "":
		f.faultf(f.lines["watch"], `watch.output: missing; give an address like "s3://BUCKET/{dir}/{name}/", here or as job.output`)
	}
	if w.Role == "" && !w.TemplateIsFile() {
		f.faultf(f.lines["watch"], "watch.role: missing; give the ARN of the role that MediaConvert takes on, here or as job.role")
	}
}

// watchPlace checks what is watched, and that MediaConvert can read it.
func (f *file) watchPlace(w *Watch, c *Config) {
	switch given := w.Path; {
	case given == "":
	case strings.HasPrefix(given, "/"), strings.HasPrefix(given, "s3://"):
		f.reject("watch.path", given, errors.New(`give a folder of the volume, like "day1", without mountpoint and bucket`))
	case path.Clean(given) != strings.TrimSuffix(given, "/"), strings.HasPrefix(given, ".."), given == ".", strings.ContainsFunc(given, isControl):
		f.reject("watch.path", given, errors.New(`give a folder of the volume, like "day1/card2", without "//", "." and ".."`))
	default:
		w.Path = strings.TrimSuffix(given, "/")
	}
	for _, pattern := range w.Match {
		if checkNamePattern(pattern) != nil {
			f.reject("watch.match", pattern, errors.New(`give a pattern like "*.mov" for the names of files`))
		}
	}
	switch {
	case c.Store.Kind != StoreS3:
		f.faultf(f.lines["watch"], `watch: MediaConvert reads from S3 alone; set store.kind = "s3", or remove [[watch]]`)
	case c.Keys.Kind != KeysKMS:
		f.faultf(f.lines["watch"], `watch: MediaConvert cannot have the keys of a local keyring; set keys.kind = "kms", or remove [[watch]]`)
	case w.Output != "" && strings.HasPrefix(w.Output, "s3://"+c.Store.Bucket+"/"+c.Store.Prefix):
		f.reject("watch.output", w.Output, errors.New("it lies in the volume, and outputs are plaintext; give another bucket or prefix"))
	}
}

// sets reports whether a section [[watch]] has a key.
func (f *file) sets(name string) bool { _, ok := f.lines["watch."+name]; return ok }

// inherit takes from [job] what a section does not say. Its template is taken as it is; its preset
// is made in place of [job]'s template.
func (f *file) inherit(m *Making, j Making) {
	inherit(f, "role", &m.Role, j.Role)
	inherit(f, "queue", &m.Queue, j.Queue)
	inherit(f, "region", &m.Region, j.Region)
	inherit(f, "kms_region", &m.KMSRegion, j.KMSRegion)
	inherit(f, "priority", &m.Priority, j.Priority)
	inherit(f, "acceleration", &m.Acceleration, j.Acceleration)
	inherit(f, "poll", &m.Poll, j.Poll)
	inherit(f, "endpoint", &m.Endpoint, j.Endpoint)
	m.Tags = append(append([]string{}, j.Tags...), m.Tags...) // of one name the last counts
	if f.sets("template") {
		return
	}
	inherit(f, "output", &m.Output, j.Output)
	if j.Template != "" && !f.sets("preset") && !f.sets("sse") && !f.sets("no_audio") {
		m.Template = j.Template
		return
	}
	inherit(f, "preset", &m.Preset, j.Preset)
	inherit(f, "sse", &m.SSE, j.SSE)
	inherit(f, "no_audio", &m.NoAudio, j.NoAudio)
}

func inherit[T any](f *file, name string, to *T, value T) {
	if !f.sets(name) {
		*to = value
	}
}
