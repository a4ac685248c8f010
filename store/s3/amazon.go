package s3

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Amazon says which of Amazon's addresses are asked. No other server has them.
type Amazon struct {
	DualStack  bool // by IPv6 as well as IPv4
	FIPS       bool // with validated cryptography
	Accelerate bool // S3 Transfer Acceleration
}

// choose has a client ask those addresses.
func (a Amazon) choose(c *awss3.Options) {
	if a.DualStack {
		c.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
	}
	if a.FIPS {
		c.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
	}
	c.UseAccelerate = a.Accelerate
}

// Marks are what each new object is given, a copy as well.
type Marks struct {
	Tags     map[string]string
	LockMode string        // "GOVERNANCE" or "COMPLIANCE"; empty for the bucket's default
	LockFor  time.Duration // with LockMode: from the request on
}

// tagging is the header's value, a query whose spaces are no plus signs; nil for no tags.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
func (m Marks) tagging() *string {
	if len(m.Tags) == 0 {
		return nil
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		all = append(all, escaped(name)+"="+escaped(m.Tags[name]))
	}
	return aws.String(strings.Join(all, "&"))
}

func escaped(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// lock is the mode of an object that is made now, and until when it is kept.
func (m Marks) lock() (types.ObjectLockMode, *time.Time) {
	if m.LockMode == "" {
		return "", nil
	}
	until := time.Now().Add(m.LockFor).UTC().Truncate(time.Second)
	return types.ObjectLockMode(m.LockMode), &until
}
