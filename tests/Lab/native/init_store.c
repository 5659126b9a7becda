/* SPDX-License-Identifier: MIT
 *
 * systemd's file descriptor store, imitated (sd_notify(3), FDSTORE=1): what a service hands over outlives it and is
 * passed to its next start. The store owns the fds. A description that is there already is dropped again, and
 * one whose peer hangs up is removed, unless FDPOLL=0 came with it.
 */
#define _GNU_SOURCE
#include "init.h"

#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool same_description(int a, int b)
{
	pid_t self = getpid();

	return syscall(SYS_kcmp, self, self, KCMP_FILE, a, b) == 0;
}

static void drop(struct service *service, int index)
{
	struct stored_fd *entry = &service->stored[index];

	if (entry->watched)
		loop_forget(entry->fd);
	close(entry->fd);
	memmove(entry, entry + 1, (size_t)(--service->stored_count - index) * sizeof(*entry));
}

void store_add(struct service *service, int fd, const char *name, bool watched)
{
	for (int i = 0; i < service->stored_count; i++) {
		if (same_description(service->stored[i].fd, fd)) {
			close(fd);
			return;
		}
	}
	if (service->stored_count == MAX_STORED) {
		say("%s: file descriptor store is full, %s dropped", service->name, name);
		close(fd);
		return;
	}
	struct stored_fd *grown = realloc(service->stored, (size_t)(service->stored_count + 1) * sizeof(*grown));
	if (!grown) {
		close(fd);
		return;
	}
	service->stored = grown;
	struct stored_fd *entry = &service->stored[service->stored_count++];
	entry->fd = fd;
	entry->watched = watched;
	strncpy(entry->name, name, MAX_FD_NAME);
	entry->name[MAX_FD_NAME] = 0;
	if (watched)
		loop_watch(WATCH_STORED, fd, 0); /* HUP and ERR are always reported */
}

void store_remove(struct service *service, const char *name)
{
	for (int i = service->stored_count - 1; i >= 0; i--)
		if (!strcmp(service->stored[i].name, name))
			drop(service, i);
}

void store_clear(struct service *service)
{
	while (service->stored_count)
		drop(service, service->stored_count - 1);
}

void store_hung_up(int fd)
{
	for (int s = 0; s < MAX_SERVICES; s++)
		for (int i = 0; i < services[s].stored_count; i++)
			if (services[s].stored[i].fd == fd) {
				say("%s: stored fd %s hung up, removed", services[s].name, services[s].stored[i].name);
				drop(&services[s], i);
				return;
			}
}
