/* SPDX-License-Identifier: MIT
 * Who and where one is stays the same all along: ids, groups, session, host name, limits, working directory, affinity.
 */
#include "workload.h"
#include <grp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

struct identity {
	pid_t pid, tid, parent, group, session;
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;
	int groups;
	gid_t group_list[64];
	struct utsname name;
	struct rlimit files, stack, core;
	int priority;
	char directory[PATH_MAX];
	cpu_set_t affinity;
};

static void look(struct identity *who)
{
	memset(who, 0, sizeof(*who));
	who->pid = getpid();
	who->tid = gettid();
	who->parent = getppid();
	who->group = getpgrp();
	who->session = getsid(0);
	CHECK(getresuid(&who->ruid, &who->euid, &who->suid) == 0 && getresgid(&who->rgid, &who->egid, &who->sgid) == 0);
	CHECK(getuid() == who->ruid && geteuid() == who->euid && getgid() == who->rgid && getegid() == who->egid);
	who->groups = getgroups(64, who->group_list);
	CHECK(who->groups >= 0 && uname(&who->name) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &who->files) == 0 && getrlimit(RLIMIT_STACK, &who->stack) == 0);
	CHECK(getrlimit(RLIMIT_CORE, &who->core) == 0);
	who->priority = getpriority(PRIO_PROCESS, 0);
	CHECK(getcwd(who->directory, sizeof(who->directory)) != NULL);
	CHECK(sched_getaffinity(0, sizeof(who->affinity), &who->affinity) == 0);
}

int main(int argc, char **argv)
{
	static struct identity first, again;
	look(&first);
	CHECK(first.pid == first.tid);
	struct rusage before, after;
	struct tms tick_before, tick_after;
	CHECK(getrusage(RUSAGE_SELF, &before) == 0 && times(&tick_before) != (clock_t)-1);
	int64_t cpu_before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	workload_begin(argc, argv);
	while (workload_running()) {
		look(&again);
		CHECK(memcmp(&first, &again, sizeof(first)) == 0);
		for (volatile int i = 0; i < 200000; i++)
			;
		struct rlimit lower = first.files;
		lower.rlim_cur = 64;
		CHECK(setrlimit(RLIMIT_NOFILE, &lower) == 0);
		CHECK_ERRNO(fcntl(0, F_DUPFD, 64), EINVAL);
		CHECK(prlimit(0, RLIMIT_NOFILE, &first.files, &lower) == 0 && lower.rlim_cur == 64);
		CHECK(getrusage(RUSAGE_SELF, &after) == 0 && times(&tick_after) != (clock_t)-1);
		int64_t used_before = before.ru_utime.tv_sec * 1000000ll + before.ru_utime.tv_usec;
		int64_t used_after = after.ru_utime.tv_sec * 1000000ll + after.ru_utime.tv_usec;
		CHECK(used_after >= used_before && tick_after.tms_utime >= tick_before.tms_utime);
		int64_t cpu_after = now_ns(CLOCK_PROCESS_CPUTIME_ID);
		CHECK(cpu_after >= cpu_before);
		cpu_before = cpu_after;
		before = after;
		tick_before = tick_after;
		struct sysinfo info;
		CHECK(sysinfo(&info) == 0 && info.totalram > 0);
		CHECK(kill(getpid(), 0) == 0 && kill(first.parent, 0) <= 0);
		CHECK_ERRNO(kill(0x3fffffff, 0), ESRCH);
	}
	/* This loop computed for most of its time, wherever it was. */
	CHECK(cpu_before > 0 && before.ru_maxrss > 0);
	return workload_ok("identity");
}
