package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// written is a page of n objects as a server writes it.
func written(n int) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
		`<Name>b</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>` +
		`<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b==</NextContinuationToken>`)
	for i := range n {
		fmt.Fprintf(&b, `<Contents><Key>many/file-%06d.mov</Key><LastModified>2026-03-04T05:06:07.089Z</LastModified>`+
			`<ETag>&quot;8f541263861613a287bd57d2288ab27d&quot;</ETag><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><Size>316</Size>`+
			`<Owner><ID>x</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>`, i)
	}
	b.WriteString("\n  <CommonPrefixes><Prefix>many%2Fa/</Prefix></CommonPrefixes>\n</ListBucketResult>\n")
	return b.String()
}

func TestParseListing(t *testing.T) {
	got, err := parseListing([]byte(written(2)))
	o := listed{Key: "many/file-000000.mov", ETag: `"8f541263861613a287bd57d2288ab27d"`, Size: 316, Modified: time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)}
	o1 := o
	o1.Key = "many/file-000001.mov"
	want := listing{Objects: []listed{o, o1}, Prefixes: []string{"many%2Fa/"}, Told: true, Truncated: true, Next: "a&b==", Encoding: "url"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// uncommon are answers that are left to the SDK.
var uncommon = []string{
	"", "<", "<a>", "<ListBucketResult/>", "<ListBucketResult>", "<ListBucketResult></ListBucketResult", "<ListBucketResult></Other>",
	"<ListBucketResult></ListBucketResult>more", "<!-- c --><ListBucketResult></ListBucketResult>",
	"<x:ListBucketResult></x:ListBucketResult>", "<ListBucketResult><IsTruncated>yes</IsTruncated></ListBucketResult>",
	"<ListBucketResult><Contents><Size>-</Size></Contents></ListBucketResult>",
	"<ListBucketResult><Contents><Key><![CDATA[a]]></Key></Contents></ListBucketResult>",
	"<ListBucketResult><Contents><Key>&eacute;</Key></Contents></ListBucketResult>",
	"<ListBucketResult><Contents><Key>&amp</Key></Contents></ListBucketResult>",
	"<ListBucketResult><Contents><Key>a]]>b</Key></Contents></ListBucketResult>",
	"<ListBucketResult><Contents><Key>a<b/></Key></Contents></ListBucketResult>",
	"<ListBucketResult><Contents><Key>\x00</Key></Contents></ListBucketResult>",
	"<Error><Code>SlowDown</Code></Error>",
}

func TestUncommonListings(t *testing.T) {
	for _, text := range uncommon {
		if got, err := parseListing([]byte(text)); !errors.Is(err, errUncommon) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	cut := written(1)
	for n := range len(strings.TrimSpace(cut)) {
		if _, err := parseListing([]byte(cut[:n])); err == nil {
			t.Errorf("taken when cut after %d bytes", n)
		}
	}
}

// reference is what encoding/xml makes of an answer.
type reference struct {
	XMLName  xml.Name `xml:"ListBucketResult"`
	Contents []struct {
		Key, ETag, LastModified string
		Size                    int64
	}
	CommonPrefixes                      []struct{ Prefix string }
	IsTruncated                         bool
	NextContinuationToken, EncodingType string
}

// FuzzListing: what is read is what encoding/xml reads.
func FuzzListing(f *testing.F) {
	for _, text := range append(uncommon, written(0), written(2)) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseListing(text)
		if err != nil {
			return
		}
		var r reference
		if err := xml.Unmarshal(text, &r); err != nil {
			t.Fatalf("read, though encoding/xml says: %v", err)
		}
		if len(r.Contents) != len(l.Objects) || len(r.CommonPrefixes) != len(l.Prefixes) {
			t.Fatalf("%d objects and %d prefixes, not %d and %d", len(l.Objects), len(l.Prefixes), len(r.Contents), len(r.CommonPrefixes))
		}
		for i, o := range r.Contents {
			if got := l.Objects[i]; got.Key != o.Key || got.ETag != o.ETag || got.Size != o.Size {
				t.Errorf("object %d: %+v, not %+v", i, got, o)
			}
		}
		for i, p := range r.CommonPrefixes {
			if l.Prefixes[i] != p.Prefix {
				t.Errorf("prefix %d: %q, not %q", i, l.Prefixes[i], p.Prefix)
			}
		}
		if r.IsTruncated != l.Truncated || r.NextContinuationToken != l.Next || r.EncodingType != l.Encoding {
			t.Errorf("%+v, not %+v", l, r)
		}
	})
}

func BenchmarkListing(b *testing.B) {
	text := []byte(written(1000))
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := parseListing(text); err != nil {
			b.Fatal(err)
		}
	}
}
