// Package queue runs work on paths: in the order in which it was asked for where paths collide,
// and in parallel where they do not. It knows paths and functions, and nothing of files.
//
// It promises:
//
//   - A job runs once every earlier job with a colliding path is finished. Two paths collide if
//     they are equal or one is a folder above the other.
//   - Whatever waits for its turn or its next try holds no worker. Their number is bounded.
//   - Retracting a job that has not begun keeps it from beginning.
//   - What is tried again waits by one rule, Backoff, and its waits end with their context.
//
// A Queue belongs to whoever has made it, and is guarded by its owner's lock: so the order of jobs
// is the order of the owner's other changes under that lock. A method whose name ends in Locked is
// called with the lock held; the others are not.
//
// May import: nothing of ours.
package queue
