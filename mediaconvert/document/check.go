package document

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"mcfs/mediaconvert/wire"
)

// packages are the inputs that name further objects, each of which has a key of its own.
var packages = map[string]string{
	".m3u8": "an HLS package", ".mpd": "a DASH package", ".xml": "an IMF package",
	".dpx": "a picture", ".exr": "a picture", ".tif": "a picture", ".tiff": "a picture", ".png": "a picture",
	".jpg": "a picture", ".jpeg": "a picture", ".j2c": "a picture", ".j2k": "a picture", ".bmp": "a picture", ".tga": "a picture",
}

// checkInput refuses a file that no job can have as an input.
func checkInput(in Input) error {
	s := in.Settings
	if s.FileInput == "" {
		return &Refusal{in.Name, "its settings name no address in S3", "set store.bucket, and move the store there"}
	}
	if in.Plain != "" {
		return nil // what it names is not encrypted either
	}
	if err := s.Validate(); err != nil {
		return &Refusal{in.Name, err.Error(), "its settings were not made by mcfs; correct them, or save the file again"}
	}
	switch kind := packages[strings.ToLower(path.Ext(s.FileInput))]; kind {
	case "":
		return nil
	case "a picture":
		return &Refusal{in.Name, "it is a picture, and of a sequence each has a key of its own, where an input takes one",
			"make one file of the sequence first, with ffmpeg for instance"}
	default:
		return &Refusal{in.Name, "it is " + kind + ": it names further objects, each of which has a key of its own, where an input takes one",
			"make one file of it first, with ffmpeg for instance"}
	}
}

// check refuses a document that could not work, or would put plaintext into a volume.
func check(job *mediaconvert.CreateJobInput, o Options) error {
	for i := range job.Settings.Inputs {
		if err := checkMerged(fmt.Sprintf("Settings.Inputs[%d]", i), &job.Settings.Inputs[i]); err != nil {
			return err
		}
	}
	for i := range job.Settings.OutputGroups {
		if err := checkDestination(fmt.Sprintf("Settings.OutputGroups[%d]", i), &job.Settings.OutputGroups[i]); err != nil {
			return err
		}
	}
	if job.JobTemplate == nil && len(job.Settings.OutputGroups) == 0 {
		return &Refusal{"Settings.OutputGroups", "the template has none", "add one, or use a preset"}
	}
	return checkPlaces(job, o.Volumes)
}

// checkMerged refuses what an input of a template cannot have besides an encrypted file.
func checkMerged(at string, in *types.Input) error {
	const cure = "take it out of the template"
	switch {
	case in.VideoGenerator != nil:
		return &Refusal{at + ".VideoGenerator", "an input is either a file or generated", cure}
	case in.TamsSettings != nil:
		return &Refusal{at + ".TamsSettings", "an input is either a file in S3 or comes from a server", cure}
	case len(in.SupplementalImps) > 0:
		return &Refusal{at + ".SupplementalImps", "an IMF package names further objects, and cannot be encrypted as one file", cure}
	}
	return nil
}

func checkDestination(at string, g *types.OutputGroup) error {
	d := destinationOf(g)
	if d == nil {
		return &Refusal{at, "it does not say of which type it is", "set OutputGroupSettings.Type, and the settings of that type"}
	}
	if *d.to == nil || **d.to == "" {
		return &Refusal{at, "it has no destination", "give one with --output s3://…, or write it into the template"}
	}
	if !strings.HasPrefix(**d.to, "s3://") {
		return &Refusal{at, fmt.Sprintf("its destination %q is not in S3", **d.to), "give an address like s3://BUCKET/FOLDER/"}
	}
	return nil
}

// ours are the fields in which the address of an encrypted file belongs.
var ours = regexp.MustCompile(`^Settings\.Inputs\[\d+\]\.FileInput$`)

// free are the fields that the service only keeps.
var free = regexp.MustCompile(`^(Tags|UserMetadata)\[`)

// checkPlaces refuses every other address in a document that lies in a volume: what is read from
// there is encrypted, and what is written there is not.
func checkPlaces(job *mediaconvert.CreateJobInput, volumes []string) error {
	inputs := make(map[place]bool)
	for _, in := range job.Settings.Inputs {
		if p, ok := placeOf(*in.FileInput); ok {
			inputs[p] = true
		}
	}
	return wire.Texts(job, func(at, text string) error {
		p, ok := placeOf(text)
		if !ok || ours.MatchString(at) || free.MatchString(at) {
			return nil
		}
		if !inputs[p] && !p.inside(volumes) {
			return nil
		}
		if strings.HasSuffix(at, "Destination") {
			return &Refusal{at, text + " lies in the volume, where files are encrypted, and outputs are plaintext", "send them to another bucket or prefix"}
		}
		return &Refusal{at, text + " lies in the volume, and MediaConvert decrypts only what is an input's FileInput",
			"keep a plain copy outside of the volume, and name that"}
	})
}

// warnings are what a user should know of a document that works.
func warnings(job *mediaconvert.CreateJobInput) (list []string) {
	for i := range job.Settings.OutputGroups {
		d := destinationOf(&job.Settings.OutputGroups[i])
		s := *d.settings
		if s == nil || s.S3Settings == nil || s.S3Settings.Encryption == nil || s.S3Settings.Encryption.EncryptionType == "" {
			list = append(list, fmt.Sprintf("Settings.OutputGroups[%d]: the outputs are plaintext, and the job asks S3 for no encryption at rest: set DestinationSettings.S3Settings.Encryption", i))
		}
	}
	if job.Role == nil || *job.Role == "" {
		list = append(list, "Role: missing, and no job runs without: give the role that MediaConvert takes on with --role")
	}
	return list
}
