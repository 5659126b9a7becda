/* SPDX-License-Identifier: MIT
 *
 * The socket behind $NOTIFY_SOCKET. Obeys a service's main process only (NotifyAccess=main), which the kernel names by
 * SCM_CREDENTIALS. Fds that come without FDSTORE=1, or from somebody else, are closed.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_MESSAGE_FDS 253 /* SCM_MAX_FD */

int notify_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NOTIFY_PATH};
	int yes = 1;

	mkdir("/run/systemd", 0755);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(NOTIFY_PATH, 0777))
		return -1;
	loop_watch(WATCH_NOTIFY, fd, EPOLLIN);
	return 0;
}

struct message {
	bool ready, store, remove, stopping, unwatched;
	const char *name;
	const char *status;
};

static void parse(char *text, struct message *message)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strcmp(line, "READY=1"))
			message->ready = true;
		else if (!strcmp(line, "STOPPING=1"))
			message->stopping = true;
		else if (!strcmp(line, "FDSTORE=1"))
			message->store = true;
		else if (!strcmp(line, "FDSTOREREMOVE=1"))
			message->remove = true;
		else if (!strcmp(line, "FDPOLL=0"))
			message->unwatched = true;
		else if (!strncmp(line, "FDNAME=", 7) && !strchr(line + 7, ':'))
			message->name = line + 7;
		else if (!strncmp(line, "STATUS=", 7))
			message->status = line + 7;
	}
}

void notify_receive(int socket)
{
	char text[4097];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(MAX_MESSAGE_FDS * sizeof(int))];
	} control;
	struct iovec iov = {text, sizeof(text) - 1};
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int fds[MAX_MESSAGE_FDS], fd_count = 0;
	pid_t sender = 0;

	ssize_t length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (length < 0)
		return;
	text[length] = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			sender = who.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(c), (size_t)fd_count * sizeof(int));
		}
	}

	struct service *service = service_of_pid(sender);
	struct message message = {.name = "stored"};
	if (service)
		parse(text, &message);
	else
		say("notification from pid %d, which is no service's main process, ignored", sender);
	for (int i = 0; i < fd_count; i++) {
		if (message.store)
			store_add(service, fds[i], message.name, !message.unwatched);
		else
			close(fds[i]); /* BARRIER=1 too: closing is its answer */
	}
	if (!service)
		return;
	if (message.remove)
		store_remove(service, message.name);
	if (message.status)
		snprintf(service->status, sizeof(service->status), "%s", message.status);
	if (message.ready)
		service_became_ready(service);
}
