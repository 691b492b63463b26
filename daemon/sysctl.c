/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sysctl.h"

#include <stdio.h>

int sysctl_read(const char *family, const char *iface, const char *name)
{
	char path[128];
	FILE *file;
	int c;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, iface, name);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	c = fgetc(file);
	(void)fclose(file);
	return c >= '0' && c <= '9' ? c - '0' : -1;
}

int sysctl_read_max(const char *family, const char *iface, const char *name)
{
	int all = sysctl_read(family, "all", name);
	int own = sysctl_read(family, iface, name);
	int most = all > own ? all : own;

	return most > 0 ? most : 0;
}
