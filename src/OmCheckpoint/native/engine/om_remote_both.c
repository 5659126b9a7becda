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
static void share(struct om_usage *told, uint64_t total, uint64_t in_system)
{
	if (in_system < told->system_ns)
		in_system = told->system_ns;
	uint64_t in_user = total > in_system ? total - in_system : 0;
	if (in_user < told->user_ns) {
		in_user = told->user_ns;
		in_system = total > in_user ? total - in_user : 0;
	}
	told->user_ns = in_user;
	if (in_system > told->system_ns)
		told->system_ns = in_system;
}

static bool process_time(int32_t pid, uint64_t *ns)
{
	clockid_t clock = (clockid_t)(~(uint32_t)pid << 3) | 2; /* CPUCLOCK_SCHED of the process */
	struct timespec spent;
	if (clock_gettime(clock, &spent))
		return false;
	*ns = (uint64_t)spent.tv_sec * NS_A_SECOND + (uint64_t)spent.tv_nsec;
	return true;
}

/* The clock of a thread of another process cannot be read. */
static bool thread_time(int32_t tid, uint64_t *ns)
{
	char text[128];
	unsigned long long value;
	if (!read_proc(tid, "schedstat", text, sizeof(text)) || sscanf(text, "%llu", &value) != 1)
		return false;
	*ns = value;
	return true;
}

/* What `file` of /proc counts, added to *usage; of what the kernel counts exactly, `total`, and how it is shared
 * between user and system it counts in ticks. */
static int add_used(int32_t pid, const char *file, uint64_t total, struct om_usage *told, struct om_usage *usage)
{
	unsigned long long minor = 0, major = 0, user = 0, system = 0;
	char text[4096], *at;
	if (!read_proc(pid, file, text, sizeof(text)))
		return -ESRCH;
	at = strrchr(text, ')'); /* a name may hold anything */
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %llu %llu", &minor, &major, &user,
			  &system) != 4)
		return -EIO;
	share(told, total, user + system ? (uint64_t)((unsigned __int128)total * system / (user + system)) : 0);
	usage->user_ns += told->user_ns;
	usage->system_ns += told->system_ns;
	usage->minor_faults += minor;
	usage->major_faults += major;
	return 0;
}

/* What the status of one thread counts. */
static void add_status(int32_t tid, struct om_usage *usage)
{
	char text[4096];
	if (!read_proc(tid, "status", text, sizeof(text)))
		return;
	uint64_t most = status_field(text, "VmHWM:");
	if (most > usage->most_resident_kib)
		usage->most_resident_kib = most;
	/* "nonvoluntary_ctxt_switches" ends in the other's name */
	usage->voluntary_switches += status_field(text, "\nvoluntary_ctxt_switches:");
	usage->involuntary_switches += status_field(text, "\nnonvoluntary_ctxt_switches:");
}

static uint64_t most_of(uint64_t *told, uint64_t now)
{
	return *told = now > *told ? now : *told;
}

static int process_used(struct om_remote *remote, struct om_usage *usage)
{
	struct om_usage here = {0};
	uint64_t total;
	*usage = remote->usage_before;
	int result =
		process_time(remote->pid, &total) ? add_used(remote->pid, "stat", total, &remote->told, usage) : -ESRCH;
	for (uint32_t i = 0; !result && i < remote->slots; i++)
		if (om_remote_thread_of(remote, i))
			add_status(om_remote_thread_of(remote, i)->state->tid, &here);
	if (here.most_resident_kib > usage->most_resident_kib)
		usage->most_resident_kib = here.most_resident_kib;
	/* The kernel keeps those of threads that have ended, and tells nobody outside: they are not lost at least once
	 * told. */
	usage->voluntary_switches += most_of(&remote->told.voluntary_switches, here.voluntary_switches);
	usage->involuntary_switches += most_of(&remote->told.involuntary_switches, here.involuntary_switches);
	return result;
}

static int thread_used(struct om_remote_thread *thread, struct om_usage *usage)
{
	int32_t tid = thread->state->tid;
	char stat[32];
	uint64_t total;
	*usage = thread->before;
	snprintf(stat, sizeof(stat), "task/%d/stat", tid); /* /proc/TID/stat tells of the process */
	int result = thread_time(tid, &total) ? add_used(tid, stat, total, &thread->told, usage) : -ESRCH;
	if (!result)
		add_status(tid, usage);
	return result;
}

int om_remote_usage(om_remote *remote, struct om_usage *usage)
{
	pthread_mutex_lock(&remote->lock);
	int result = process_used(remote, usage);
	pthread_mutex_unlock(&remote->lock);
	return result;
}

int om_remote_thread_usage(om_remote *remote, uint32_t slot, struct om_usage *usage)
{
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = om_remote_thread_of(remote, slot);
	int result = thread ? thread_used(thread, usage) : -ESRCH;
	pthread_mutex_unlock(&remote->lock);
	return result;
}

