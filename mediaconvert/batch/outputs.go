package batch

import (
	"hash/maphash"
	"path"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"mcfs/mediaconvert/document"
)

// Taken is an output that two files would have.
type Taken struct{ Address string }

func (e Taken) Error() string { return e.Address + " is the output of another file, too" }

// Outputs knows whose the outputs of the jobs so far are. The zero value knows none.
type Outputs struct {
	seed maphash.Seed

	mu    sync.Mutex
	taken map[uint64]uint64 // the file of each, both by hash
}

// NewOutputs knows none.
func NewOutputs() *Outputs { return &Outputs{seed: maphash.MakeSeed(), taken: make(map[uint64]uint64)} }

// Take notes the outputs of a job, or refuses it with Taken where one is another file's.
func (o *Outputs) Take(d document.Document) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	outputs, file := document.Outputs(d.Job.Settings), maphash.String(o.seed, aws.ToString(d.Job.Settings.Inputs[0].FileInput))
	for _, address := range outputs {
		if of, there := o.taken[maphash.String(o.seed, address)]; there && of != file {
			return Taken{address}
		}
	}
	for _, address := range outputs {
		o.taken[maphash.String(o.seed, address)] = file
	}
	return nil
}

// Placed is an output's address with the place of a file in its volume: {dir} is its folder, {file}
// its name, {name} that without the extension.
func Placed(output, volume, address string) string {
	dir, file := path.Split(strings.TrimPrefix(address, volume))
	if dir == "" {
		output = strings.ReplaceAll(output, "{dir}/", "")
	}
	return strings.NewReplacer("{dir}", strings.TrimSuffix(dir, "/"), "{file}", file, "{name}", strings.TrimSuffix(file, path.Ext(file))).Replace(output)
}
