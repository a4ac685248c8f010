package policy

import (
	"fmt"
	"slices"
	"strings"
)

// name is that of the policy of a kind, and of its resources.
func (p Policy) name() string { return "mcfs-" + string(p.Kind) }

// Terraform is the policy as Terraform declares it, with what it belongs to.
func (p Policy) Terraform() string {
	var b strings.Builder
	label := "mcfs_" + string(p.Kind)
	fmt.Fprintf(&b, "data \"aws_iam_policy_document\" %s {\n", quote(label))
	for i, s := range p.Document.Statement {
		if i > 0 {
			b.WriteByte('\n')
		}
		s.terraform(&b)
	}
	b.WriteString("}\n\n")
	p.belongs(&b, label)
	return b.String()
}

func (s Statement) terraform(b *strings.Builder) {
	fmt.Fprintf(b, "  statement {\n    sid       = %s\n    effect    = %s\n    actions   = %s\n", quote(s.Sid), quote(s.Effect), quoteAll(s.Action))
	if len(s.Resource) > 0 {
		fmt.Fprintf(b, "    resources = %s\n", quoteAll(s.Resource))
	}
	for _, kind := range sortedKeys(s.Principal) {
		fmt.Fprintf(b, "\n    principals {\n      type        = %s\n      identifiers = [%s]\n    }\n", quote(kind), quote(s.Principal[kind]))
	}
	for _, operator := range sortedKeys(s.Condition) {
		for _, name := range sortedKeys(s.Condition[operator]) {
			fmt.Fprintf(b, "\n    condition {\n      test     = %s\n      variable = %s\n      values   = [%s]\n    }\n",
				quote(operator), quote(name), quote(s.Condition[operator][name]))
		}
	}
	b.WriteString("  }\n")
}

// belongs declares what the document is the policy of.
func (p Policy) belongs(b *strings.Builder, label string) {
	text := "data.aws_iam_policy_document." + label + ".json"
	switch p.Kind {
	case Trust:
		fmt.Fprintf(b, "resource \"aws_iam_role\" %s {\n  name               = %s\n  assume_role_policy = %s\n}\n", quote(label), quote(p.facts.roleName()), text)
	case Role:
		fmt.Fprintf(b, "resource \"aws_iam_role_policy\" %s {\n  name   = %s\n  role   = %s\n  policy = %s\n}\n", quote(label), quote(p.name()), quote(p.facts.roleName()), text)
	case Key:
		fmt.Fprintf(b, "resource \"aws_kms_key_policy\" %s {\n  key_id = %s\n  policy = %s\n}\n", quote(label), quote(p.facts.KeyID), text)
	default:
		fmt.Fprintf(b, "resource \"aws_iam_policy\" %s {\n  name   = %s\n  policy = %s\n}\n", quote(label), quote(p.name()), text)
	}
}

// quotes are what means something else in a string of Terraform's language.
var quotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{", "\n", `\n`, "\r", `\r`, "\t", `\t`)

func quote(text string) string { return `"` + quotes.Replace(text) + `"` }

func quoteAll(list []string) string {
	quoted := slices.Clone(list)
	for i := range quoted {
		quoted[i] = quote(quoted[i])
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// CLI are the commands that put the policy where it belongs.
func (p Policy) CLI() (string, error) {
	text, err := p.Document.JSON()
	if err != nil {
		return "", err
	}
	doc := shell(strings.TrimSpace(string(text)))
	f := p.facts
	switch p.Kind {
	case Trust:
		return fmt.Sprintf("aws iam create-role --role-name %s --assume-role-policy-document %s\n", shell(f.roleName()), doc), nil
	case Role:
		return fmt.Sprintf("aws iam put-role-policy --role-name %s --policy-name %s --policy-document %s\n", shell(f.roleName()), p.name(), doc), nil
	case Key:
		return fmt.Sprintf("aws kms put-key-policy --region %s --key-id %s --policy-name default --policy %s\n", f.KeyRegion, shell(f.KeyID), doc), nil
	}
	if m := identities.FindStringSubmatch(f.Principal); m != nil {
		return fmt.Sprintf("aws iam put-%s-policy --%s-name %s --policy-name %s --policy-document %s\n", m[1], m[1], shell(m[2]), p.name(), doc), nil
	}
	arn := "arn:" + f.partition() + ":iam::" + f.Account + ":policy/" + p.name()
	return fmt.Sprintf("aws iam create-policy --policy-name %s --policy-document %s\n# then: aws iam attach-user-policy --user-name NAME --policy-arn %s\n# or:   aws iam attach-role-policy --role-name NAME --policy-arn %s\n", p.name(), doc, arn, arn), nil
}

// shell quotes a word for the shell.
func shell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
