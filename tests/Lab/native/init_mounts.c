/* SPDX-License-Identifier: MIT
 *
 * What of the file system is the node's own: /proc, /sys (its network devices), /run, /etc/openmosix,
 * /var/lib/openmosix, /etc/hosts and /etc/hostname. Everything else is the host's. Runs once, as pid 1 of the node, in
 * its own mount namespace; nothing propagates to the host, and all of it goes with the last process of the node.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int mounted(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	if (mount(source, target, type, flags, data) == 0)
		return 0;
	say("mount %s: %s", target, strerror(errno));
	return -1;
}

static int bind_state(const char *name, const char *target)
{
	char source[4096];

	snprintf(source, sizeof(source), "%s/%s", config.state, name);
	return mounted(source, target, NULL, MS_BIND, NULL);
}

/* sysfs shows the network namespace it was mounted in; the cgroup file systems below it are kept. */
static int mount_sys(void)
{
	char aside[4096];

	snprintf(aside, sizeof(aside), "%s/cgroup", config.state);
	return mounted("/sys/fs/cgroup", aside, NULL, MS_BIND | MS_REC, NULL) ||
			       mounted("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) ||
			       mounted(aside, "/sys/fs/cgroup", NULL, MS_MOVE, NULL)
		       ? -1
		       : 0;
}

int node_mounts(void)
{
	if (mounted(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount_sys() || bind_state("etc", "/etc/openmosix") ||
	    bind_state("var", "/var/lib/openmosix"))
		return -1;
	/* A minimal host may not have these two files; then the node does without. */
	if ((access("/etc/hosts", F_OK) == 0 && bind_state("hosts", "/etc/hosts")) ||
	    (access("/etc/hostname", F_OK) == 0 && bind_state("hostname", "/etc/hostname")))
		return -1;
	/* Hides the lab's own state: nothing of the host's paths in there may be needed after this. */
	if (mounted("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") ||
	    mounted("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL))
		return -1;
	if (mkdir("/run/lock", 01777) || chmod("/run/lock", 01777) || mkdir("/run/openmosix", 0755)) {
		say("/run: %s", strerror(errno));
		return -1;
	}
	return 0;
}
