/* SPDX-License-Identifier: MIT */
#ifndef OM_TESTS_H
#define OM_TESTS_H

#include <stdbool.h>
#include "world.h"

struct test {
	const char *name;
	bool (*run)(const char *dir);
};

extern const struct test call_tests[], both_tests[], signal_tests[], conduct_tests[], silence_tests[],
	interrupt_tests[], pending_tests[], held_tests[], link_tests[], hostile_tests[], thread_tests[], clone_tests[],
	exit_tests[], thread_link_tests[], thread_stop_tests[], thread_stop_all_tests[], thread_signal_tests[],
	thread_conduct_tests[], thread_turnover_tests[], thread_hostile_tests[], scribble_tests[], fork_tests[],
	fork_link_tests[], guard_tests[];

/* What does not end with us by itself. 0: there is none any more. */
void kill_if_it_hangs(pid_t pid);

/* In a test: the world is taken down by the caller. */
#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "  %s:%d: %s\n", __FILE__, __LINE__, #condition);                              \
			good = false;                                                                                  \
		}                                                                                                      \
	} while (0)

#endif
