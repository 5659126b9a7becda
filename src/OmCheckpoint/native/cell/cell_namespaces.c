/* SPDX-License-Identifier: MIT
 *
 * The walls of the cell: what is unshared, mapped away and dropped before anything of the job exists. Every failure
 * here ends the cell (cell_fail): a cell with a wall missing is never used.
 */
#define _GNU_SOURCE
#include "cell.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

void cell_unshare(void)
{
	/* Before the user namespace: afterwards setgroups is denied, and a group of root's would be carried in. */
	if (setgroups(0, NULL))
		cell_fail("setgroups");
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		    CLONE_NEWTIME))
		cell_fail("unshare");
}

void cell_become_root_inside(void)
{
	if (setresgid(OM_CELL_UID_INIT, OM_CELL_UID_INIT, OM_CELL_UID_INIT))
		cell_fail("setresgid");
	if (setresuid(OM_CELL_UID_INIT, OM_CELL_UID_INIT, OM_CELL_UID_INIT))
		cell_fail("setresuid");
	/* Here and not earlier: the cgroup was entered meanwhile, and its path is nobody's business inside. */
	if (unshare(CLONE_NEWCGROUP))
		cell_fail("unshare cgroup");
}

static void floor_split(int64_t ns, int64_t *seconds, int64_t *rest)
{
	*seconds = ns / 1000000000;
	*rest = ns % 1000000000;
	if (*rest < 0) {
		*rest += 1000000000;
		*seconds -= 1;
	}
}

/* The offsets can be written until the first child enters the namespace (time_namespaces(7)). */
void cell_write_clocks(const struct om_cell_start *start)
{
	int64_t monotonic, monotonic_rest, boottime, boottime_rest;
	char text[160];

	floor_split(start->monotonic_ns, &monotonic, &monotonic_rest);
	floor_split(start->boottime_ns, &boottime, &boottime_rest);
	int length = snprintf(text, sizeof(text), "monotonic %lld %lld\nboottime %lld %lld\n", (long long)monotonic,
			      (long long)monotonic_rest, (long long)boottime, (long long)boottime_rest);
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		cell_fail("open timens_offsets");
	if (write(fd, text, (size_t)length) != length)
		cell_fail("write timens_offsets");
	close(fd);
}

/* An array of the job's that has one element per CPU of home must not be indexed past its end (KERNEL.md 18). */
void cell_limit_cpus(uint32_t cpus)
{
	cpu_set_t have, want;

	if (!cpus || cpus >= CPU_SETSIZE)
		return;
	if (sched_getaffinity(0, sizeof(have), &have))
		cell_fail("sched_getaffinity");
	CPU_ZERO(&want);
	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		if (CPU_ISSET(cpu, &have))
			CPU_SET(cpu, &want);
	if (!CPU_COUNT(&want)) {
		errno = ENODEV;
		cell_fail("no cpu below home's count");
	}
	if (sched_setaffinity(0, sizeof(want), &want))
		cell_fail("sched_setaffinity");
}

void cell_empty_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		cell_fail("make mounts private");
	/* Any directory will do as the place where the new root is first put; /proc is on every system. */
	if (mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2,mode=555"))
		cell_fail("mount tmpfs");
	if (chdir("/proc"))
		cell_fail("chdir");
	/* The old root ends up on top of the new one at "." and is detached with all below it (pivot_root(2)). */
	if (syscall(SYS_pivot_root, ".", "."))
		cell_fail("pivot_root");
	if (umount2(".", MNT_DETACH))
		cell_fail("detach old root");
	if (chdir("/"))
		cell_fail("chdir root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		cell_fail("remount read-only");
}

void cell_hostname(const char *name)
{
	if (sethostname(name, strlen(name)))
		cell_fail("sethostname");
	if (setdomainname("", 0))
		cell_fail("setdomainname");
}

/* CHECKPOINT_RESTORE chooses pids; SETUID and SETGID take the blank child to its own uid, and it keeps none of them. */
void cell_keep_capabilities(void)
{
	const uint64_t kept = 1ull << CAP_CHECKPOINT_RESTORE | 1ull << CAP_SETUID | 1ull << CAP_SETGID;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)kept, .permitted = (uint32_t)kept},
		{.effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32)},
	};

	for (int capability = 0; capability < 64; capability++) {
		if (kept >> capability & 1)
			continue;
		/* EINVAL: past the last capability this kernel knows. */
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) && errno != EINVAL)
			cell_fail("capbset_drop");
	}
	if (syscall(SYS_capset, &header, data))
		cell_fail("capset");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		cell_fail("no_new_privs");
}
