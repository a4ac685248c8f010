package keys

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Description is what KMS tells of the key.
type Description struct {
	ARN, State, Spec, Usage string
}

// ErrUnbound: the service opens a wrapped key without its encryption context.
var ErrUnbound = errors.New("the wrapped key opens without its encryption context")

// Describe asks what the key is.
func (k *KMS) Describe(ctx context.Context) (Description, error) {
	c, cancel := k.deadline(ctx)
	defer cancel()
	out, err := k.client.DescribeKey(c, &kms.DescribeKeyInput{KeyId: &k.keyID})
	if err != nil {
		return Description{}, k.failed(c, "DescribeKey", k.keyID, err)
	}
	if out.KeyMetadata == nil {
		return Description{}, k.nonsense("DescribeKey", k.keyID, "an answer without a key")
	}
	m := out.KeyMetadata
	return Description{aws.ToString(m.Arn), string(m.KeyState), string(m.KeySpec), string(m.KeyUsage)}, nil
}

// CheckBound proves that a data key opens in its encryption context alone: without it the service
// must refuse. A key that it opens is wiped.
func (k *KMS) CheckBound(ctx context.Context) error {
	key, err := k.New(ctx, 256)
	if err != nil {
		return err
	}
	defer key.Wipe()
	c, cancel := k.deadline(ctx)
	defer cancel()
	out, err := k.client.Decrypt(c, &kms.DecryptInput{CiphertextBlob: key.Wrapped, KeyId: pin(key.KeyID)})
	if err == nil {
		clear(out.Plaintext)
		return fmt.Errorf("kms Decrypt %s: %w", key.KeyID, ErrUnbound)
	}
	if kind := kindOf(err); kind == ErrMalformed || kind == ErrDenied {
		return nil
	}
	return k.failed(c, "Decrypt", key.KeyID, err)
}
