/* SPDX-License-Identifier: MIT
 *
 * A program that only computes. It says its pid; then for each line on its standard input, which names a kind of work,
 * it does a fixed amount of that and says how much user CPU time it took, in microseconds, and what came out.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>

#define TABLE_BYTES (64u << 20) /* more than the caches hold */
#define CELLS       (TABLE_BYTES / sizeof(uint32_t))

static uint32_t *table; /* a permutation: one cycle through all cells */

static uint64_t random_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void make_table(void)
{
	uint64_t state = 88172645463325252ull;
	for (uint32_t i = 0; i < CELLS; i++)
		table[i] = i;
	for (uint32_t i = CELLS - 1; i > 0; i--) { /* Sattolo */
		uint32_t j = (uint32_t)(random_of(&state) % i), kept = table[i];
		table[i] = table[j];
		table[j] = kept;
	}
}

static uint64_t integer(void)
{
	uint64_t state = 1, sum = 0;
	for (uint32_t i = 0; i < 200000000u; i++)
		sum += random_of(&state) * 0x9e3779b97f4a7c15ull;
	return sum;
}

static uint64_t floating(void)
{
	double x = 0.3, y = 0.6;
	for (uint32_t i = 0; i < 100000000u; i++) {
		x = 3.9 * x * (1 - x);
		y += x / (1 + y * y);
	}
	return (uint64_t)(y * 1e6);
}

static uint64_t memory(void)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < 8000000u; i++)
		at = table[at];
	return at;
}

static int64_t user_us(void)
{
	struct rusage used;
	if (getrusage(RUSAGE_SELF, &used))
		exit(1);
	return used.ru_utime.tv_sec * 1000000ll + used.ru_utime.tv_usec;
}

int main(void)
{
	static const struct {
		const char *name;
		uint64_t (*work)(void);
	} kinds[] = {{"integer\n", integer}, {"floating\n", floating}, {"memory\n", memory}};
	char line[32];
	table = malloc(TABLE_BYTES);
	if (!table)
		return 1;
	make_table();
	printf("%d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (!strcmp(line, kinds[i].name)) {
				int64_t before = user_us();
				uint64_t result = kinds[i].work();
				printf("%lld %llu\n", (long long)(user_us() - before), (unsigned long long)result);
				fflush(stdout);
			}
	return 0;
}
