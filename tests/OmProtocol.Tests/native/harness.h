/* SPDX-License-Identifier: MIT
 *
 * Runs a scenario twice: natively, and with each of its system calls marshalled out of its memory, placed in an arena,
 * executed by another process and written back. Both note what they see; the notes must be the same.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>

/* In a scenario. Results are the kernel's: -errno on failure. */
long call6(long number, long a, long b, long c, long d, long e, long f);
#define CALL_(number, a, b, c, d, e, f, ...)                                                                           \
	call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, where what is noted behind the result is to be seen after the call. */
#define after(call, format, ...)                                                                                       \
	do {                                                                                                           \
		long result_ = (call);                                                                                 \
		note(format, result_, __VA_ARGS__);                                                                    \
	} while (0)
/* A short sum of the bytes. */
unsigned int sum(const void *data, size_t bytes);
/* `pages` pages of memory, the one behind them not mapped. */
char *guarded(size_t pages);
/* How many requests went home so far in this scenario (0 natively): not part of the notes. */
int requests(void);
bool forwarded(void);
void expect(bool holds, const char *what);

struct scenario {
	const char *name;
	void (*run)(void);
};
extern const struct scenario file_scenarios[], socket_scenarios[], wait_scenarios[], device_scenarios[],
	pointer_scenarios[], piece_scenarios[], other_scenarios[];

#endif
