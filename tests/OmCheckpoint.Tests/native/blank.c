/* SPDX-License-Identifier: MIT
 *
 * A process with nothing in it that matters: what a restore begins with. Says so, and waits.
 */
#include <poll.h>
#include <unistd.h>

int main(void)
{
	if (write(1, "blank\n", 6) != 6)
		return 1;
	/* Until whoever started it is gone. */
	struct pollfd fd = {0, 0, 0};

	poll(&fd, 1, -1);
	return 0;
}
