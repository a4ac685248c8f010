package keys

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// Check makes one data key and unwraps it again: that proves credentials,
// region, key, permissions and encryption context at once, and resolves KeyID.
// Its error is one line that names the thing and the cure.
func (k *KMS) Check(ctx context.Context) error {
	key, err := k.New(ctx, 256)
	if err != nil {
		return k.withCure(err)
	}
	defer key.Wipe()
	plain, err := k.Unwrap(ctx, key.Wrapped, key.KeyID)
	if err != nil {
		return k.withCure(err)
	}
	defer clear(plain)
	if subtle.ConstantTimeCompare(plain, key.Plain) != 1 {
		return k.withCure(k.nonsense("Decrypt", key.KeyID, "another key came back than the one that was wrapped"))
	}
	return nil
}

func (k *KMS) withCure(err error) error {
	cure := k.cure(err)
	if cure == "" {
		return err
	}
	return fmt.Errorf("%w. Cure: %s", err, cure)
}

// cure is what a person can do, empty if nothing is known.
func (k *KMS) cure(err error) string {
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	call, _ := errors.AsType[*callError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, ErrDenied):
		return denialCure(code, call)
	case errors.Is(err, ErrKeyState):
		return k.stateCure(code)
	case errors.Is(err, ErrMalformed):
		return "the service does not return what it wrapped: check keys.endpoint"
	case k.fixed:
		return "check that keys.endpoint " + *k.client.Options().BaseEndpoint + " answers"
	}
	return "check the network's way to KMS in " + k.region
}

func denialCure(code string, call *callError) string {
	if call != nil {
		if _, ok := errors.AsType[*credentialsError](call.cause); ok {
			return "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws sso login`"
		}
	}
	switch {
	case strings.HasPrefix(code, "ExpiredToken"), code == "RequestExpired":
		return "renew the session, with `aws sso login` for instance"
	case strings.Contains(code, "Signature"):
		return "check the secret access key and this machine's clock"
	case code == "UnrecognizedClientException", code == "InvalidClientTokenId":
		return "check the access key id, and that it belongs to this region's partition"
	}
	action := "GenerateDataKey, Encrypt and Decrypt"
	if call != nil {
		action = call.op
	}
	return "allow kms:" + action + " on this key to this identity (docs/setup-aws.md has the policy)"
}

func (k *KMS) stateCure(code string) string {
	aws := func(verb string) string {
		return fmt.Sprintf("`aws kms %s --region %s --key-id %s`", verb, k.Region(), k.KeyID())
	}
	switch code {
	case "DisabledException":
		return aws("enable-key")
	case "KMSInvalidStateException":
		return "look at its state with " + aws("describe-key") + "; a pending deletion ends by " + aws("cancel-key-deletion")
	case "InvalidKeyUsageException", "UnsupportedOperationException":
		return "choose a symmetric key (SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT) in keys.key_id"
	}
	return "check keys.key_id, and that the key lies in " + k.region + " (keys.region)"
}
