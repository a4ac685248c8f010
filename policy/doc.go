// Package policy writes the IAM policies of a configuration: what a mount, MediaConvert's role,
// whoever submits jobs, and the doctor may do, and nothing more.
//
// It is pure: the facts that it is given decide, and it asks nobody. Every action in a policy is
// one that mcfs was seen to use, and every one that it was seen to use is there: a test mounts a
// volume behind a server that refuses all that the policy does not allow. What comes out is JSON,
// Terraform, or commands for the AWS CLI.
//
// May import: nothing of ours.
package policy
