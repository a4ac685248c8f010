// Package privacy shows who gets in and who does not: other users of the
// machine, into the mount and into what mcfs keeps; and where no secret is
// found after a mount went through saves, reads, failures and a crash: not in
// what it says, not in what it stores, not in what the system tells of it.
//
// Some of it takes a second user, and so needs root.
package privacy
