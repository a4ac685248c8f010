// Package policytest decides by policies, for tests that play a service or IAM. It knows the
// conditions that mcfs's own policies have; what has any other is not allowed. It is a fixture.
//
// May import: policy.
package policytest
