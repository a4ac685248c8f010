package sidecar

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func example() Settings {
	return Settings{
		FileInput: "s3://bucket/prefix/movie.mp4",
		Mode:      "AES_CTR",
		Key:       bytes.Repeat([]byte{0xab}, 184),
		IV:        []byte("0123456789ab\x00\x00\x00\x00"),
		Region:    "us-west-2",
	}
}

func TestMarshalIsExactlyTheDocumentedText(t *testing.T) {
	s := example()
	s.Key = []byte("sixteen bytes ok")
	s.FileInput = "s3://bucket/prefix/Tom & <Jerry> 100% é+.mp4"
	b, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "FileInput": "s3://bucket/prefix/Tom & <Jerry> 100% é+.mp4",
  "DecryptionSettings": {
    "DecryptionMode": "AES_CTR",
    "EncryptedDecryptionKey": "c2l4dGVlbiBieXRlcyBvaw==",
    "InitializationVector": "MDEyMzQ1Njc4OWFiAAAAAA==",
    "KmsKeyRegion": "us-west-2"
  }
}
`
	got, nonce := string(b[:len(b)-33]), string(b[len(b)-33:])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.Trim(nonce[:32], " \t") != "" || nonce[32] != '\n' {
		t.Errorf("nonce line is %q", nonce)
	}
}

func TestMarshalLeavesOutWhatIsEmpty(t *testing.T) {
	s := example()
	s.FileInput, s.Region = "", ""
	b, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"FileInput", "KmsKeyRegion", "null"} {
		if bytes.Contains(b, []byte(field)) {
			t.Errorf("%s appears in %s", field, b)
		}
	}
	if back, err := Parse(b); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("Parse: %+v, %v", back, err)
	}
}

func TestEachRenderingDiffers(t *testing.T) {
	seen := make(map[string]bool)
	var or, and uint32 = 0, ^uint32(0)
	for range 64 {
		b, err := example().Marshal()
		if err != nil {
			t.Fatal(err)
		}
		line := b[len(b)-33 : len(b)-1]
		seen[string(line)] = true
		var n uint32
		for i, c := range line {
			if c == '\t' {
				n |= 1 << i
			}
		}
		or, and = or|n, and&n
	}
	// Two of 64 agree with a chance of 2^-21.
	if len(seen) < 63 || or != ^uint32(0) || and != 0 {
		t.Errorf("%d different lines of 64; bits ever set %032b, always set %032b", len(seen), or, and)
	}
}

// MediaConvert's SDK type has no JSON tags: its field names are the document's.
func TestMediaConvertKnowsEveryField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		b, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		var in types.Input
		if err := dec.Decode(&in); err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		exactNames(t, doc, reflect.TypeFor[types.Input]())
		d := in.DecryptionSettings
		if !containsMode(d.DecryptionMode) {
			t.Fatalf("the SDK does not know %q", d.DecryptionMode)
		}
		if got := deref(in.FileInput); got != s.FileInput {
			t.Fatalf("FileInput %q, want %q", got, s.FileInput)
		}
		if got := deref(d.KmsKeyRegion); got != s.Region {
			t.Fatalf("KmsKeyRegion %q, want %q", got, s.Region)
		}
		if n := len(deref(d.EncryptedDecryptionKey)); n < 24 || n > 512 {
			t.Fatalf("EncryptedDecryptionKey has %d characters", n)
		}
		if n := len(deref(d.InitializationVector)); n != 24 && n != 16 {
			t.Fatalf("InitializationVector has %d characters", n)
		}
	})
}

func exactNames(t *rapid.T, doc map[string]any, typ reflect.Type) {
	for name, value := range doc {
		f, ok := typ.FieldByName(name)
		if !ok {
			t.Fatalf("%s has no field %s", typ, name)
		}
		if inner, ok := value.(map[string]any); ok {
			exactNames(t, inner, f.Type.Elem())
		}
	}
}

func containsMode(m types.DecryptionMode) bool {
	for _, v := range m.Values() {
		if v == m {
			return true
		}
	}
	return false
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func drawSettings(t *rapid.T) Settings {
	s := Settings{
		FileInput: rapid.SampledFrom([]string{"", "s3://bucket/" + rapid.StringN(1, 40, 1000).Draw(t, "key") + "x"}).Draw(t, "input"),
		Mode:      rapid.SampledFrom([]string{"AES_CTR", "AES_CBC", "AES_GCM"}).Draw(t, "mode"),
		Key:       rapid.SliceOfN(rapid.Byte(), 16, 384).Draw(t, "wrapped"),
		IV:        rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "iv"),
		Region:    rapid.SampledFrom([]string{"", "us-west-2", "ap-southeast-1", "us-gov-west-1", "eu-central-1", "ap-northeast-3", "cn-northwest-1"}).Draw(t, "region"),
	}
	if s.Mode != "AES_CBC" && rapid.Bool().Draw(t, "short") {
		s.IV = s.IV[:12]
	}
	return s
}

func TestSettingsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSettings(t)
		b, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestValidateNamesTheField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Settings)
		want   string
	}{
		"no mode":         {func(s *Settings) { s.Mode = "" }, "DecryptionSettings.DecryptionMode: missing"},
		"short mode":      {func(s *Settings) { s.Mode = "CTR" }, "AES_CTR, AES_CBC or AES_GCM"},
		"no key":          {func(s *Settings) { s.Key = nil }, "DecryptionSettings.EncryptedDecryptionKey: missing"},
		"short key":       {func(s *Settings) { s.Key = s.Key[:15] }, "EncryptedDecryptionKey: 15 bytes"},
		"long key":        {func(s *Settings) { s.Key = make([]byte, 385) }, "EncryptedDecryptionKey: 385 bytes"},
		"no iv":           {func(s *Settings) { s.IV = nil }, "InitializationVector: missing"},
		"iv of 15":        {func(s *Settings) { s.IV = s.IV[:15] }, "InitializationVector: 15 bytes"},
		"cbc, iv of 12":   {func(s *Settings) { s.Mode, s.IV = "AES_CBC", s.IV[:12] }, "AES_CBC takes 16"},
		"region":          {func(s *Settings) { s.Region = "us-west" }, "DecryptionSettings.KmsKeyRegion"},
		"region number 0": {func(s *Settings) { s.Region = "us-west-0" }, "DecryptionSettings.KmsKeyRegion"},
		"long region":     {func(s *Settings) { s.Region = "us-gov-northeast-123" }, "DecryptionSettings.KmsKeyRegion"},
		"path":            {func(s *Settings) { s.FileInput = "/movies/a.mp4" }, "FileInput"},
		"bucket only":     {func(s *Settings) { s.FileInput = "s3://bucket" }, "give s3://bucket/key"},
		"folder":          {func(s *Settings) { s.FileInput = "s3://bucket/a/" }, "give s3://bucket/key"},
		"no bucket":       {func(s *Settings) { s.FileInput = "s3:///a" }, "give s3://bucket/key"},
		"long name":       {func(s *Settings) { s.FileInput = "s3://b/" + strings.Repeat("a", 2048) }, "at most 2048"},
		"not UTF-8":       {func(s *Settings) { s.FileInput = "s3://b/\xff" }, "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			s := example()
			c.change(&s)
			err := s.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Validate: %v; want … %s …", err, c.want)
			}
			if b, err := s.Marshal(); err == nil {
				t.Errorf("Marshal rendered it: %s", b)
			}
		})
	}
	if err := example().Validate(); err != nil {
		t.Error(err)
	}
}
