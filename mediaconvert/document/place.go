package document

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// place is an address in S3.
type place struct{ bucket, key string }

// The hosts under which S3 answers for a bucket, by name or by path.
var (
	hostBucket = regexp.MustCompile(`^(.+)\.s3[.-](?:.+\.)?amazonaws\.com(?:\.cn)?$`)
	hostPath   = regexp.MustCompile(`^s3[.-](?:.+\.)?amazonaws\.com(?:\.cn)?$`)
)

// placeOf is the place that an address names, as s3:// or over the web.
func placeOf(address string) (place, bool) {
	if rest, ok := strings.CutPrefix(address, "s3://"); ok {
		bucket, key, _ := strings.Cut(rest, "/")
		return place{bucket, key}, bucket != ""
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return place{}, false
	}
	key := strings.TrimPrefix(u.Path, "/")
	if m := hostBucket.FindStringSubmatch(u.Hostname()); m != nil {
		return place{m[1], key}, true
	}
	if hostPath.MatchString(u.Hostname()) {
		bucket, rest, _ := strings.Cut(key, "/")
		return place{bucket, rest}, bucket != ""
	}
	return place{}, false
}

// inside reports whether the place lies in one of the volumes.
func (p place) inside(volumes []string) bool {
	for _, v := range volumes {
		if q, ok := placeOf(v); ok && q.bucket == p.bucket && strings.HasPrefix(p.key, q.key) {
			return true
		}
	}
	return false
}

// destination is where the outputs of a group go.
type destination struct {
	to       **string
	settings **types.DestinationSettings
}

// destinationOf is the destination of a group, nil if it does not say of which type it is.
func destinationOf(g *types.OutputGroup) *destination {
	s := g.OutputGroupSettings
	if s == nil {
		return nil
	}
	switch {
	case s.Type == types.OutputGroupTypeFileGroupSettings && s.FileGroupSettings != nil:
		return &destination{&s.FileGroupSettings.Destination, &s.FileGroupSettings.DestinationSettings}
	case s.Type == types.OutputGroupTypeHlsGroupSettings && s.HlsGroupSettings != nil:
		return &destination{&s.HlsGroupSettings.Destination, &s.HlsGroupSettings.DestinationSettings}
	case s.Type == types.OutputGroupTypeDashIsoGroupSettings && s.DashIsoGroupSettings != nil:
		return &destination{&s.DashIsoGroupSettings.Destination, &s.DashIsoGroupSettings.DestinationSettings}
	case s.Type == types.OutputGroupTypeCmafGroupSettings && s.CmafGroupSettings != nil:
		return &destination{&s.CmafGroupSettings.Destination, &s.CmafGroupSettings.DestinationSettings}
	case s.Type == types.OutputGroupTypeMsSmoothGroupSettings && s.MsSmoothGroupSettings != nil:
		return &destination{&s.MsSmoothGroupSettings.Destination, &s.MsSmoothGroupSettings.DestinationSettings}
	}
	return nil
}
