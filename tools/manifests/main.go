// Command manifests reads the files of deploy/ for Kubernetes, compose and AWS Batch as those who get them
// do, refuses every field that they do not know, and prints which commands of mcfs are in them, as JSON:
// for a test that has mcfs parse them.
//
//	go run . ../../deploy
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/compose-spec/compose-go/v2/cli"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// call is a command of mcfs in a file.
type call struct {
	File string            `json:"file"`
	Args []string          `json:"args"`
	Env  map[string]string `json:"env,omitempty"`
	Of   int               `json:"of,omitempty"` // how many parts the job has
}

// found is all that is in the files.
type found struct {
	Calls   []call            `json:"calls"`
	Configs map[string]string `json:"configs"` // of mcfs, by file and name
}

func main() {
	all := found{Configs: make(map[string]string)}
	err := all.read(os.Args[1])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

// read reads each file of the folder.
func (all *found) read(deploy string) error {
	for pattern, one := range map[string]func(string, []byte) error{
		"kubernetes/*.yaml": all.kubernetes, "docker/compose.yaml": all.compose,
		"batch/*-array.json": all.submission, "batch/*[a-z].json": all.definition,
	} {
		files, err := filepath.Glob(filepath.Join(deploy, pattern))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("%s: no file (%v)", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := one(file, data); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

// kubernetes reads the objects of one file.
func (all *found) kubernetes(file string, data []byte) error {
	for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return err
		}
		var err error
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 ConfigMap":
			var c corev1.ConfigMap
			err = yaml.UnmarshalStrict(document, &c)
			for name, text := range c.Data {
				all.Configs[file+" "+name] = text
			}
		case "v1 Pod":
			var p corev1.Pod
			err = yaml.UnmarshalStrict(document, &p)
			all.containers(file, p.Spec, 0)
		case "batch/v1 Job":
			var j batchv1.Job
			if err = yaml.UnmarshalStrict(document, &j); err == nil && j.Spec.Completions != nil {
				all.containers(file, j.Spec.Template.Spec, int(*j.Spec.Completions))
			}
		default:
			err = fmt.Errorf("%s %s is not known here", kind.APIVersion, kind.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// containers notes those of a pod that run mcfs.
func (all *found) containers(file string, pod corev1.PodSpec, of int) {
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		if c.Image != "mcfs" || c.Command != nil {
			continue
		}
		env := make(map[string]string)
		for _, e := range c.Env {
			env[e.Name] = e.Value
		}
		all.Calls = append(all.Calls, call{file, c.Args, env, of})
	}
}

// compose reads the file as docker compose does, by its schema.
func (all *found) compose(file string, _ []byte) error {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithName("mcfs"))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	for _, s := range project.Services {
		if s.Image == "mcfs" {
			all.Calls = append(all.Calls, call{File: file, Args: s.Command})
		}
	}
	return nil
}

// strictly reads JSON whose fields a type must have.
func strictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// definition reads what registers a job with AWS Batch, and the array that submits it.
func (all *found) definition(file string, data []byte) error {
	if strings.HasSuffix(file, "-array.json") {
		return nil // see submission
	}
	var d batch.RegisterJobDefinitionInput
	if err := strictly(data, &d); err != nil {
		return err
	}
	array, err := os.ReadFile(strings.TrimSuffix(file, ".json") + "-array.json")
	if err != nil {
		return err
	}
	var s batch.SubmitJobInput
	if err := strictly(array, &s); err != nil {
		return err
	}
	if s.JobDefinition == nil || d.JobDefinitionName == nil || *s.JobDefinition != *d.JobDefinitionName {
		return fmt.Errorf("the array submits another job")
	}
	if s.ArrayProperties == nil || s.ArrayProperties.Size == nil || d.ContainerProperties == nil {
		return fmt.Errorf("it is no array of containers")
	}
	args := append([]string(nil), d.ContainerProperties.Command...)
	for i, a := range args {
		if name, is := strings.CutPrefix(a, "Ref::"); is {
			value, ok := s.Parameters[name]
			if !ok || d.Parameters[name] == "" {
				return fmt.Errorf("%s has no value", a)
			}
			args[i] = value
		}
	}
	of := int(*s.ArrayProperties.Size)
	all.Calls = append(all.Calls, call{file, args, map[string]string{"AWS_BATCH_JOB_ARRAY_SIZE": fmt.Sprint(of)}, of})
	return nil
}

// submission demands that an array has its definition beside it.
func (all *found) submission(file string, _ []byte) error {
	_, err := os.Stat(strings.TrimSuffix(file, "-array.json") + ".json")
	return err
}
