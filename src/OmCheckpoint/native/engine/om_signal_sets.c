/* SPDX-License-Identifier: MIT
 *
 * Which signals a process blocks, ignores, has handlers for and has waiting, from /proc/PID/status (KERNEL.md:
 * PTRACE_GETSIGMASK wants a tracer, and none is attached). Bit n-1 is signal n.
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

int om_signal_sets(int32_t pid, struct om_signal_sets *sets)
{
	uint64_t of_thread, of_process;
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
	if (!field(text, "\nSigPnd:", &of_thread) || !field(text, "\nShdPnd:", &of_process) ||
	    !field(text, "\nSigBlk:", &sets->blocked) || !field(text, "\nSigIgn:", &sets->ignored) ||
	    !field(text, "\nSigCgt:", &sets->caught))
		return -EPROTO;
	sets->pending = of_thread | of_process;
	return 0;
}
