package document

import (
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// extensions of files, by container. Others have their codec's.
var extensions = map[types.ContainerType]string{
	types.ContainerTypeMp4: "mp4", types.ContainerTypeMov: "mov", types.ContainerTypeMxf: "mxf", types.ContainerTypeM2ts: "m2ts",
	types.ContainerTypeWebm: "webm", types.ContainerTypeGif: "gif", types.ContainerTypeF4v: "f4v", types.ContainerTypeOgg: "ogg", types.ContainerTypeY4m: "y4m",
}

// manifests are what a player opens of a group of outputs.
var manifests = map[types.OutputGroupType]string{
	types.OutputGroupTypeHlsGroupSettings: ".m3u8", types.OutputGroupTypeDashIsoGroupSettings: ".mpd",
	types.OutputGroupTypeCmafGroupSettings: ".m3u8", types.OutputGroupTypeMsSmoothGroupSettings: ".ism",
}

// Outputs are the addresses of what a job makes: of files each, of streams their manifest. Where a
// name is the service's to choose it is the destination.
func Outputs(s *types.JobSettings) (list []string) {
	if s == nil || len(s.Inputs) == 0 {
		return nil
	}
	input := aws.ToString(s.Inputs[0].FileInput)
	for i := range s.OutputGroups {
		g := &s.OutputGroups[i]
		d := destinationOf(g)
		if d == nil || *d.to == nil {
			continue
		}
		to := **d.to
		if strings.HasSuffix(to, "/") {
			to += strings.TrimSuffix(path.Base(input), path.Ext(input))
		}
		if end, ok := manifests[g.OutputGroupSettings.Type]; ok {
			list = append(list, to+end)
			continue
		}
		for _, out := range g.Outputs {
			list = append(list, fileOf(to, **d.to, out))
		}
	}
	return list
}

// fileOf is the address of one file.
func fileOf(base, destination string, out types.Output) string {
	end := aws.ToString(out.Extension)
	if end == "" && out.ContainerSettings != nil {
		end = extensions[out.ContainerSettings.Container]
	}
	if end == "" || strings.Contains(aws.ToString(out.NameModifier)+destination, "$") {
		return destination
	}
	return base + aws.ToString(out.NameModifier) + "." + end
}
