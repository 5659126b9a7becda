/* SPDX-License-Identifier: MIT */
#include <linux/capability.h>
#include <linux/landlock.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <fcntl.h>

#include "harness.h"

static void identity(void)
{
	struct utsname name;
	uint32_t r = 9, e = 9, s = 9, groups[32];

	memset(&name, '#', sizeof(name));
	after(CALL(SYS_uname, &name), "uname %ld %s %s %s", name.sysname, name.nodename, name.release);
	note("ids %ld %ld %ld %ld", CALL(SYS_getuid), CALL(SYS_geteuid), CALL(SYS_getgid), CALL(SYS_getegid));
	note("setgroups %ld", CALL(SYS_setgroups, 3, ((uint32_t[]){5, 6, 7})));
	note("getgroups %ld", CALL(SYS_getgroups, 0, NULL));
	memset(groups, '#', sizeof(groups));
	after(CALL(SYS_getgroups, 32, groups), "getgroups %ld %u", sum(groups, sizeof(groups)));
	note("small %ld", CALL(SYS_getgroups, 2, groups));
	note("setresgid %ld", CALL(SYS_setresgid, 100, 101, 102));
	after(CALL(SYS_getresgid, &r, &e, &s), "getresgid %ld %u %u %u", r, e, s);
	note("setresuid %ld", CALL(SYS_setresuid, -1, 1000, -1));
	after(CALL(SYS_getresuid, &r, &e, &s), "getresuid %ld %u %u %u", r, e, s);
	note("null %ld", CALL(SYS_getresuid, NULL, &e, &s));
	note("setfsuid %ld", CALL(SYS_setfsuid, 5));
	note("session %d", CALL(SYS_getsid, 0) > 0);
}

static void capabilities(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[3];

	memset(data, '#', sizeof(data));
	after(CALL(SYS_capget, &header, data), "capget %ld %u", sum(data, sizeof(data)));
	note("capset %ld", CALL(SYS_capset, &header, data));
	header.version = _LINUX_CAPABILITY_VERSION_1;
	memset(data, '#', sizeof(data));
	after(CALL(SYS_capget, &header, data), "capget %ld %u", sum(data, sizeof(data)));
	header.version = 5;
	after(CALL(SYS_capget, &header, data), "unknown %ld %x", header.version);
	header.version = 0;
	after(CALL(SYS_capget, &header, NULL), "asks %ld %x", header.version);
}

static void processes(void)
{
	struct rlimit limit = {9, 9}, old = {9, 9};
	struct rusage usage;
	struct tms tms;
	struct sysinfo info;
	struct timex timex = {0};
	struct timespec ts;
	siginfo_t si;
	cpu_set_t set;
	int status = 9, value = 9;

	after(CALL(SYS_getrlimit, RLIMIT_NOFILE, &limit), "getrlimit %ld %lu", limit.rlim_cur);
	after(CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &old), "prlimit %ld %lu", old.rlim_cur);
	limit.rlim_cur = 200;
	after(CALL(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, &old), "prlimit %ld %lu", old.rlim_cur);
	after(CALL(SYS_getrlimit, RLIMIT_NOFILE, &limit), "getrlimit %ld %lu", limit.rlim_cur);
	after(CALL(SYS_getrusage, RUSAGE_CHILDREN, &usage), "getrusage %ld %ld", usage.ru_maxrss);
	after(CALL(SYS_times, &tms) > 0, "times %ld %ld", tms.tms_cutime);
	after(CALL(SYS_sysinfo, &info), "sysinfo %ld %lu", info.totalram);
	note("wait %ld %ld", CALL(SYS_wait4, -1, &status, WNOHANG, &usage), CALL(SYS_wait4, -1, NULL, 0, NULL));
	memset(&si, '#', sizeof(si));
	after(CALL(SYS_waitid, P_ALL, 0, &si, WEXITED | WNOHANG, NULL), "waitid %ld %u", sum(&si, sizeof(si)));
	memset(&set, '#', sizeof(set));
	after(CALL(SYS_sched_getaffinity, 0, sizeof(set), &set), "affinity %ld %u", sum(&set, sizeof(set)));
	note("set affinity %ld", CALL(SYS_sched_setaffinity, 0, 8, &set));
	note("scheduler %ld priority %ld", CALL(SYS_sched_getscheduler, 0), CALL(SYS_getpriority, PRIO_PROCESS, 0));
	after(CALL(SYS_sched_rr_get_interval, 0, &ts), "interval %ld %ld", ts.tv_nsec);
	{
		char attr[64];

		memset(attr, '#', sizeof(attr));
		after(CALL(SYS_sched_getattr, 0, attr, sizeof(attr), 0), "getattr %ld %u", sum(attr, sizeof(attr)));
		after(CALL(SYS_sched_setattr, 0, attr, 0), "setattr %ld %u", *(uint32_t *)attr);
		*(uint32_t *)attr = 4000;
		after(CALL(SYS_sched_setattr, 0, attr, 0), "setattr, size %ld %u", *(uint32_t *)attr);
	}
	note("nice %ld", CALL(SYS_setpriority, PRIO_PROCESS, 0, 5));
	after(CALL(SYS_adjtimex, &timex) >= 0, "adjtimex %ld %ld", timex.tick);
	note("umask %lo %lo", CALL(SYS_umask, 077), CALL(SYS_umask, 027));
	note("prctl %ld", CALL(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1));
	after(CALL(SYS_prctl, PR_GET_CHILD_SUBREAPER, &value), "prctl %ld %d", value);
	note("prctl %ld", CALL(SYS_prctl, PR_SET_PDEATHSIG, 9));
	after(CALL(SYS_prctl, PR_GET_PDEATHSIG, &value), "prctl %ld %d", value);
	note("name %ld", CALL(SYS_prctl, PR_SET_NAME, "a name that is too long for it"));
	note("personality %lx", CALL(SYS_personality, 0xffffffff));
	note("ioprio %ld", CALL(SYS_ioprio_get, 1, 0));
	note("keyring %d", CALL(SYS_keyctl, 0, -3, 1) > 0);
}

