// Package packages tests what is installed: the packages are made twice and compared, installed by
// dpkg and rpm on top of this system, which they leave as it was, and used there by fstab and by unit.
// It imports nothing of ours; nothing imports it.
package packages
