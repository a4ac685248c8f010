package failure

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/sidecar"
)

var settings = sidecar.Settings{Mode: "AES_CTR", Key: make([]byte, 184), IV: []byte("0123456789abcdef")}

// failed is a job that ended so, with inputs that have these IVs.
func failed(code int32, ivs ...[]byte) types.Job {
	j := types.Job{ErrorCode: &code, ErrorMessage: aws.String("what the service says"), Role: aws.String("arn:role"), Settings: new(types.JobSettings)}
	for i, iv := range ivs {
		j.Settings.Inputs = append(j.Settings.Inputs, types.Input{
			FileInput: aws.String("s3://b/" + string(rune('a'+i)) + ".mov"),
			DecryptionSettings: &types.InputDecryptionSettings{
				DecryptionMode: types.DecryptionModeAesCtr, EncryptedDecryptionKey: aws.String(base64.StdEncoding.EncodeToString(settings.Key)),
				InitializationVector: aws.String(base64.StdEncoding.EncodeToString(iv)),
			},
		})
	}
	return j
}

func still(context.Context, string) (sidecar.Settings, error) { return settings, nil }

// The codes that AWS documents have a meaning and a cure, and the message comes first.
func TestCodes(t *testing.T) {
	for _, code := range []int32{1010, 1020, 1030, 1040, 1075, 1076, 1401, 1404, 1432, 1433, 1434, 1515, 1517, 3400} {
		if e, ok := Of(code); !ok || e.Meaning == "" || e.Cure == "" {
			t.Errorf("%d: %+v", code, e)
		}
	}
	for code := range entries {
		lines := Explain(t.Context(), failed(code, settings.IV), still).Lines()
		if !strings.Contains(lines[0], "what the service says") || !strings.HasPrefix(lines[1], "meaning: ") || !strings.HasPrefix(lines[len(lines)-1], "cure: ") {
			t.Errorf("%d: %q", code, lines)
		}
	}
	lines := Explain(t.Context(), failed(4242), still).Lines()
	if len(lines) != 2 || lines[0] != "error 4242: what the service says" || !strings.Contains(lines[1], "https://docs.aws.amazon.com/") {
		t.Errorf("%q", lines)
	}
}

// Of an input that could not be parsed, wrong decryption is the likeliest cause, and of no other.
func TestDecryptionIsLikeliest(t *testing.T) {
	for code := range entries {
		e := Explain(t.Context(), failed(code, settings.IV), still)
		likely := code == 1010 || code == 1020 || code == 1030 || code == 1075 || code == 1076
		if (len(e.Check) > 0) != likely || e.Replaced != nil {
			t.Errorf("%d: %+v", code, e)
		}
		if !likely {
			continue
		}
		text := strings.Join(e.Lines(), "\n")
		for _, part := range []string{"AES_CTR", base64.StdEncoding.EncodeToString(settings.IV), "EncryptedDecryptionKey", "KmsKeyRegion", "encryption context", "arn:role", "kms:Decrypt", "kms:ViaService"} {
			if !strings.Contains(text, part) {
				t.Errorf("%d says nothing of %s: %s", code, part, text)
			}
		}
	}
}

// A file that was saved again while its job waited is named, and nothing else is suspected.
func TestReplaced(t *testing.T) {
	e := Explain(t.Context(), failed(1010, settings.IV, []byte("another IV of 16")), still)
	if len(e.Replaced) != 1 || e.Replaced[0] != "s3://b/b.mov" || e.Check != nil {
		t.Errorf("%+v", e)
	}
	if text := strings.Join(e.Lines(), "\n"); !strings.Contains(text, "s3://b/b.mov: the file was replaced while the job waited") {
		t.Error(text)
	}
}

func TestWhatDiffersIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		reread Reread
		want   string
	}{
		"nobody reads": {nil, "does that KMS key lie in the job's own region"},
		"unreadable":   {func(context.Context, string) (sidecar.Settings, error) { return sidecar.Settings{}, errors.New("away") }, "cannot be read now (away)"},
		"wrapped anew": {func(context.Context, string) (sidecar.Settings, error) {
			s := settings
			s.Key = []byte("another wrapped key")
			return s, nil
		}, "wrapped anew"},
		"mode": {func(context.Context, string) (sidecar.Settings, error) {
			s := settings
			s.Mode = "AES_GCM"
			return s, nil
		}, "now say mode AES_GCM"},
	} {
		e := Explain(t.Context(), failed(1075, settings.IV), c.reread)
		if !strings.Contains(strings.Join(e.Lines(), "\n"), c.want) {
			t.Errorf("%s: %q", name, e.Lines())
		}
	}
	j := failed(1010, settings.IV)
	j.Settings.Inputs[0].DecryptionSettings.KmsKeyRegion = aws.String("eu-west-1")
	if text := strings.Join(Explain(t.Context(), j, still).Lines(), "\n"); !strings.Contains(text, "lie in eu-west-1") {
		t.Error(text)
	}
}
