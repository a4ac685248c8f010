package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mcfs/internal/setup"
	"mcfs/policy"
)

//go:embed help/policy.txt
var policyHelp string

// policyFlags are the flags of `mcfs policy`.
type policyFlags struct {
	config, format, from                    string
	account, role, queue, region, principal string
	outputs                                 []string
}

func newPolicy(std stdio) *cobra.Command {
	var f policyFlags
	var kinds []string
	for _, k := range policy.Kinds {
		kinds = append(kinds, string(k))
	}
	c := &cobra.Command{
		Use:   "policy " + strings.Join(kinds, "|"),
		Short: "Print a least IAM policy for this configuration",
		Long:  policyHelp,
		Example: `  mcfs policy mount
  mcfs policy role --output s3://deliver/ --format terraform
  mcfs policy trust --queue Default --format cli | sh`,
		ValidArgs: kinds,
		Args: func(c *cobra.Command, args []string) error {
			if err := exactly(1, "the policy's kind")(c, args); err != nil {
				return err
			}
			if !slices.Contains(kinds, args[0]) {
				return usageError{fmt.Errorf("policy %q: give one of %s", args[0], strings.Join(kinds, ", "))}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return printPolicy(f, policy.Kind(args[0]), std) },
	}
	fl := c.Flags()
	fl.StringVarP(&f.config, "config", "c", "", "configuration `FILE`")
	fl.StringVar(&f.format, "format", "json", "json, terraform or cli")
	fl.StringVar(&f.account, "account", "", "`NUMBER` of the account, where no ARN says it")
	fl.StringVar(&f.role, "role", "", "name or `ARN` of the role that jobs take on (MediaConvert)")
	fl.StringVar(&f.queue, "queue", "", "name or `ARN` of the jobs' queue (Default)")
	fl.StringVar(&f.region, "region", "", "`REGION` in which jobs run; else the bucket's, or the key's")
	fl.StringVar(&f.principal, "principal", "", "`ARN` of the user or role that mounts")
	fl.StringVar(&f.from, "from", "", "of rewrap and promote: configuration `FILE` with the old key, or the volume from which files come")
	fl.StringArrayVar(&f.outputs, "output", nil, "`s3://BUCKET/PREFIX` where jobs put what they make; may be repeated")
	return failsInJSON(c)
}

func printPolicy(f policyFlags, k policy.Kind, std stdio) error {
	if !slices.Contains([]string{"json", "terraform", "cli"}, f.format) {
		return usageError{fmt.Errorf("--format %q: give json, terraform or cli", f.format)}
	}
	c, err := loadConfig(f.config)
	if err != nil {
		return err
	}
	said := policy.Facts{Account: f.account, JobRegion: f.region, Queue: f.queue, Role: f.role, Principal: f.principal}
	for _, address := range f.outputs {
		place, err := setup.PlaceOf(address)
		if err != nil {
			return usageError{fmt.Errorf("--output %q: %w", address, err)}
		}
		said.Outputs = append(said.Outputs, place)
	}
	if f.from != "" {
		from, err := loadConfig(f.from)
		if err != nil {
			return err
		}
		said.From = setup.SourceOf(from)
	}
	facts, err := setup.Facts(c, said)
	if err != nil {
		return err
	}
	p, err := policy.Make(k, facts)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Source, err)
	}
	text, err := formatPolicy(p, f.format)
	if err != nil {
		return err
	}
	_, err = std.out.Write([]byte(text))
	return err
}

func formatPolicy(p policy.Policy, format string) (string, error) {
	switch format {
	case "terraform":
		return p.Terraform(), nil
	case "cli":
		return p.CLI()
	}
	text, err := p.Document.JSON()
	return string(text), err
}
