package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fill sets every field below v, to values that r chooses.
func fill(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), r)
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), 0).UTC()))
			return
		}
		for i := range v.NumField() {
			if isField(v.Type().Field(i)) {
				fill(v.Field(i), r)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(2), 2))
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range 1 + r.IntN(2) {
			item := reflect.New(v.Type().Elem()).Elem()
			fill(item, r)
			v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("Audio %d & <more>", i)), item)
		}
	case reflect.String:
		if values := Values(v.Type()); values != nil {
			v.SetString(values[r.IntN(len(values))])
			return
		}
		v.SetString(fmt.Sprintf("täxt %d <&>\n", r.Uint32()))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 1)
	case reflect.Float64:
		v.SetFloat(r.Float64() * 100)
	default:
		v.SetInt(int64(int32(r.Uint32())))
	}
}

func filled(seed uint64) *mediaconvert.CreateJobInput {
	in := new(mediaconvert.CreateJobInput)
	fill(reflect.ValueOf(in).Elem(), rand.New(rand.NewPCG(seed, 1)))
	return in
}

var unexported = cmp.Exporter(func(reflect.Type) bool { return true })

// Every field of a job, set, is written and read back, in both cases.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(4) {
		in := filled(seed)
		for _, c := range []Case{Pascal, Camel} {
			text, err := Encode(in, c)
			if err != nil {
				t.Fatal(err)
			}
			for _, as := range []Case{c, Either} {
				var back mediaconvert.CreateJobInput
				if err := Decode(text, &back, as); err != nil {
					t.Fatalf("case %d read as %d: %v", c, as, err)
				}
				if d := cmp.Diff(*in, back, unexported); d != "" {
					t.Fatalf("case %d read as %d: %s", c, as, d)
				}
			}
			var other mediaconvert.CreateJobInput
			if Decode(text, &other, Pascal+Camel-c) == nil {
				t.Errorf("case %d passes for the other", c)
			}
		}
	}
}

// transport keeps the body that the SDK sends.
type transport struct{ body []byte }

func (c *transport) Do(r *http.Request) (*http.Response, error) {
	c.body, _ = io.ReadAll(r.Body)
	return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

// What the SDK itself sends reads back as what it was given: its serializer knows the wire's names
// by the service's own model, not by a rule.
func TestNamesAreTheServices(t *testing.T) {
	in := filled(7)
	sent := new(transport)
	client := mediaconvert.New(mediaconvert.Options{
		Region: "us-west-2", HTTPClient: sent, BaseEndpoint: aws.String("http://127.0.0.1:1"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	})
	if _, err := client.CreateJob(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	var back mediaconvert.CreateJobInput
	if err := Decode(sent.body, &back, Camel); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*in, back, unexported, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Error(d)
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		`{"Settings":{"Inputs":[{"FileImput":"x"}]}}`:        `Settings.Inputs[0].FileImput: MediaConvert knows no such field here; did you mean FileInput?`,
		`{"settings":{"inputs":[{},{"wholly_other":"x"}]}}`:  `Settings.Inputs[1].wholly_other: MediaConvert knows no such field here`,
		`{"Settings":{"Inputs":[],"inputs":[]}}`:             `Settings.inputs: given twice; keep one`,
		`{"Settings":{"Inputs":[{"PsiControl":"use_psi"}]}}`: `Settings.Inputs[0].PsiControl: "use_psi" is none of its values: IGNORE_PSI, USE_PSI`,
		`{"Settings":{"Inputs":{}}}`:                         `Settings.Inputs: not a list; give [ … ]`,
		`{"Settings":{"Inputs":[null]}}`:                     `Settings.Inputs[0]: null; leave it out`,
		`{"Settings":[]}`:                                    `Settings: not an object; give { … }`,
		`{"Priority":"1"}`:                                   `Priority: "1" is no whole number that fits; give one without quotes`,
		`{"Priority":1.5}`:                                   `Priority: 1.5 is no whole number that fits; give one without quotes`,
		`{"Priority":3000000000}`:                            `Priority: 3000000000 is no whole number that fits; give one without quotes`,
		`{"Role":7}`:                                         `Role: not a text; put it in quotes`,
		`{"Tags":{"a":1}}`:                                   `Tags["a"]: not a text; put it in quotes`,
		`{"Settings":{"Inputs":[{"AudioSelectors":{"A 1":{"DefaultSelection":"YES"}}}]}}`: `Settings.Inputs[0].AudioSelectors["A 1"].DefaultSelection: "YES" is none of its values: DEFAULT, NOT_DEFAULT`,
		`{"Settings":{"Inputs":[{"AudioSelectors":{"A 1":{"LanguageCode":"ENQ"}}}]}}`:     `Settings.Inputs[0].AudioSelectors["A 1"].LanguageCode: "ENQ" is none of its`,
		`{"Role":"x"} {}`:     `document: something follows the object; remove it`,
		`{"Role":"x"`:         `document: not JSON: it ends too early`,
		``:                    `document: not JSON: it ends too early`,
		`[]`:                  `document: not an object; give { … }`,
		"{\"Role\":\"\xff\"}": `document: not UTF-8`,
	} {
		var in mediaconvert.CreateJobInput
		err := Decode([]byte(text), &in, Either)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, not %s", text, err, want)
		}
		if !errors.As(err, new(*FieldError)) {
			t.Errorf("%s: %T", text, err)
		}
	}
}

// What the SDK adds to an answer is no part of the document.
func TestMetadataIsNoField(t *testing.T) {
	var out mediaconvert.CreateJobOutput
	if err := Decode([]byte(`{"ResultMetadata":{}}`), &out, Either); err == nil {
		t.Error("read")
	}
}

// Names with "<", ">" and "&" stay readable.
func TestPlainText(t *testing.T) {
	text, err := Encode(&mediaconvert.CreateJobInput{Queue: aws.String("a<&>b")}, Pascal)
	if err != nil || string(text) != "{\n  \"Queue\": \"a<&>b\"\n}\n" {
		t.Errorf("%s %v", text, err)
	}
}

// What is null is not there; a byte order mark may come first.
func TestAbsent(t *testing.T) {
	var in mediaconvert.CreateJobInput
	if err := Decode([]byte("\ufeff{\"Role\":null,\"queue\":\"q\",\"Settings\":{\"Inputs\": null}}"), &in, Either); err != nil {
		t.Fatal(err)
	}
	if in.Role != nil || *in.Queue != "q" || in.Settings == nil || in.Settings.Inputs != nil {
		t.Errorf("%+v", in)
	}
}

// A job as the service and as the command line tool tell of it.
func TestTimes(t *testing.T) {
	for _, text := range []string{`{"createdAt":1517440542.5}`, `{"CreatedAt":"2018-01-31T23:15:42.5+00:00"}`} {
		var j types.Job
		if err := Decode([]byte(text), &j, Either); err != nil {
			t.Fatal(err)
		}
		if want := time.Unix(1517440542, 500_000_000); !j.CreatedAt.Equal(want) {
			t.Errorf("%s: %v", text, j.CreatedAt)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Settings":{"Inputs":[{"FileInput":"s3://b/k"}]},"Tags":{"a":"b"},"Priority":-1}`))
	f.Add([]byte(`{"settings":{"timecodeConfig":{"source":"ZEROBASED"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var in, back mediaconvert.CreateJobInput
		if Decode(text, &in, Either) != nil {
			return
		}
		out, err := Encode(&in, Pascal)
		if err != nil {
			t.Fatal(err)
		}
		if err := Decode(out, &back, Pascal); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		again, err := Encode(&back, Pascal)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%s became %s: %v", out, again, err)
		}
	})
}
