package sidecar

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

const (
	key24 = "c2l4dGVlbiBieXRlcyBvaw=="
	iv24  = "MDEyMzQ1Njc4OWFiAAAAAA=="
	iv16  = "MDEyMzQ1Njc4OWFi"
)

func doc(members string) string {
	return `{"DecryptionSettings":{"DecryptionMode":"AES_GCM","EncryptedDecryptionKey":"` + key24 +
		`","InitializationVector":"` + iv16 + `"}` + members + `}`
}

func TestParseWhatPeopleWrite(t *testing.T) {
	want := Settings{FileInput: "s3://b/k.mp4", Mode: "AES_GCM", Key: []byte("sixteen bytes ok"), IV: []byte("0123456789ab")}
	for name, text := range map[string]string{
		"one line":        doc(`,"FileInput":"s3://b/k.mp4"`),
		"more fields":     doc(`,"FileInput":"s3://b/k.mp4","AudioSelectors":{"Audio Selector 1":{"DefaultSelection":"DEFAULT"}},"TimecodeSource":"ZEROBASED"`),
		"camel case":      strings.NewReplacer("DecryptionS", "decryptionS", "DecryptionM", "decryptionM", "Init", "init", "Enc", "enc").Replace(doc(`,"fileInput":"s3://b/k.mp4"`)),
		"byte order mark": "\ufeff" + doc(`,"FileInput":"s3://b/k.mp4"`) + "\r\n",
		"null":            doc(`,"FileInput":"s3://b/k.mp4","Crop":null`),
		"without padding": strings.ReplaceAll(doc(`,"FileInput":"s3://b/k.mp4"`), "==", ""),
		"escapes":         doc(`,"FileInput":"s3:\/\/b\/k\u002emp4"`),
	} {
		got, err := Parse([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := doc("")
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {"", "ends too early"},
		"cut":                {good[:60], "not JSON"},
		"an array":           {"[" + good + "]", "not a JSON object"},
		"a job":              {`{"Settings":{"Inputs":[` + good + `]}}`, "DecryptionSettings: missing"},
		"two documents":      {good + good, "something follows"},
		"text after":         {good + "x", "something follows"},
		"no settings":        {`{"FileInput":"s3://b/k"}`, "DecryptionSettings: missing"},
		"null settings":      {`{"DecryptionSettings":null}`, "DecryptionSettings: missing"},
		"settings a string":  {`{"DecryptionSettings":"AES_CTR"}`, "DecryptionSettings: not a JSON object"},
		"twice":              {doc(`,"FileInput":"s3://b/k","FileInput":"s3://b/l"`), "given twice"},
		"twice, by case":     {doc(`,"fileInput":"s3://b/k","FileInput":"s3://b/l"`), "given twice"},
		"twice, one null":    {doc(`,"FileInput":null,"FileInput":"s3://b/l"`), "given twice"},
		"number":             {doc(`,"FileInput":7`), "FileInput: not a string"},
		"unknown mode":       {strings.Replace(good, "AES_GCM", "AES_XTS", 1), "DecryptionMode"},
		"cbc, iv of 12":      {strings.Replace(good, "AES_GCM", "AES_CBC", 1), "AES_CBC takes 16"},
		"line break in key":  {strings.Replace(good, key24, `c2l4dGVlbiBi\neXRlcyBvaw==`, 1), "EncryptedDecryptionKey: not base64"},
		"URL base64":         {strings.Replace(good, iv16, "____MTIzNDU2Nzg5", 1), "InitializationVector: not base64"},
		"key cut":            {strings.Replace(good, key24, key24[:21], 1), "EncryptedDecryptionKey: not base64, or cut short"},
		"loose bits":         {strings.Replace(good, key24, "c2l4dGVlbiBieXRlcyBvax==", 1), "EncryptedDecryptionKey: not base64, or cut short"},
		"hex iv":             {strings.Replace(good, iv16, "00112233445566778899aabbccddeeff", 1), "InitializationVector: 24 bytes"},
		"not UTF-8":          {doc(`,"FileInput":"s3://b/` + "\xff" + `"`), "not UTF-8"},
		"long":               {good + strings.Repeat(" ", MaxSize), "too many"},
		"wrong region":       {strings.Replace(good, `AES_GCM"`, `AES_GCM","KmsKeyRegion":"nowhere"`, 1), "KmsKeyRegion"},
		"a trailing comma":   {strings.Replace(good, `"}}`, `"},}`, 1), "not JSON"},
		"not closed":         {good[:len(good)-1], "not JSON"},
		"an unrelated thing": {`{"editor.fontSize": 12}`, "DecryptionSettings: missing"},
	} {
		got, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want … %s …", name, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %v", name, err)
		}
		if !reflect.DeepEqual(got, Settings{}) {
			t.Errorf("%s: something came back with the error: %+v", name, got)
		}
	}
}

var parseSeeds = []string{
	doc(""),
	doc(`,"FileInput":"s3://b/k.mp4"`),
	doc(`,"FileInput":"s3://b/é\u2028.mp4","Crop":null`),
	"\ufeff" + doc(`,"X":[1,{"y":"z"}]`) + " \t \n",
	`{"DecryptionSettings":{"DecryptionMode":"AES_CBC","EncryptedDecryptionKey":"` + key24 + `","InitializationVector":"` + iv24 + `","KmsKeyRegion":"us-west-2"}}`,
	`{"DecryptionSettings":{}}`,
	`{`, `[]`, `null`, ``,
}

// What Parse accepts, Marshal renders, and Parse reads back the same.
func FuzzParse(f *testing.F) {
	if len(parseSeeds) < 5 {
		f.Fatal("too few seeds")
	}
	for _, s := range parseSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		s, err := Parse(b)
		if !bytes.Equal(b, kept) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			return
		}
		out, err := s.Marshal()
		if err != nil {
			t.Fatalf("%+v was read but is not rendered: %v", s, err)
		}
		back, err := Parse(out)
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Fatalf("%+v became %+v, %v", s, back, err)
		}
	})
}