void om_remote_thread_usage_before(om_remote *remote, uint32_t slot, const struct om_usage *usage)
{
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = om_remote_thread_of(remote, slot);
	if (thread)
		thread->before = *usage;
	pthread_mutex_unlock(&remote->lock);
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

/* Whom the call is about, of this process: false if it is another. A clock of CPU time that is not one of the
 * well-known names a process or a thread: linux/posix-timers_types.h. */
static bool used_by(struct om_remote_thread *thread, struct om_usage *usage)
{
	const struct om_marshal *m = &thread->marshal;
	int32_t which = (int32_t)m->args[0];
	bool own = m->number == SYS_getrusage ? which == RUSAGE_THREAD
					      : m->number == SYS_clock_gettime && which == CLOCK_THREAD_CPUTIME_ID;

	if (m->number == SYS_clock_gettime && which < 0) {
		int32_t of = ~(which >> 3);
		if ((which & 3) == 3) /* a descriptor's */
			return false;
		struct om_remote_thread *named = om_remote_thread_inner(thread, of);
		if (!named || (!(which & 4) && of != 0 && named->slot != 0))
			return false;
		own = which & 4;
		thread = named;
	}
	return !(own ? thread_used(thread, usage) : process_used(thread->remote, usage));
}

static void sum(struct om_remote_thread *thread)
{
	const struct om_marshal *m = &thread->marshal;
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

	if (m->args[argument] == 0 || !used_by(thread, &usage) ||
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
static void mirror_limit(struct om_remote_thread *thread, uint32_t resource, uint64_t address)
{
	struct om_body body = {thread->marshal.pid, thread->marshal.area, thread->marshal.area_end};
	struct rlimit limit;

	switch (resource) {
	case RLIMIT_CPU:
	case RLIMIT_DATA:
	case RLIMIT_STACK:
	case RLIMIT_AS:
		/* What cannot be raised here stays as it is: home's limit is the one the body sees. */
		if (om_body_read(&body, address, &limit, sizeof(limit)) == sizeof(limit))
			prlimit(thread->remote->pid, resource, &limit, NULL);
		return;
	default:
		return;
	}
}

#define AFFINITY_BYTES 1024u /* 8192 processors, the kernel's most */

/* The cell's init runs where the cell may. */
static void set_affinity(const struct om_remote_thread *thread, uint8_t mask[AFFINITY_BYTES])
{
	uint8_t may[AFFINITY_BYTES] = {0};
	char text[4096];
	if (!read_proc(thread->remote->pid, "status", text, sizeof(text)) ||
	    syscall(SYS_sched_getaffinity, (pid_t)status_field(text, "PPid:"), AFFINITY_BYTES, may) <= 0)
		return;
	for (uint32_t i = 0; i < AFFINITY_BYTES; i++)
		mask[i] &= may[i];
	/* EINVAL: none is left. */
	syscall(SYS_sched_setaffinity, thread->state->tid, AFFINITY_BYTES, mask);
}

static void mirror_affinity(struct om_remote_thread *thread)
{
	const struct om_marshal *m = &thread->marshal;
	struct om_body body = {m->pid, m->area, m->area_end};
	struct om_remote_thread *named = om_remote_thread_inner(thread, (int32_t)m->args[0]);
	uint8_t mask[AFFINITY_BYTES] = {0};
	size_t bytes = m->args[1] < AFFINITY_BYTES ? (size_t)m->args[1] : AFFINITY_BYTES;
	if (named && om_body_read(&body, m->args[2], mask, bytes) == (ssize_t)bytes)
		set_affinity(named, mask);
}

void om_remote_affinity(om_remote *remote, uint32_t slot, const void *mask, uint32_t bytes)
{
	uint8_t wanted[AFFINITY_BYTES] = {0};
	memcpy(wanted, mask, bytes < AFFINITY_BYTES ? bytes : AFFINITY_BYTES);
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = om_remote_thread_of(remote, slot);
	if (thread)
		set_affinity(thread, wanted);
	pthread_mutex_unlock(&remote->lock);
}

uint32_t om_remote_both(struct om_remote_thread *thread)
{
	const struct om_marshal *m = &thread->marshal;

	if (m->syscall->flags & OM_SYSCALL_SUM)
		sum(thread);
	if (!(m->syscall->flags & OM_SYSCALL_MIRROR))
		return 0;
	switch (m->number) {
	case SYS_prctl: /* PR_SET_NAME: nobody else can, and it does not fail */
		return SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	case SYS_setpriority:
		setpriority(PRIO_PROCESS, (id_t)thread->state->tid, (int)m->args[2]);
		break;
	case SYS_sched_setaffinity:
		mirror_affinity(thread);
		break;
	case SYS_setrlimit:
		mirror_limit(thread, (uint32_t)m->args[0], m->args[1]);
		break;
	case SYS_prlimit64:
		if (m->args[0] == 0)
			mirror_limit(thread, (uint32_t)m->args[1], m->args[2]);
		break;
	default:
		break;
	}
	return 0;
}
