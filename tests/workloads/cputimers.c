/* SPDX-License-Identifier: MIT
 * Timers on the time the program computes: ITIMER_VIRTUAL and ITIMER_PROF go on wherever it does so, come at their
 * interval, and stand still while it waits. */
#include "workload.h"
#include <sys/time.h>

static volatile sig_atomic_t virtual_ticks, profiling_ticks, once;

static void on_virtual(int number)
{
	virtual_ticks++;
}

static void on_profiling(int number)
{
	profiling_ticks++;
	once++;
}

/* Computes until that many have come; a timer that was lost on the way lets it compute for ever, which is an error. */
static void compute_until(volatile sig_atomic_t *ticks, int wanted)
{
	int64_t begin = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (volatile unsigned int i = 0; *ticks < wanted; i++)
		if (i % 100000 == 0)
			CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - begin < 20000000000ll);
}

int main(int argc, char **argv)
{
	signal(SIGVTALRM, on_virtual);
	signal(SIGPROF, on_profiling);
	struct itimerval often = {{0, 10000}, {0, 10000}}, later = {{0, 0}, {0, 40000}}, never = {{0, 0}, {0, 0}}, now;
	CHECK(setitimer(ITIMER_VIRTUAL, &often, NULL) == 0);
	workload_begin(argc, argv);
	while (workload_running()) {
		/* The interval is the program's, and so is what is left, wherever it has been since. */
		CHECK(getitimer(ITIMER_VIRTUAL, &now) == 0 && now.it_interval.tv_usec == 10000);
		CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_usec > 0 && now.it_value.tv_usec <= 20000);
		CHECK(getitimer(ITIMER_PROF, &now) == 0 && now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0);
		virtual_ticks = 0;
		once = 0;
		CHECK(setitimer(ITIMER_PROF, &later, NULL) == 0);
		compute_until(&virtual_ticks, 3);
		compute_until(&once, 1);
		CHECK(once == 1);
		/* It waits, and nothing ticks but what was due. */
		int before = virtual_ticks;
		struct timespec nap = {0, 30000000}, left;
		while (nanosleep(&nap, &left) == -1 && errno == EINTR)
			nap = left;
		CHECK(virtual_ticks - before <= 2);
	}
	CHECK(setitimer(ITIMER_VIRTUAL, &never, NULL) == 0 && profiling_ticks > 0);
	return workload_ok("cputimers");
}
