/* SPDX-License-Identifier: MIT
 *
 * A process with nothing in it that matters: what a restore begins with. Says so, and waits.
 */
#include <unistd.h>

int main(void)
{
	if (write(1, "blank\n", 6) != 6)
		return 1;
	for (;;)
		pause();
}
