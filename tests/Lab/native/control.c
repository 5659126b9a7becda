/* SPDX-License-Identifier: MIT
 *
 * Requests from omlab, over a SOCK_SEQPACKET socket in the node's directory on the host: one packet asks, one packet
 * answers
 * (`ok ...` or `error ...`). The socket's peer credentials name this process to omlab, so that no pid file can be
 * stale. Only root can reach it (directory mode 0700). A request that waits for services is answered when they are
 * ready or fail.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define MAX_REQUEST 4096

bool (*control_handler)(char *request, char *reply, size_t size, uint32_t *waits_for);

/* waits_for: bit i is set while services[i] is awaited. */
static struct client {
	int fd;
	uint32_t waits_for;
} clients[MAX_CLIENTS];
static int client_count;

int control_open(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16))
		return -1;
	loop_watch(WATCH_CONTROL, fd, EPOLLIN);
	return 0;
}

static void hang_up(struct client *client)
{
	close(client->fd);
	*client = clients[--client_count];
}

void control_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (client_count == MAX_CLIENTS) {
		close(fd);
		return;
	}
	clients[client_count++] = (struct client){.fd = fd};
	loop_watch(WATCH_CLIENT, fd, EPOLLIN);
}

void control_receive(int fd)
{
	char request[MAX_REQUEST], reply[MAX_REQUEST] = "ok";
	struct client *client = clients;

	while (client < clients + client_count && client->fd != fd)
		client++;
	ssize_t length = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT);
	if (length <= 0) {
		if (length == 0 || errno != EAGAIN)
			hang_up(client);
		return;
	}
	request[length] = 0;
	if (control_handler(request, reply, sizeof(reply), &client->waits_for))
		send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void control_service_changed(struct service *service, const char *failure)
{
	uint32_t bit = 1u << (service - services);
	char reply[512] = "ok";

	for (int i = 0; i < client_count; i++) {
		if (!(clients[i].waits_for & bit))
			continue;
		if (failure)
			snprintf(reply, sizeof(reply), "error %s %s", service->name, failure);
		clients[i].waits_for = failure ? 0 : clients[i].waits_for & ~bit;
		if (!clients[i].waits_for)
			send(clients[i].fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

static void describe_services(char *reply, size_t size)
{
	size_t length = (size_t)snprintf(reply, size, "ok");

	for (int i = 0; i < MAX_SERVICES && length < size; i++)
		length += (size_t)snprintf(reply + length, size - length, "\n%s\t%s\t%d\t%u\t%d\t%s", services[i].name,
					   service_state_name(&services[i]), services[i].pid, services[i].restarts,
					   services[i].stored_count, services[i].status);
}

/* ping | status | boot | start S | stop S | restart S | kill S */
bool node_request(char *request, char *reply, size_t size, uint32_t *waits_for)
{
	char *verb = strtok(request, " "), *name = strtok(NULL, " ");
	struct service *service = name ? service_named(name) : NULL;

	if (!verb || !strcmp(verb, "ping"))
		return true;
	if (!strcmp(verb, "status")) {
		describe_services(reply, size);
		return true;
	}
	if (!strcmp(verb, "boot")) {
		*waits_for = (1u << MAX_SERVICES) - 1;
		for (int i = 0; i < MAX_SERVICES; i++)
			service_start(&services[i]);
		return false;
	}
	if (!service) {
		snprintf(reply, size, "error no such request or service: %s %s", verb, name ? name : "");
		return true;
	}
	if (!strcmp(verb, "start") && service->state == SERVICE_READY)
		return true;
	*waits_for = 1u << (service - services);
	service->failures = 0;
	if (!strcmp(verb, "start"))
		service_start(service);
	else if (!strcmp(verb, "stop"))
		service_stop(service, false, SIGTERM);
	else if (!strcmp(verb, "restart"))
		service_stop(service, true, SIGTERM);
	else if (!strcmp(verb, "kill"))
		service_stop(service, true, SIGKILL);
	else {
		*waits_for = 0;
		snprintf(reply, size, "error no such request: %s", verb);
		return true;
	}
	return false;
}
