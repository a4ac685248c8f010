package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var (
	// Shape of a general purpose bucket's name. Reserved beginnings and ends
	// are not refused: an access point's alias is used like a bucket.
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

	regionPattern = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$`)
	labelPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) // a compatible server's idea of a region or class

	// The four ways to name a KMS key:
	// https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
	arnPattern   = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:(key/[A-Za-z0-9-]{1,64}|alias/[A-Za-z0-9/_-]{1,250})$`)
	idPattern    = regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|mrk-[0-9a-fA-F]{32})$`)
	aliasPattern = regexp.MustCompile(`^alias/[A-Za-z0-9/_-]{1,250}$`)
)

// maxPrefix leaves half of a key's 1,024 bytes to the names in the mount.
const maxPrefix = 512

func checkBucket(name string) error {
	if _, err := netip.ParseAddr(name); err == nil {
		return errors.New("S3 takes no IP address as a bucket's name")
	}
	if !bucketPattern.MatchString(name) || strings.Contains(name, "..") {
		return errors.New("a bucket's name has 3 to 63 characters of a-z 0-9 . - and begins and ends with a letter or digit, without s3:// before it and / in it")
	}
	return nil
}

func checkPrefix(prefix string) error {
	switch {
	case strings.HasPrefix(prefix, "/"):
		return errors.New(`remove the "/" at its beginning`)
	case strings.Contains(prefix, "//"):
		return errors.New(`write one "/" in place of "//"`)
	case strings.ContainsFunc(prefix, isControl):
		return errors.New("remove the control characters")
	case len(prefix) > maxPrefix:
		return fmt.Errorf("at most %d bytes, so that names fit after it", maxPrefix)
	}
	for element := range strings.SplitSeq(prefix, "/") {
		if element == "." || element == ".." {
			return errors.New(`remove the elements "." and ".."`)
		}
	}
	return nil
}

// region checks the shape of AWS's regions, or, with an endpoint of its own,
// of any name, since compatible servers choose theirs freely.
func (f *file) region(key, region, endpoint string) {
	switch {
	case region == "":
	case endpoint == "" && !regionPattern.MatchString(region):
		f.reject(key, region, errors.New("give a region like us-west-2"))
	case !labelPattern.MatchString(region):
		f.reject(key, region, errors.New("give a name of letters, digits, - and _"))
	}
}

// checkClass knows the classes from which an object can be read at once.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
func checkClass(class string, compatible bool) error {
	readable := []string{"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY", "EXPRESS_ONEZONE", "OUTPOSTS", "SNOW"}
	switch {
	case slices.Contains(readable, class):
		return nil
	case class == "GLACIER", class == "DEEP_ARCHIVE":
		return errors.New("objects of this class cannot be read back at once; let a lifecycle rule move them later")
	case compatible && labelPattern.MatchString(class):
		return nil
	}
	return fmt.Errorf("give one of %s", strings.Join(readable, ", "))
}

func checkKeyID(id string) error {
	if arnPattern.MatchString(id) || idPattern.MatchString(id) || aliasPattern.MatchString(id) {
		return nil
	}
	return errors.New("give a KMS key's ARN (arn:aws:kms:REGION:ACCOUNT:key/ID), its ID, or alias/NAME")
}

// checkDataKeyID refuses, beside malformed ids, the keys that AWS manages:
// only the services that own them may use them.
func checkDataKeyID(id string) error {
	if strings.HasPrefix(id, "alias/aws/") || strings.Contains(id, ":alias/aws/") {
		return errors.New("AWS's own keys do not make data keys for others; create a customer managed key")
	}
	return checkKeyID(id)
}

// regionOf is the region in a key's ARN, empty if id is none.
func regionOf(id string) string {
	if m := arnPattern.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return ""
}
