package document

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// Preset is a job that needs no template.
type Preset string

// The presets.
const (
	MP4 Preset = "mp4" // one file, of the size and the frame rate of the input
	HLS Preset = "hls" // one rendition, of the size and the frame rate of the input
	ABR Preset = "abr" // HLS in renditions that the service chooses
)

// Presets are all of them.
var Presets = []Preset{MP4, HLS, ABR}

// SSE says how S3 encrypts outputs. The zero value is S3's own keys.
type SSE struct {
	KMS bool
	Key string // ARN of the KMS key; empty: the account's key for S3
}

const (
	selector = "Audio Selector 1"
	// maxBitrate is what H.264 at level 4, which 1080p30 has, can bear at most.
	maxBitrate     = 20_000_000
	quality        = 8
	audioBitrate   = 192_000
	audioRate      = 48_000
	segmentSeconds = 6
)

// fromPreset is the job of a preset, with room for n inputs.
func fromPreset(n int, o Options) (*mediaconvert.CreateJobInput, error) {
	preset := o.Preset
	if preset == "" {
		preset = MP4
	}
	if o.Output == "" {
		return nil, &Refusal{"output", "the preset " + string(preset) + " does not say where the outputs go", "give an address with --output s3://…"}
	}
	group, err := groupOf(preset, o)
	if err != nil {
		return nil, err
	}
	in := types.Input{
		TimecodeSource: types.InputTimecodeSourceZerobased,
		VideoSelector:  &types.VideoSelector{Rotate: types.InputRotateAuto},
	}
	if !o.NoAudio {
		in.AudioSelectors = map[string]types.AudioSelector{selector: {DefaultSelection: types.AudioDefaultSelectionDefault}}
	}
	inputs := make([]types.Input, n)
	for i := range inputs {
		inputs[i] = in
	}
	return &mediaconvert.CreateJobInput{Settings: &types.JobSettings{
		Inputs:         inputs,
		OutputGroups:   []types.OutputGroup{group},
		TimecodeConfig: &types.TimecodeConfig{Source: types.TimecodeSourceZerobased},
	}}, nil
}

func groupOf(preset Preset, o Options) (types.OutputGroup, error) {
	out := types.Output{VideoDescription: video(preset)}
	if !o.NoAudio {
		out.AudioDescriptions = []types.AudioDescription{audio()}
	}
	switch preset {
	case MP4:
		out.ContainerSettings = &types.ContainerSettings{Container: types.ContainerTypeMp4, Mp4Settings: &types.Mp4Settings{}}
		return types.OutputGroup{
			Name:    aws.String("File Group"),
			Outputs: []types.Output{out},
			OutputGroupSettings: &types.OutputGroupSettings{
				Type:              types.OutputGroupTypeFileGroupSettings,
				FileGroupSettings: &types.FileGroupSettings{Destination: aws.String(o.Output), DestinationSettings: atRest(o.SSE)},
			},
		}, nil
	case HLS, ABR:
		out.ContainerSettings = &types.ContainerSettings{Container: types.ContainerTypeM3u8, M3u8Settings: &types.M3u8Settings{}}
		out.NameModifier = aws.String("_" + string(preset))
		return hlsGroup(preset, out, o), nil
	}
	return types.OutputGroup{}, &Refusal{"preset", fmt.Sprintf("there is none called %q", preset), "choose one of mp4, hls, abr"}
}

func hlsGroup(preset Preset, out types.Output, o Options) types.OutputGroup {
	g := types.OutputGroup{
		Name:    aws.String("Apple HLS"),
		Outputs: []types.Output{out},
		OutputGroupSettings: &types.OutputGroupSettings{
			Type: types.OutputGroupTypeHlsGroupSettings,
			HlsGroupSettings: &types.HlsGroupSettings{
				Destination:         aws.String(o.Output),
				DestinationSettings: atRest(o.SSE),
				SegmentLength:       aws.Int32(segmentSeconds),
				MinSegmentLength:    aws.Int32(0),
			},
		},
	}
	if preset == ABR {
		g.AutomatedEncodingSettings = &types.AutomatedEncodingSettings{AbrSettings: &types.AutomatedAbrSettings{}}
	}
	return g
}

// video follows the source. Automated ABR chooses bitrates itself, and demands the rest of it:
// quality in several passes, and no size.
func video(preset Preset) *types.VideoDescription {
	h264 := &types.H264Settings{
		RateControlMode:    types.H264RateControlModeQvbr,
		QualityTuningLevel: types.H264QualityTuningLevelMultiPassHq,
		FramerateControl:   types.H264FramerateControlInitializeFromSource,
		ParControl:         types.H264ParControlInitializeFromSource,
	}
	if preset != ABR {
		h264.MaxBitrate = aws.Int32(maxBitrate)
		h264.QvbrSettings = &types.H264QvbrSettings{QvbrQualityLevel: aws.Int32(quality)}
	}
	return &types.VideoDescription{
		CodecSettings: &types.VideoCodecSettings{Codec: types.VideoCodecH264, H264Settings: h264},
		VideoPreprocessors: &types.VideoPreprocessor{Deinterlacer: &types.Deinterlacer{
			Mode: types.DeinterlacerModeDeinterlace, Control: types.DeinterlacerControlNormal, Algorithm: types.DeinterlaceAlgorithmInterpolate,
		}},
	}
}

func audio() types.AudioDescription {
	return types.AudioDescription{
		AudioSourceName: aws.String(selector),
		CodecSettings: &types.AudioCodecSettings{
			Codec: types.AudioCodecAac,
			AacSettings: &types.AacSettings{
				Bitrate: aws.Int32(audioBitrate), SampleRate: aws.Int32(audioRate), CodingMode: types.AacCodingModeCodingMode20,
			},
		},
	}
}

// atRest has S3 encrypt the outputs, which are plaintext to whoever may read them.
func atRest(s SSE) *types.DestinationSettings {
	e := &types.S3EncryptionSettings{EncryptionType: types.S3ServerSideEncryptionTypeServerSideEncryptionS3}
	if s.KMS {
		e.EncryptionType = types.S3ServerSideEncryptionTypeServerSideEncryptionKms
	}
	if s.Key != "" {
		e.KmsKeyArn = aws.String(s.Key)
	}
	return &types.DestinationSettings{S3Settings: &types.S3DestinationSettings{Encryption: e}}
}
