/* SPDX-License-Identifier: MIT
 *
 * Calls of side `both` that need no conductor: home's answer and the remote's part in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "tests.h"

/* ---- summed ------------------------------------------------------------------------------------------------------ */

static void summed_body(struct shared *s)
{
	struct rusage usage, children;
	struct timespec process, later;
	struct tms tms;

	EXPECT(syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &process) == 0);
	EXPECT(process.tv_sec >= 3000 && process.tv_sec < 3100);
	EXPECT(syscall(SYS_getrusage, RUSAGE_SELF, &usage) == 0);
	EXPECT(usage.ru_utime.tv_sec >= 1000 && usage.ru_utime.tv_sec < 1100);
	EXPECT(usage.ru_stime.tv_sec >= 2000 && usage.ru_stime.tv_sec < 2100);
	EXPECT(usage.ru_maxrss >= 5000000 && usage.ru_majflt >= 70 && usage.ru_minflt > 0);
	EXPECT(syscall(SYS_times, &tms) != -1);
	EXPECT(tms.tms_utime >= 1000 * sysconf(_SC_CLK_TCK) && tms.tms_stime >= 2000 * sysconf(_SC_CLK_TCK));
	EXPECT(syscall(SYS_getrusage, RUSAGE_CHILDREN, &children) == 0 && children.ru_utime.tv_sec == 0);
	EXPECT(syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &later) == 0);
	EXPECT(later.tv_sec > process.tv_sec || (later.tv_sec == process.tv_sec && later.tv_nsec >= process.tv_nsec));
	EXPECT(syscall(SYS_getrusage, RUSAGE_SELF, 8) == -1 && errno == EFAULT);
	EXPECT(syscall(SYS_times, NULL) != -1);
}

static bool summed(const char *dir)
{
	const struct om_usage before = {
		.user_ns = 1000000000000, .system_ns = 2000000000000, .major_faults = 70, .most_resident_kib = 5000000};
	bool good = true;
	struct world *w = world_prepare(dir, summed_body);
	struct om_usage now;

	om_home_expect(w->home, "pc2", 1, false, 0);
	om_remote_usage_before(w->remote, &before);
	world_start(w);
	CHECK(om_remote_usage(w->remote, &now) == 0 && now.user_ns >= before.user_ns && now.minor_faults > 0);
	world_wait_body(w);
	return world_close(w) && good;
}

/* ---- mirrored ---------------------------------------------------------------------------------------------------- */

static void mirrored_body(struct shared *s)
{
	struct rlimit limit = {1 << 20, 2 << 20}, got;
	char name[16] = "";

	EXPECT(syscall(SYS_prctl, PR_SET_NAME, "both-halves") == 0);
	EXPECT(syscall(SYS_prctl, PR_GET_NAME, name) == 0 && strcmp(name, "both-halves") == 0);
	EXPECT(syscall(SYS_prctl, PR_SET_NAME, 8) == -1 && errno == EFAULT);
	EXPECT(syscall(SYS_setpriority, PRIO_PROCESS, 0, 7) == 0);
	EXPECT(syscall(SYS_prlimit64, 0, RLIMIT_STACK, &limit, NULL) == 0);
	EXPECT(syscall(SYS_getrlimit, RLIMIT_STACK, &got) == 0 && got.rlim_cur == limit.rlim_cur);
	EXPECT(syscall(SYS_getrlimit, RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 100;
	EXPECT(syscall(SYS_setrlimit, RLIMIT_NOFILE, &limit) == 0);
	EXPECT(syscall(SYS_getrlimit, RLIMIT_NOFILE, &got) == 0 && got.rlim_cur == 100);
	s->numbers[0] = syscall(SYS_getpriority, PRIO_PROCESS, 0);
	set_stage(s, 3);
	wait_stage(s, 4);
}

static void name_of(pid_t pid, char name[32])
{
	char file[64];
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/comm", pid);
	f = fopen(file, "re");
	if (!f || !fgets(name, 32, f))
		strcpy(name, "?");
	if (f)
		fclose(f);
	name[strcspn(name, "\n")] = 0;
}

static bool mirrored(const char *dir)
{
	bool good = true;
	struct world *w = world_open(dir, mirrored_body);
	struct rlimit deputy, body;
	char name[32];

	wait_stage(w->shared, 3);
	name_of(w->deputy, name);
	CHECK(!strcmp(name, "both-halves"));
	name_of(w->body, name);
	CHECK(!strcmp(name, "both-halves"));
	CHECK(getpriority(PRIO_PROCESS, (id_t)w->deputy) == 7 && getpriority(PRIO_PROCESS, (id_t)w->body) == 7);
	CHECK(w->shared->numbers[0] == 20 - 7);
	CHECK(prlimit(w->deputy, RLIMIT_STACK, NULL, &deputy) == 0 && prlimit(w->body, RLIMIT_STACK, NULL, &body) == 0);
	CHECK(deputy.rlim_cur == 1 << 20 && body.rlim_cur == 1 << 20);
	CHECK(prlimit(w->deputy, RLIMIT_NOFILE, NULL, &deputy) == 0 &&
	      prlimit(w->body, RLIMIT_NOFILE, NULL, &body) == 0);
	CHECK(deputy.rlim_cur == 100 && body.rlim_cur != 100);
	set_stage(w->shared, 4);
	return world_close(w) && good;
}

const struct test both_tests[] = {{"summed", summed}, {"mirrored", mirrored}, {0}};
