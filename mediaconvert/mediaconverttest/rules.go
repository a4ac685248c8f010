package mediaconverttest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

const maxInputs = 150

var (
	rolePattern  = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/.+$`)
	tokenPattern = regexp.MustCompile(`^[\x21-\x7e]{1,64}$`)
)

// checkRules checks what the documentation demands besides each field's own limits.
func (s *Server) checkRules(in *mediaconvert.CreateJobInput) error {
	switch {
	case !rolePattern.MatchString(aws.ToString(in.Role)):
		return errors.New("role: missing, or no role's ARN")
	case in.ClientRequestToken != nil && !tokenPattern.MatchString(*in.ClientRequestToken):
		return errors.New("clientRequestToken: up to 64 ASCII characters")
	case in.Settings == nil:
		return errors.New("settings: missing")
	case len(in.Settings.Inputs) < 1 || len(in.Settings.Inputs) > maxInputs:
		return fmt.Errorf("settings.inputs: %d of 1 to %d", len(in.Settings.Inputs), maxInputs)
	case in.JobTemplate == nil && len(in.Settings.OutputGroups) == 0:
		return errors.New("settings.outputGroups: missing, and no job template has them")
	}
	for i, input := range in.Settings.Inputs {
		if err := checkInputRules(input); err != nil {
			return fmt.Errorf("settings.inputs[%d]: %w", i, err)
		}
	}
	for i, g := range in.Settings.OutputGroups {
		if err := s.checkGroup(g, in); err != nil {
			return fmt.Errorf("settings.outputGroups[%d]: %w", i, err)
		}
	}
	return nil
}

func checkInputRules(in types.Input) error {
	if (in.FileInput == nil) == (in.VideoGenerator == nil) {
		return errors.New("either fileInput or videoGenerator")
	}
	d := in.DecryptionSettings
	if d == nil {
		return nil
	}
	iv, err := base64.StdEncoding.DecodeString(aws.ToString(d.InitializationVector))
	switch {
	case d.DecryptionMode == "" || d.EncryptedDecryptionKey == nil || err != nil || len(iv) == 0:
		return errors.New("decryptionSettings: mode, key and initialization vector belong together")
	case len(iv) != 16 && (len(iv) != 12 || d.DecryptionMode == types.DecryptionModeAesCbc):
		return fmt.Errorf("decryptionSettings: an initialization vector of %d bytes with %s", len(iv), d.DecryptionMode)
	}
	return nil
}

func (s *Server) checkGroup(g types.OutputGroup, in *mediaconvert.CreateJobInput) error {
	if err := checkGroupSettings(g.OutputGroupSettings); err != nil {
		return err
	}
	abr := g.AutomatedEncodingSettings != nil && g.AutomatedEncodingSettings.AbrSettings != nil
	switch {
	case len(g.Outputs) == 0:
		return errors.New("outputs: missing")
	case abr && g.OutputGroupSettings.Type == types.OutputGroupTypeFileGroupSettings:
		return errors.New("automated ABR is for streaming outputs")
	case abr && slices.Contains(s.opts.Reserved, queueName(aws.ToString(in.Queue))):
		return errors.New("automated ABR needs an on-demand queue")
	}
	for i, out := range g.Outputs {
		if err := checkOutput(out, abr, in); err != nil {
			return fmt.Errorf("outputs[%d]: %w", i, err)
		}
		if len(g.Outputs) > 1 && out.NameModifier == nil {
			return fmt.Errorf("outputs[%d]: nameModifier: missing, and there are several outputs", i)
		}
	}
	return nil
}

func checkGroupSettings(s *types.OutputGroupSettings) error {
	if s == nil {
		return errors.New("outputGroupSettings: missing")
	}
	missing := fmt.Errorf("outputGroupSettings: those of %q, or their destination, are missing", s.Type)
	switch s.Type {
	case types.OutputGroupTypeFileGroupSettings:
		if g := s.FileGroupSettings; g == nil || g.Destination == nil {
			return missing
		}
	case types.OutputGroupTypeHlsGroupSettings:
		if g := s.HlsGroupSettings; g == nil || g.Destination == nil || g.SegmentLength == nil || g.MinSegmentLength == nil {
			return missing
		}
	case types.OutputGroupTypeDashIsoGroupSettings:
		if g := s.DashIsoGroupSettings; g == nil || g.Destination == nil || g.SegmentLength == nil || g.FragmentLength == nil {
			return missing
		}
	case types.OutputGroupTypeCmafGroupSettings:
		if g := s.CmafGroupSettings; g == nil || g.Destination == nil || g.SegmentLength == nil || g.FragmentLength == nil {
			return missing
		}
	case types.OutputGroupTypeMsSmoothGroupSettings:
		if g := s.MsSmoothGroupSettings; g == nil || g.Destination == nil || g.FragmentLength == nil {
			return missing
		}
	default:
		return missing
	}
	return nil
}

func checkOutput(out types.Output, abr bool, in *mediaconvert.CreateJobInput) error {
	if out.Preset != nil {
		return nil
	}
	switch {
	case out.ContainerSettings == nil || out.ContainerSettings.Container == "":
		return errors.New("containerSettings: missing")
	case out.VideoDescription == nil && len(out.AudioDescriptions) == 0 && len(out.CaptionDescriptions) == 0:
		return errors.New("neither video nor audio nor captions")
	}
	for i, a := range out.AudioDescriptions {
		if err := checkAudio(a, in); err != nil {
			return fmt.Errorf("audioDescriptions[%d]: %w", i, err)
		}
	}
	if out.VideoDescription == nil {
		return nil
	}
	if err := checkVideo(out.VideoDescription, abr); err != nil {
		return fmt.Errorf("videoDescription: %w", err)
	}
	return nil
}

// checkAudio demands that what an output takes its audio from is a selector of every input.
func checkAudio(a types.AudioDescription, in *mediaconvert.CreateJobInput) error {
	if a.CodecSettings == nil || a.CodecSettings.Codec == "" {
		return errors.New("codecSettings: missing")
	}
	if a.AudioSourceName == nil || in.JobTemplate != nil {
		return nil
	}
	for i, input := range in.Settings.Inputs {
		_, one := input.AudioSelectors[*a.AudioSourceName]
		_, group := input.AudioSelectorGroups[*a.AudioSourceName]
		_, dynamic := input.DynamicAudioSelectors[*a.AudioSourceName]
		if !one && !group && !dynamic {
			return fmt.Errorf("audioSourceName: inputs[%d] has no audio selector %q", i, *a.AudioSourceName)
		}
	}
	return nil
}

func checkVideo(v *types.VideoDescription, abr bool) error {
	c := v.CodecSettings
	if c == nil || c.Codec == "" {
		return errors.New("codecSettings: missing")
	}
	if c.Codec != types.VideoCodecH264 {
		if abr && c.Codec != types.VideoCodecH265 {
			return errors.New("automated ABR needs H.264 or H.265")
		}
		return nil
	}
	h := c.H264Settings
	switch {
	case h == nil:
		return errors.New("h264Settings: missing")
	case abr && (h.RateControlMode != types.H264RateControlModeQvbr || h.QualityTuningLevel != types.H264QualityTuningLevelMultiPassHq):
		return errors.New("automated ABR needs QVBR and MULTI_PASS_HQ")
	case !abr && h.RateControlMode == types.H264RateControlModeQvbr && h.MaxBitrate == nil:
		return errors.New("h264Settings.maxBitrate: required with QVBR")
	case h.RateControlMode == types.H264RateControlModeCbr && h.Bitrate == nil:
		return errors.New("h264Settings.bitrate: required with CBR")
	}
	return nil
}
