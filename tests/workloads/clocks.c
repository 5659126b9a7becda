/* SPDX-License-Identifier: MIT
 * No clock ever steps back, in the vDSO or in the kernel, and sleeps last as long as they should. */
#include "workload.h"
#include <sys/time.h>

static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE};

int main(int argc, char **argv)
{
	int64_t last[4] = {0}, last_call[4] = {0};
	workload_begin(argc, argv);
	while (workload_running()) {
		for (int i = 0; i < 4; i++) {
			int64_t now = now_ns(clocks[i]);
			CHECK(now >= last[i]);
			last[i] = now;
			struct timespec time;
			CHECK(syscall(SYS_clock_gettime, clocks[i], &time) == 0);
			now = time.tv_sec * 1000000000ll + time.tv_nsec;
			CHECK(now >= last_call[i] && now >= last[i]);
			last_call[i] = now;
		}
		/* Monotonic and boot time run alike: no move may put one off against the other by a second. */
		static int64_t apart;
		int64_t difference = now_ns(CLOCK_BOOTTIME) - now_ns(CLOCK_MONOTONIC);
		CHECK(apart == 0 || llabs(difference - apart) < 1000000000ll);
		apart = difference;
		int64_t began = now_ns(CLOCK_MONOTONIC), wall = now_ns(CLOCK_REALTIME);
		struct timespec nap = {.tv_nsec = 30000000};
		CHECK(nanosleep(&nap, NULL) == 0);
		int64_t slept = now_ns(CLOCK_MONOTONIC) - began;
		CHECK(slept >= 30000000 && slept < 20000000000ll);
		CHECK(now_ns(CLOCK_REALTIME) - wall >= 20000000);
		struct timespec until;
		CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
		until.tv_nsec += 10000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
		CHECK(now_ns(CLOCK_MONOTONIC) >= until.tv_sec * 1000000000ll + until.tv_nsec);
		time_t seconds = time(NULL);
		CHECK(llabs((long long)seconds - now_ns(CLOCK_REALTIME) / 1000000000) <= 1);
	}
	return workload_ok("clocks");
}
