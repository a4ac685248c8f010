// Package page tests the page of mcfs status --web in a real browser, over a real mount and a
// real upload.
//
// It promises that what passes here works for a person: in Chromium, by keyboard, on a narrow
// window, dark and light, and by the rules of accessibility that axe-core knows.
package page
