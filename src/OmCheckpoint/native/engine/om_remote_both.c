/* SPDX-License-Identifier: MIT
 *
 * Calls of side `both` that need no conductor: home executes them as it executes any other; when it succeeded there,
 * this adds the remote's part. `sum`: processor time and what else is counted is the deputy's and the remote's
 * together. `mirror`: what home has set is set here, from outside, so that a refusal by the cell (which has no
 * privileges) is not the body's to see.
 *
 * On the link's thread, before the body is answered.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "om_body.h"
#include "om_remote.h"

#define NS_A_SECOND 1000000000ull

/* What one line of a file of /proc/PID says. Returns false when it is not there. */
static bool read_proc(int32_t pid, const char *name, char *text, size_t bytes)
{
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(text, 1, bytes - 1, file);
	fclose(file);
	text[n] = 0;
	return n > 0;
}

static uint64_t status_field(const char *status, const char *name)
{
	const char *at = strstr(status, name);
	unsigned long long value = 0;

	if (at)
		sscanf(at + strlen(name), "%llu", &value);
	return value;
}

/* As the kernel does it (cputime_adjust): neither steps back when the share changes. */
static void share(struct om_remote *remote, uint64_t total, uint64_t in_system)
{
	if (in_system < remote->system_told)
		in_system = remote->system_told;
	uint64_t in_user = total > in_system ? total - in_system : 0;
	if (in_user < remote->user_told) {
		in_user = remote->user_told;
		in_system = total > in_user ? total - in_user : 0;
	}
	remote->user_told = in_user;
	if (in_system > remote->system_told)
		remote->system_told = in_system;
}

/* The kernel counts processor time exactly, and how it is shared between user and system in ticks. */
int om_remote_used(struct om_remote *remote, struct om_usage *usage)
{
	unsigned long long minor = 0, major = 0, user = 0, system = 0;
	clockid_t clock = (clockid_t)(~(uint32_t)remote->pid << 3) | 2; /* CPUCLOCK_SCHED of the process */
	char text[4096], *at;
	struct timespec spent;
	uint64_t total;

	*usage = remote->usage_before;
	if (clock_gettime(clock, &spent) || !read_proc(remote->pid, "stat", text, sizeof(text)))
		return -ESRCH;
	total = (uint64_t)spent.tv_sec * NS_A_SECOND + (uint64_t)spent.tv_nsec;
	at = strrchr(text, ')'); /* a name may hold anything */
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %llu %llu", &minor, &major, &user,
			  &system) != 4)
		return -EIO;
	uint64_t in_system = user + system ? (uint64_t)((unsigned __int128)total * system / (user + system)) : 0;
	share(remote, total, in_system);
	usage->user_ns += remote->user_told;
	usage->system_ns += remote->system_told;
	usage->minor_faults += minor;
	usage->major_faults += major;
	if (read_proc(remote->pid, "status", text, sizeof(text))) {
		uint64_t most = status_field(text, "VmHWM:");
		if (most > usage->most_resident_kib)
			usage->most_resident_kib = most;
		/* "nonvoluntary_ctxt_switches" ends in the other's name */
		usage->voluntary_switches += status_field(text, "\nvoluntary_ctxt_switches:");
		usage->involuntary_switches += status_field(text, "\nnonvoluntary_ctxt_switches:");
	}
	return 0;
}

int om_remote_usage(om_remote *remote, struct om_usage *usage)
{
	pthread_mutex_lock(&remote->lock);
	int result = om_remote_used(remote, usage);
	pthread_mutex_unlock(&remote->lock);
	return result;
}

void om_remote_usage_before(om_remote *remote, const struct om_usage *usage)
{
	pthread_mutex_lock(&remote->lock);
	remote->usage_before = *usage;
	pthread_mutex_unlock(&remote->lock);
}

