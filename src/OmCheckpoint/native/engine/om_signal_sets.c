/* SPDX-License-Identifier: MIT
 *
 * Which signals a process blocks and which it has handlers for, from /proc/PID/status (KERNEL.md: PTRACE_GETSIGMASK
 * wants a tracer, and none is attached). Bit n-1 is signal n.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "om_internal.h"

static bool field(const char *text, const char *name, uint64_t *set)
{
	const char *at = strstr(text, name);
	if (!at)
		return false;
	*set = strtoull(at + strlen(name), NULL, 16);
	return true;
}

int om_signal_sets(int32_t pid, uint64_t *blocked, uint64_t *caught)
{
	char path[32], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = 0;
	return field(text, "\nSigBlk:", blocked) && field(text, "\nSigCgt:", caught) ? 0 : -EPROTO;
}
