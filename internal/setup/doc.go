// Package setup makes a configuration: it asks for what nobody has said, has each answer proved,
// and writes the file.
//
// Promises: no credential is asked for or written; the file appears whole, for this user alone,
// and takes nothing's place unless that is asked; without a terminal nothing is asked. What is
// written can be loaded.
//
// May import: config, internal/launchd, internal/mounts, internal/systemd, policy.
package setup