static void add_timeval(struct timeval *to, uint64_t ns)
{
	uint64_t us = (uint64_t)to->tv_usec + ns / 1000;

	to->tv_sec += (time_t)(us / 1000000);
	to->tv_usec = (suseconds_t)(us % 1000000);
}

static void add_usage(struct rusage *to, const struct om_usage *usage)
{
	add_timeval(&to->ru_utime, usage->user_ns);
	add_timeval(&to->ru_stime, usage->system_ns);
	if (to->ru_maxrss < (long)usage->most_resident_kib)
		to->ru_maxrss = (long)usage->most_resident_kib;
	to->ru_minflt += (long)usage->minor_faults;
	to->ru_majflt += (long)usage->major_faults;
	to->ru_nvcsw += (long)usage->voluntary_switches;
	to->ru_nivcsw += (long)usage->involuntary_switches;
}

static void sum(struct om_remote *remote)
{
	const struct om_marshal *m = &remote->marshal;
	struct om_body body = {m->pid, m->area, m->area_end};
	struct om_usage usage;
	union {
		struct rusage rusage;
		struct tms tms;
		struct timespec timespec;
	} value;
	uint32_t argument = m->number == SYS_times ? 0 : 1;
	size_t bytes = m->number == SYS_getrusage ? sizeof(value.rusage)
		       : m->number == SYS_times   ? sizeof(value.tms)
						  : sizeof(value.timespec);

	if (m->args[argument] == 0 || om_remote_used(remote, &usage) ||
	    om_body_read(&body, m->args[argument], &value, bytes) != (ssize_t)bytes)
		return;
	if (m->number == SYS_getrusage) {
		add_usage(&value.rusage, &usage);
	} else if (m->number == SYS_times) {
		uint64_t tick = NS_A_SECOND / (uint64_t)sysconf(_SC_CLK_TCK);
		value.tms.tms_utime += (clock_t)(usage.user_ns / tick);
		value.tms.tms_stime += (clock_t)(usage.system_ns / tick);
	} else {
		uint64_t ns = (uint64_t)value.timespec.tv_nsec + usage.user_ns + usage.system_ns;
		value.timespec.tv_sec += (time_t)(ns / NS_A_SECOND);
		value.timespec.tv_nsec = (long)(ns % NS_A_SECOND);
	}
	/* It was writable a moment ago. */
	om_body_write(&body, m->args[argument], &value, bytes);
}

/* Limits on memory and processor time, which are used up here; those on what home does stay home's. */
static void mirror_limit(struct om_remote *remote, uint32_t resource, uint64_t address)
{
	struct om_body body = {remote->marshal.pid, remote->marshal.area, remote->marshal.area_end};
	struct rlimit limit;

	switch (resource) {
	case RLIMIT_CPU:
	case RLIMIT_DATA:
	case RLIMIT_STACK:
	case RLIMIT_AS:
		/* What cannot be raised here stays as it is: home's limit is the one the body sees. */
		if (om_body_read(&body, address, &limit, sizeof(limit)) == sizeof(limit))
			prlimit(remote->pid, resource, &limit, NULL);
		return;
	default:
		return;
	}
}

uint32_t om_remote_both(struct om_remote *remote)
{
	const struct om_marshal *m = &remote->marshal;

	if (m->syscall->flags & OM_SYSCALL_SUM)
		sum(remote);
	if (!(m->syscall->flags & OM_SYSCALL_MIRROR))
		return 0;
	switch (m->number) {
	case SYS_prctl: /* PR_SET_NAME: nobody else can, and it does not fail */
		return SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	case SYS_setpriority:
		setpriority(PRIO_PROCESS, (id_t)remote->pid, (int)m->args[2]);
		break;
	case SYS_setrlimit:
		mirror_limit(remote, (uint32_t)m->args[0], m->args[1]);
		break;
	case SYS_prlimit64:
		if (m->args[0] == 0)
			mirror_limit(remote, (uint32_t)m->args[1], m->args[2]);
		break;
	default:
		break;
	}
	return 0;
}
