package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// Parse reads and validates a file's content; name is what errors call the
// file. Mistakes are reported together, one line each, in the order of the file
// (errors.Join): first unknown keys and values of a wrong type, and when there
// are none, values out of range.
func Parse(data []byte, name string) (Config, error) {
	f := file{name: name, text: string(data), lines: make(map[string]int)}
	c := defaults()
	c.Source = name
	f.decode(data, &c)
	if len(f.faults) == 0 { // values that could not be read would only mislead
		f.finish(&c)
	}
	if err := f.err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// file is one configuration file being read.
type file struct {
	name   string
	text   string
	meta   toml.MetaData
	lines  map[string]int // of each known key that the file sets, by full name
	tables []*file        // each [[watch]]: lines of its own, and in the end faults of its own
	faults []fault
}

type fault struct {
	line int // 0: of the whole file
	text string
}

// faultf notes a mistake at a line.
func (f *file) faultf(line int, format string, args ...any) {
	f.faults = append(f.faults, fault{line, fmt.Sprintf(format, args...)})
}

// reject notes that the value of a key is wrong, and the cure.
func (f *file) reject(key string, value any, cure error) {
	text := fmt.Sprint(value)
	if reflect.ValueOf(value).Kind() == reflect.String {
		text = fmt.Sprintf("%q", clip(text))
	}
	f.faultf(f.lines[key], "%s: %s: %v", key, oneLine(text), cure)
}

func (f *file) err() error {
	slices.SortFunc(f.faults, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.text, b.text))
	})
	var all []error
	for _, x := range f.faults {
		where := f.name
		if x.line > 0 {
			where = fmt.Sprintf("%s:%d", f.name, x.line)
		}
		all = append(all, fmt.Errorf("%s: %s", where, x.text))
	}
	return errors.Join(all...)
}

// decode sets the fields that the file names. Sections and keys are decoded
// one by one, so that every mistake is found and has its line.
func (f *file) decode(data []byte, c *Config) {
	if len(data) > maxFile {
		f.faultf(0, "%d bytes are too many for a configuration (at most %d)", len(data), maxFile)
		return
	}
	var sections map[string]toml.Primitive
	var err error
	if f.meta, err = toml.Decode(f.text, &sections); err != nil {
		f.syntax(err)
		return
	}
	known, names := fieldsOf(reflect.ValueOf(c).Elem())
	all := allKeys()
	for name, body := range sections {
		section, ok := known[name]
		switch line := f.line(body); {
		case !ok && f.isTable(body):
			f.faultf(line, "unknown section %s; %s", oneLine(toml.Key{name}.String()), suggestSection(name, names))
		case !ok:
			f.faultf(line, "unknown key %s; %s", oneLine(toml.Key{name}.String()), suggest(name, all))
		case section.Kind() == reflect.Slice:
			f.decodeWatches(body, c, all)
		default:
			f.section(name, body, section, all)
		}
	}
}

// section decodes one table.
func (f *file) section(name string, body toml.Primitive, section reflect.Value, all []string) {
	var keys map[string]toml.Primitive
	if err := f.meta.PrimitiveDecode(body, &keys); err != nil || !f.isTable(body) {
		f.faultf(f.line(body), "%s: not a table; write %s on a line of its own", name, heading(name))
		return
	}
	f.table(name, keys, section, all)
}

// table decodes the keys of a table.
func (f *file) table(name string, keys map[string]toml.Primitive, section reflect.Value, all []string) {
	known, _ := fieldsOf(section)
	for leaf, primitive := range keys {
		key, line := toml.Key{name, leaf}.String(), f.line(primitive)
		field, ok := known[leaf]
		if !ok {
			f.faultf(line, "unknown key %s; %s", oneLine(key), suggest(name+"."+leaf, all))
			continue
		}
		f.lines[key] = line
		var value any
		if err := f.meta.PrimitiveDecode(primitive, &value); err != nil {
			f.faultf(line, "%s: %s", key, oneLine(err.Error()))
			continue
		}
		if err := set(field, value); err != nil {
			f.reject(key, value, err)
		}
	}
}

// isTable tells tables from other values, which decode into a map as if they were empty tables.
func (f *file) isTable(p toml.Primitive) bool {
	var value any
	if f.meta.PrimitiveDecode(p, &value) != nil {
		return false
	}
	_, ok := value.(map[string]any)
	return ok
}

