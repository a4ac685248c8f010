// Package packages tests what is installed: the packages are made twice and compared, installed by
// dpkg and rpm on top of this system, which they leave as it was, by dnf and an apk in bare roots of their
// families, and used there by fstab and by unit. Of ours it imports the servers that stand for AWS; nothing imports it.
package packages
