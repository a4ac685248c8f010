// Package rights tests that the policies of package policy are enough, and no more: real
// programs run before servers that refuse all that a policy does not allow, and every action of
// the policy is used. It imports policy; nothing imports it.
package rights