// syntax notes what the TOML parser said.
func (f *file) syntax(err error) {
	if p, ok := errors.AsType[toml.ParseError](err); ok {
		f.faultf(p.Position.Line, "not TOML: %s", oneLine(p.Message))
		return
	}
	f.faultf(0, "not TOML: %s", oneLine(err.Error()))
}

// line is where a key stands. The parser keeps positions to itself and tells
// them only with an error, so one is provoked. A table that exists only by its
// members ([a.b] without [a]) stands where the first of them does.
func (f *file) line(p toml.Primitive) int {
	var probe refuser
	if e, ok := errors.AsType[toml.ParseError](f.meta.PrimitiveDecode(p, &probe)); ok && e.Position.Line > 0 {
		return e.Position.Line
	}
	var members map[string]toml.Primitive
	if f.meta.PrimitiveDecode(p, &members) != nil {
		return 0
	}
	first := 0
	for _, m := range members {
		if n := f.line(m); first == 0 || n > 0 && n < first {
			first = n
		}
	}
	return first
}

type refuser struct{}

func (*refuser) UnmarshalTOML(any) error { return errors.New("asked for its line") }

// fieldsOf maps the TOML names of a struct's fields to the fields; names are in the order of the struct.
func fieldsOf(v reflect.Value) (fields map[string]reflect.Value, names []string) {
	fields = make(map[string]reflect.Value)
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous { // its fields are among the others
			below, more := fieldsOf(v.Field(i))
			maps.Copy(fields, below)
			names = append(names, more...)
			continue
		}
		if name := field.Tag.Get("toml"); name != "-" {
			fields[name] = v.Field(i)
			names = append(names, name)
		}
	}
	return fields, names
}

// allKeys are the full names of all keys.
func allKeys() []string {
	var all []string
	var c Config
	sections, names := fieldsOf(reflect.ValueOf(&c).Elem())
	for _, s := range names {
		section := sections[s]
		if section.Kind() == reflect.Slice {
			section = reflect.New(section.Type().Elem()).Elem()
		}
		_, leaves := fieldsOf(section)
		for _, l := range leaves {
			all = append(all, s+"."+l)
		}
	}
	return all
}

// set stores a TOML value in a field; its error is the cure.
func set(field reflect.Value, value any) error {
	switch p := field.Addr().Interface().(type) {
	case *ByteSize:
		return setSize(p, value)
	case *time.Duration:
		return setDuration(p, value)
	case *[]string:
		return setStrings(p, value)
	case *bool:
		b, ok := value.(bool)
		if !ok {
			return errors.New("give true or false, without quotes")
		}
		*p = b
		return nil
	case *int:
		n, ok := value.(int64)
		if !ok || int64(int(n)) != n {
			return errors.New("give a whole number, without quotes")
		}
		*p = int(n)
		return nil
	}
	s, ok := value.(string)
	if w, isWord := field.Interface().(word); isWord { // before the type is judged, since it names the words
		if err := checkWord(s, w.words()); err != nil {
			return err
		}
	}
	if !ok {
		return errors.New("give a text in quotes")
	}
	field.SetString(s)
	return nil
}

func setSize(p *ByteSize, value any) error {
	switch v := value.(type) {
	case int64:
		if v < 0 {
			return errSize
		}
		*p = ByteSize(v)
		return nil
	case string:
		n, err := ParseByteSize(v)
		if err != nil {
			return err
		}
		*p = n
		return nil
	}
	return errSize
}

// setDuration wants a unit: a bare number would leave open of what.
func setDuration(p *time.Duration, value any) error {
	cure := errors.New(`give a time with its unit in quotes, like "60s", "500ms" or "2m"`)
	s, ok := value.(string)
	if !ok {
		return cure
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return cure
	}
	*p = d
	return nil
}

func setStrings(p *[]string, value any) error {
	cure := errors.New(`give a list of texts, like ["*.part", "!*~"]`)
	items, ok := value.([]any)
	if !ok {
		return cure
	}
	out := make([]string, len(items))
	for i, item := range items {
		if out[i], ok = item.(string); !ok {
			return cure
		}
	}
	*p = out
	return nil
}

// clip keeps a long value from flooding an error message.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// oneLine makes foreign text safe to print within a line on a terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || unicode.IsSpace(r) {
			return r
		}
		return utf8.RuneError
	}, s)
	return clip(strings.Join(strings.Fields(s), " "))
}
