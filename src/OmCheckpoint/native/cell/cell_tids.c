/* SPDX-License-Identifier: MIT
 *
 * Which number the next thread of the body gets: a process cannot choose those of its own threads (clone3's set_tid
 * needs a capability it has not), so init chooses for it.
 */
#define _GNU_SOURCE
#include "cell.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int last_pid = -1;

/* While there is a /proc to be seen. What is written counts for the namespace of whoever writes. */
void cell_open_tids(void)
{
	last_pid = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	if (last_pid < 0)
		cell_fail("open ns_last_pid");
}

int cell_next_tid(pid_t tid)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", tid - 1);

	if (tid <= 1)
		return EINVAL;
	return pwrite(last_pid, text, (size_t)length, 0) == length ? 0 : errno;
}
