/* SPDX-License-Identifier: MIT
 *
 * Sleeps for as many seconds as its argument says, without asking what is left, and is content when the sleep succeeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec time = {argc == 2 ? atol(argv[1]) : 0, 0};

	if (write(1, "ready\n", 6) != 6)
		return 1;
	if (syscall(SYS_nanosleep, &time, NULL)) {
		perror("nanosleep");
		return 1;
	}
	return write(1, "ok\n", 3) == 3 ? 0 : 1;
}
