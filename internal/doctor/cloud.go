package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"mcfs/internal/human"
	"mcfs/keys"
	"mcfs/store"
	"mcfs/store/s3"
)

// Cloud is what is asked of AWS. What is nil is not.
type Cloud struct {
	Credentials aws.CredentialsProvider
	Identity    *sts.Client
	Store       *s3.Store
	Bucket      string
	Key         *keys.KMS
	Jobs        *mediaconvert.Client
	Queue       string // name or ARN
	Role        *Role

	Now func() time.Time // this machine's clock
}

// Close lets go of connections.
func (c Cloud) Close() {
	if c.Store != nil {
		_ = c.Store.Close() // idle connections, and nothing else
	}
}

const (
	policyCure  = "allow it to these credentials: mcfs policy mount prints what is needed"
	doctorCure  = "look yourself, or allow it: mcfs policy doctor prints what is needed"
	networkCure = "check the network's way there, a proxy, and the endpoint in the configuration"
)

// Remote are the checks of AWS. The probe removes what they write.
func Remote(c Cloud, p *Probe) []Check {
	list := []Check{{Name: "credentials", Run: c.credentials}}
	if c.Store != nil {
		list = append(list,
			Check{Name: "clock", Needs: []string{"credentials"}, Run: c.clock},
			Check{Name: "bucket", Needs: []string{"clock"}, Run: c.bucket},
		)
		list = append(list, p.checks()...)
		list = append(list,
			Check{Name: "versioning", Needs: []string{"bucket"}, Run: c.versioning},
			Check{Name: "unfinished uploads", Needs: []string{"bucket"}, Run: c.lifecycle},
		)
	}
	if c.Key != nil {
		list = append(list,
			Check{Name: "key", Needs: []string{"credentials", "clock"}, Run: c.key},
			Check{Name: "data key", Needs: []string{"key"}, Run: c.dataKey},
			Check{Name: "encryption context", Needs: []string{"data key"}, Run: c.bound},
		)
	}
	if c.Jobs != nil {
		list = append(list, Check{Name: "MediaConvert", Needs: []string{"credentials", "clock"}, Run: c.queue})
	}
	if c.Role != nil {
		list = append(list, OfRole(*c.Role)...)
	}
	return list
}

// expired are the codes by which STS says that credentials are over, or were never any.
var expired = map[string]bool{
	"ExpiredToken": true, "ExpiredTokenException": true, "InvalidClientTokenId": true, "SignatureDoesNotMatch": true, "UnrecognizedClientException": true,
}

// credentials never shows any: only whose they are.
func (c Cloud) credentials(ctx context.Context) Finding {
	v, err := c.Credentials.Retrieve(ctx)
	switch {
	case err != nil && strings.Contains(strings.ToLower(err.Error()), "sso"):
		return fail("aws sso login", "none: %v", err)
	case err != nil:
		return fail("set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run aws configure or aws sso login", "none: %v", err)
	case v.CanExpire && v.Expires.Before(c.Now()):
		return fail("aws sso login, or what else renews them", "those of %s have expired at %s", v.Source, v.Expires.Local().Format(time.DateTime))
	}
	what := "from " + v.Source
	if v.CanExpire {
		what += ", until " + human.Clock(v.Expires, c.Now())
	}
	if c.Identity == nil {
		return ok("%s", what)
	}
	who, err := c.Identity.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if api, answered := errors.AsType[smithy.APIError](err); answered && expired[api.ErrorCode()] {
		return fail("aws sso login, or correct the access key", "AWS does not accept those %s: %s", what, api.ErrorCode())
	}
	if err != nil {
		return warn(networkCure, "whose they are is not known (%s): %v", what, brief(err))
	}
	return ok("%s, %s", aws.ToString(who.Arn), what)
}

// S3 refuses requests of a clock that is wrong by mostSkew; much less is a sign already.
const (
	mostSkew = 5 * time.Minute
	someSkew = 30 * time.Second
)

// clock compares with the date of the store's answers, whatever they say.
func (c Cloud) clock(ctx context.Context) Finding {
	err := c.Store.Check(ctx)
	if errors.Is(err, store.ErrUnavailable) {
		return ok("not known, since the store does not answer")
	}
	theirs, now := c.Store.Now(), c.Now()
	skew := max(theirs.From.Sub(now), now.Sub(theirs.To)).Round(time.Second)
	const cure = "set the time: timedatectl set-ntp true"
	switch {
	case skew > mostSkew:
		return fail(cure, "it differs from the store's by %v: requests are refused for that", skew)
	case skew > someSkew:
		return warn(cure, "it differs from the store's by %v", skew)
	}
	return ok("as the store's")
}

func (c Cloud) bucket(ctx context.Context) Finding {
	err := c.Store.Check(ctx)
	if err == nil {
		return ok("%s can be listed, in %s", c.Store.Address(""), c.Store.Region())
	}
	return fail(storeCure(err, "s3:ListBucket"), "%v", err)
}

