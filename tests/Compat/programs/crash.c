/* Works for some seconds on memory of which its core must show the last state, then ends by SIGABRT in a function whose
 * argument is known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *table[256];
static volatile unsigned long turns;

__attribute__((noinline)) static void end(unsigned long value)
{
	__asm__ volatile("" ::"r"(value));
	abort();
}

int main(void)
{
	struct timespec begin, now;
	unsigned long state = 1;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (int i = 0; i < 20000; i++) {
			state = state * 6364136223846793005ul + 1442695040888963407ul;
			free(table[state >> 56]);
			table[state >> 56] = strdup("of a turn that has passed");
		}
		turns++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < 2);
	for (int i = 0; i < 256; i++) {
		char text[64];
		snprintf(text, sizeof(text), "the last word of %d: %d.", i, i * 7919 % 1009);
		free(table[i]);
		table[i] = strdup(text);
	}
	end(4711);
}
