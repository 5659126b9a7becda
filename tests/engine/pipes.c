/* SPDX-License-Identifier: MIT
 *
 * Pipes at which the threads of a body wait, and the bytes that let them go on.
 */
#include <unistd.h>

#include "pipes.h"

int pipes[PIPES][2];

bool pipes_open(void)
{
	for (uint32_t i = 0; i < PIPES; i++)
		if (pipe(pipes[i]))
			return false;
	return true;
}

void pipes_close(void)
{
	for (uint32_t i = 0; i < PIPES; i++)
		for (int k = 0; k < 2; k++)
			close(pipes[i][k]);
}

bool pipes_give(uint32_t index)
{
	char byte = (char)('a' + index);
	return write(pipes[index][1], &byte, 1) == 1;
}

void pipes_read(struct shared *s, uint32_t index)
{
	char byte = 0;
	EXPECT(read(pipes[index][0], &byte, 1) == 1 && byte == (char)('a' + index));
}
