/* SPDX-License-Identifier: Apache-2.0 */
/* Shell: sysctls of interfaces in our network namespace (Documentation/networking/ip-sysctl.rst). */
#ifndef MLB_DAEMON_SYSCTL_H
#define MLB_DAEMON_SYSCTL_H

/* family: "ipv4" or "ipv6"; iface may be "all". The first digit, which is all that ours have; -1: cannot be read. */
int sysctl_read(const char *family, const char *iface, const char *name);
/* The higher one of the interface and of "all", as the kernel takes most of them; at least 0. */
int sysctl_read_max(const char *family, const char *iface, const char *name);

#endif
