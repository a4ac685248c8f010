// Package watchdog tells systemd that a mount answers, for as long as it does. It looks through the kernel, as
// programs do, so that a mount that hangs is found whatever it hangs in.
//
// Promises: a child process looks, and the daemon never does: a thread that waits for its own answer could
// not be killed, and would keep the dead mount. It asks neither store nor disk. Who closes it waits for a second at most.
//
// May import: internal/systemd.
package watchdog
