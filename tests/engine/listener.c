/* SPDX-License-Identifier: MIT
 *
 * The engine's ioctl(2): what is said to a seccomp listener is broken off with EINTR when a test wants it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "listener.h"

atomic_bool listener_breaks_off;

int ioctl(int fd, unsigned long request, ...)
{
	static _Thread_local bool again;
	va_list arguments;
	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	bool broken = request == SECCOMP_IOCTL_NOTIF_SEND || request == SECCOMP_IOCTL_NOTIF_ID_VALID;
	if (broken && listener_breaks_off && (again = !again)) {
		errno = EINTR;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
