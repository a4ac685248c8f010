// Package arrival finds out whether the object of a commit has come into the store, whose sender was
// killed before it heard so.
//
// It promises:
//
//   - What has arrived has its sidecar before it is said to have; where it has not, the version that
//     stays has its own again (P3).
//   - A request that may still take effect is waited for where nobody was promised what it brings;
//     one that takes effect later still is found, for as long as that can happen.
//   - A store that does not answer is asked again, until the context ends.
//
// May import: store, volume/orphans, volume/queue, volume/remote.
package arrival