static void queues(void)
{
	struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 32}, got;
	char text[64] = "", name[32];
	uint32_t priority = 99;
	struct timespec past = {1, 0};
	long fd;

	strcpy(name, forwarded() ? "om-test-away" : "om-test-here");
	CALL(SYS_mq_unlink, name);
	fd = CALL(SYS_mq_open, name, O_RDWR | O_CREAT, 0600, &attr);
	note("open %d", fd >= 0);
	if (fd < 0)
		return;
	note("send %ld", CALL(SYS_mq_timedsend, fd, "message", 7, 5, NULL));
	after(CALL(SYS_mq_getsetattr, fd, NULL, &got), "attr %ld %ld %ld", got.mq_msgsize, got.mq_curmsgs);
	after(CALL(SYS_mq_timedreceive, fd, text, sizeof(text), &priority, NULL), "receive %ld %s %u", text, priority);
	note("late %ld", CALL(SYS_mq_timedreceive, fd, text, sizeof(text), &priority, &past));
	note("unlink %ld", CALL(SYS_mq_unlink, name));
}

static void rulesets(void)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE};
	struct landlock_path_beneath_attr beneath = {LANDLOCK_ACCESS_FS_EXECUTE, 0};
	long fd = CALL(SYS_landlock_create_ruleset, NULL, 0, 1), dir;

	note("version %ld", fd);
	fd = CALL(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	note("ruleset %ld", fd);
	dir = CALL(SYS_openat, AT_FDCWD, ".", O_PATH);
	beneath.parent_fd = (int)dir;
	note("rule %ld", CALL(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0));
	note("unknown rule %ld", CALL(SYS_landlock_add_rule, fd, 77, &beneath, 0));
}

/* Newer than the headers: by number. */
static void newest(void)
{
	char path[4096], buffer[512];
	struct {
		uint32_t size, spare;
		uint64_t id, param, ns;
	} request = {32, 0, 0, 1 | 2, 0};
	struct {
		uint64_t value;
		uint32_t size, flags;
	} xattr = {(uint64_t)(uintptr_t) "value", 5, 0};
	uint64_t range[2] = {0, 4096}, ids[8];
	uint32_t length = sizeof(ids);
	long fd = CALL(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);

	(void)path;
	CALL(SYS_write, fd, "x", 1);
	memset(buffer, '#', sizeof(buffer));
	after(CALL(451, fd, range, buffer, 0), "cachestat %ld %u", sum(buffer + 40, 100));
	note("fchmodat2 %ld", CALL(452, AT_FDCWD, "file", 0611, 0));
	request.id = (uint64_t)-1;
	request.param = 0;
	note("listmount %d", CALL(458, &request, ids, 4, 0) > 0);
	request.id = ids[0];
	request.param = 1;
	memset(buffer, '#', sizeof(buffer));
	after(CALL(457, &request, buffer, sizeof(buffer), 0), "statmount %ld %u", *(uint32_t *)buffer);
	after(CALL(461, ids, &length, 0) >= 0, "lsm_list_modules %ld %u", length);
	length = 2;
	after(CALL(461, ids, &length, 0), "too small %ld %u", length);
	note("setxattrat %ld", CALL(463, AT_FDCWD, "file", 0, "user.at", &xattr, 16));
	memset(buffer, '#', sizeof(buffer));
	xattr.value = (uint64_t)(uintptr_t)buffer;
	xattr.size = 100;
	after(CALL(464, AT_FDCWD, "file", 0, "user.at", &xattr, 16), "getxattrat %ld %.8s %d", buffer,
	      xattr.value == (uint64_t)(uintptr_t)buffer);
	note("listxattrat %d", CALL(465, AT_FDCWD, "file", 0, buffer, sizeof(buffer)) > 0);
	note("removexattrat %ld", CALL(466, AT_FDCWD, "file", 0, "user.at"));
	memset(buffer, '#', sizeof(buffer));
	after(CALL(468, AT_FDCWD, "file", buffer, 24, 0), "file_getattr %ld %u", sum(buffer, 100));
	note("pidfd %d", CALL(SYS_pidfd_open, CALL(SYS_getppid), 0) > 0);
}

const struct scenario other_scenarios[] = {
	{"identity", identity},
	{"capabilities", capabilities},
	{"processes", processes},
	{"queues", queues},
	{"rulesets", rulesets},
	{"newest", newest},
	{0},
};