// storeCure is what can be done about an error of the store.
func storeCure(err error, action string) string {
	switch {
	case errors.Is(err, store.ErrDenied):
		return "allow " + action + " to these credentials: mcfs policy mount prints what is needed"
	case errors.Is(err, store.ErrNoBucket):
		return "make the bucket, or correct store.bucket"
	case errors.Is(err, store.ErrUnavailable):
		return networkCure
	}
	return "correct [store] in the configuration; docs/compatibility.md says what servers lack"
}

func (c Cloud) versioning(ctx context.Context) Finding {
	on, err := c.Store.Versioned(ctx)
	if err != nil {
		return warn(doctorCure, "not known: %v", err)
	}
	if !on {
		return ok("off: what is overwritten is gone")
	}
	rules, err := c.Store.Lifecycle(ctx)
	if err == nil && !rules.ExpiresOld {
		return warn("add a lifecycle rule with NoncurrentVersionExpiration", "on, and no rule removes what was overwritten: it is paid for")
	}
	return ok("on: what is overwritten stays until a rule removes it")
}

func (c Cloud) lifecycle(ctx context.Context) Finding {
	rules, err := c.Store.Lifecycle(ctx)
	if err != nil {
		return warn(doctorCure, "not known: %v", err)
	}
	if !rules.AbortsUploads {
		return warn("add the rule of docs/setup-aws.md: AbortIncompleteMultipartUpload", "no lifecycle rule removes uploads of machines that never come back: they are paid for")
	}
	return ok("a lifecycle rule removes them")
}

func (c Cloud) key(ctx context.Context) Finding {
	d, err := c.Key.Describe(ctx)
	switch {
	case errors.Is(err, keys.ErrDenied):
		return warn(doctorCure, "%s may not be looked at: %v", c.Key.KeyID(), err)
	case err != nil:
		return fail("correct keys.key_id and keys.region, and "+networkCure, "%v", err)
	case d.Spec != "SYMMETRIC_DEFAULT" || d.Usage != "ENCRYPT_DECRYPT":
		return fail("choose a symmetric key for encryption in keys.key_id", "%s is a key %s for %s", d.ARN, d.Spec, d.Usage)
	case d.State == "PendingDeletion":
		return fail(c.onKey("cancel-key-deletion")+", then "+c.onKey("enable-key"), "%s is to be deleted: all files under it would be lost", d.ARN)
	case d.State != "Enabled":
		return fail(c.onKey("enable-key"), "%s is in the state %s", d.ARN, d.State)
	}
	return ok("%s, enabled, in %s", d.ARN, c.Key.Region())
}

func (c Cloud) onKey(verb string) string {
	return fmt.Sprintf("aws kms %s --region %s --key-id %s", verb, c.Key.Region(), shell(c.Key.KeyID()))
}

func (c Cloud) dataKey(ctx context.Context) Finding {
	if err := c.Key.Check(ctx); err != nil {
		return fail(policyCure, "%v", err)
	}
	return ok("one was made and opened in MediaConvert's encryption context")
}

func (c Cloud) bound(ctx context.Context) Finding {
	err := c.Key.CheckBound(ctx)
	switch {
	case errors.Is(err, keys.ErrUnbound):
		return fail("use AWS KMS: see keys.endpoint", "%v", err)
	case err != nil:
		return fail(networkCure, "%v", err)
	}
	return ok("without it a data key is not opened")
}

func (c Cloud) queue(ctx context.Context) Finding {
	name := c.Queue[strings.LastIndexByte(c.Queue, '/')+1:]
	out, err := c.Jobs.GetQueue(ctx, &mediaconvert.GetQueueInput{Name: &name})
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case answered && strings.Contains(api.ErrorCode(), "NotFound"):
		return fail("correct --queue, job.queue or job.region", "there is no queue %s: %s", name, api.ErrorMessage())
	case answered && (strings.Contains(api.ErrorCode(), "Forbidden") || strings.Contains(api.ErrorCode(), "AccessDenied")):
		return warn(doctorCure, "the queue %s may not be looked at: %s", name, api.ErrorMessage())
	case err != nil:
		return fail(networkCure, "the queue %s: %v", name, brief(err))
	case out.Queue == nil || out.Queue.Status != types.QueueStatusActive:
		return fail("aws mediaconvert update-queue --status ACTIVE --name "+shell(name), "the queue %s is paused: jobs wait in it", name)
	}
	return ok("the queue %s is active", name)
}

// brief is the end of the SDK's long chains, which says what went wrong.
func brief(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil || errors.As(err, new(smithy.APIError)) && !errors.As(next, new(smithy.APIError)) {
			return err
		}
		err = next
	}
}
