// Package notify shows on the desktop of who mounts which files could not be saved: by D-Bus where there is a
// session, and by osascript on macOS.
//
// Promises: what will be tried again is not shown; a burst is one notification, and two are half a minute apart; it
// shows names and cures, and no word of a server; nobody waits for a desktop: each call has its deadline, and so has the end.
//
// May import: internal/feed, internal/human.
package notify
