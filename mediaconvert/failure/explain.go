package failure

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/sidecar"
)

// Explanation is what is known of a job that ended in an error.
type Explanation struct {
	Code     int32
	Message  string // the service's own
	Meaning  string // empty: the code is not documented
	Cure     string
	Replaced []string // addresses of inputs that are other versions now
	Check    []string // what may be wrong with the decryption, if nothing was replaced
}

// Reread returns the settings that the file at an address has now.
type Reread func(ctx context.Context, address string) (sidecar.Settings, error)

// Explain says what a job's error means. reread may be nil: then no file is looked at.
func Explain(ctx context.Context, job types.Job, reread Reread) Explanation {
	e := Explanation{Code: aws.ToInt32(job.ErrorCode), Message: aws.ToString(job.ErrorMessage)}
	if known, ok := Of(e.Code); ok {
		e.Meaning, e.Cure = known.Meaning, known.Cure
	}
	if !unparsed[e.Code] || job.Settings == nil {
		return e
	}
	var check []string
	for _, in := range job.Settings.Inputs {
		if in.DecryptionSettings == nil || in.FileInput == nil {
			continue
		}
		replaced, notes := compare(ctx, in, reread)
		if replaced {
			e.Replaced = append(e.Replaced, *in.FileInput)
		}
		check = append(check, notes...)
	}
	if len(e.Replaced) > 0 {
		e.Cure = "submit a job for what is there now"
		return e
	}
	if len(check) > 0 {
		e.Check = append(check, fmt.Sprintf("role: %s must be allowed kms:Decrypt of the key with the encryption context service = mediaconvert.amazonaws.com, and without the condition kms:ViaService", aws.ToString(job.Role)))
	}
	return e
}

// compare tells an input as the job had it from the file's settings now.
func compare(ctx context.Context, in types.Input, reread Reread) (replaced bool, notes []string) {
	d := in.DecryptionSettings
	if reread == nil {
		return false, checks(in, "")
	}
	now, err := reread(ctx, *in.FileInput)
	if err != nil {
		return false, checks(in, fmt.Sprintf("its settings cannot be read now (%v)", err))
	}
	if base64.StdEncoding.EncodeToString(now.IV) != aws.ToString(d.InitializationVector) {
		return true, nil
	}
	var differs []string
	if now.Mode != string(d.DecryptionMode) {
		differs = append(differs, "the settings now say mode "+now.Mode)
	}
	if base64.StdEncoding.EncodeToString(now.Key) != aws.ToString(d.EncryptedDecryptionKey) {
		differs = append(differs, "the settings now have another encrypted key: it was wrapped anew")
	}
	return false, checks(in, strings.Join(differs, "; "))
}

// checks are what decides whether an input is decrypted rightly.
func checks(in types.Input, differs string) []string {
	d := in.DecryptionSettings
	region := "the job's own region, since KmsKeyRegion is not set"
	if d.KmsKeyRegion != nil {
		region = *d.KmsKeyRegion
	}
	line := fmt.Sprintf("%s: was it encrypted with mode %s and IV %s, under the key that EncryptedDecryptionKey wraps; does that KMS key lie in %s",
		*in.FileInput, d.DecryptionMode, aws.ToString(d.InitializationVector), region)
	if differs != "" {
		line += "? " + differs
	}
	return []string{line}
}

// Lines are the explanation for a person, the service's own message first.
func (e Explanation) Lines() []string {
	message := e.Message
	if message == "" {
		message = "the service gives no message"
	}
	lines := []string{fmt.Sprintf("error %d: %s", e.Code, message)}
	if e.Meaning == "" {
		lines = append(lines, "this code is not among those that mcfs knows: see https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_error_codes.html")
	} else {
		lines = append(lines, "meaning: "+e.Meaning)
	}
	for _, address := range e.Replaced {
		lines = append(lines, address+": the file was replaced while the job waited, and what is there now has another key")
	}
	if len(e.Check) > 0 {
		lines = append(lines, "likeliest: the input was not decrypted rightly, which AWS gives no code of its own. Check:")
		for _, check := range e.Check {
			lines = append(lines, "  "+check)
		}
	}
	if e.Cure != "" {
		lines = append(lines, "cure: "+e.Cure)
	}
	return lines
}
