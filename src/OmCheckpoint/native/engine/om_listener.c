/* SPDX-License-Identifier: MIT
 *
 * Accepts links. One thread runs the handshakes of all who dial, until each has shown a certificate of the cluster's CA
 * and is handed to the thread of its node; who does not within a few seconds, or fails, is closed and named in the log.
 * Nobody here is trusted: strangers are bounded in number (the oldest gives way) and get nothing but TLS's own bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "om_internal.h"

#define STRANGERS    64u
#define HANDSHAKE_MS 3000u

struct stranger {
	struct om_connection *connection;
	uint64_t since_ms;
};

struct om_listener {
	struct om_engine *engine;
	pthread_t thread;
	int fd, epoll, wake, timer;
	struct stranger strangers[STRANGERS];
};

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct stranger *oldest(struct om_listener *l)
{
	struct stranger *found = NULL;
	for (unsigned int i = 0; i < STRANGERS; i++)
		if (l->strangers[i].connection && (!found || l->strangers[i].since_ms < found->since_ms))
			found = &l->strangers[i];
	return found;
}

static void set_timer(struct om_listener *l)
{
	struct stranger *s = oldest(l);
	struct itimerspec when = {0};
	if (s) {
		uint64_t at = s->since_ms + HANDSHAKE_MS;
		when.it_value.tv_sec = (time_t)(at / 1000);
		when.it_value.tv_nsec = (long)(at % 1000 * 1000000);
	}
	timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void refuse(struct om_listener *l, struct stranger *s, const char *why)
{
	char text[256];
	snprintf(text, sizeof(text), "refused: %s", why);
	om_engine_link_state(l->engine, s->connection->node[0] ? s->connection->node : s->connection->address, false,
			     text);
	om_connection_end(s->connection);
	s->connection = NULL;
}

static void name_address(const struct sockaddr_storage *from, char *text, size_t bytes)
{
	char host[INET6_ADDRSTRLEN] = "?";
	if (from->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, host, sizeof(host));
	else if (from->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr, host, sizeof(host));
	snprintf(text, bytes, "%s", host);
}

static void take_one(struct om_listener *l)
{
	struct sockaddr_storage from;
	socklen_t bytes = sizeof(from);
	int fd = accept4(l->fd, (struct sockaddr *)&from, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct stranger *free_one = NULL;
	for (unsigned int i = 0; i < STRANGERS && !free_one; i++)
		if (!l->strangers[i].connection)
			free_one = &l->strangers[i];
	if (!free_one) {
		free_one = oldest(l);
		refuse(l, free_one, "too many connections that are not known yet");
	}
	struct om_connection *c = om_connection_new(l->engine->tls, fd, false);
	if (!c) {
		close(fd);
		return;
	}
	name_address(&from, c->address, sizeof(c->address));
	free_one->connection = c;
	free_one->since_ms = now_ms();
	if (om_connection_poll(c, l->epoll) < 0)
		refuse(l, free_one, "it cannot be polled");
}

static void advance(struct om_listener *l, struct om_connection *c, uint32_t events)
{
	struct stranger *s = NULL;
	for (unsigned int i = 0; i < STRANGERS && !s; i++)
		if (l->strangers[i].connection == c)
			s = &l->strangers[i];
	if (!s) /* ended by an earlier event of this batch */
		return;
	if (events & EPOLLOUT)
		om_connection_flush(c);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	int result = om_connection_handshake(c);
	if (result < 0)
		return refuse(l, s, c->why);
	if (!result)
		return;
	if (!strcmp(c->node, l->engine->node))
		return refuse(l, s, "it calls itself by our own name");
	struct om_peer *peer = om_peer_find(l->engine, c->node, true);
	if (!peer)
		return refuse(l, s, "out of memory");
	s->connection = NULL;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	om_peer_hand(peer, c);
}

static void on_timer(struct om_listener *l)
{
	uint64_t count;
	if (read(l->timer, &count, sizeof(count)) != sizeof(count))
		return;
	uint64_t now = now_ms();
	for (unsigned int i = 0; i < STRANGERS; i++)
		if (l->strangers[i].connection && l->strangers[i].since_ms + HANDSHAKE_MS <= now)
			refuse(l, &l->strangers[i], "it did not show a certificate in time");
}

static void *run(void *argument)
{
	struct om_listener *l = argument;
	struct epoll_event events[16];
	for (;;) {
		int n = epoll_wait(l->epoll, events, 16, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &l->wake)
				return NULL;
			if (events[i].data.ptr == &l->timer)
				on_timer(l);
			else if (events[i].data.ptr == l)
				take_one(l);
			else
				advance(l, events[i].data.ptr, events[i].events);
		}
		set_timer(l);
	}
}

static int bind_to(const char *address, uint16_t port, int *bound_port)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *in4 = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
	socklen_t bytes;
	if (inet_pton(AF_INET, address, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		bytes = sizeof(*in4);
	} else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		bytes = sizeof(*in6);
	} else {
		return -EINVAL;
	}
	int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, zero = 0;
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (storage.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&storage, bytes) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&storage, &bytes)) {
		int error = errno;
		close(fd);
		return -error;
	}
	*bound_port = ntohs(storage.ss_family == AF_INET ? in4->sin_port : in6->sin6_port);
	return fd;
}

static void free_all(struct om_listener *l)
{
	for (unsigned int i = 0; i < STRANGERS; i++)
		if (l->strangers[i].connection)
			om_connection_end(l->strangers[i].connection);
	int fds[] = {l->fd, l->epoll, l->wake, l->timer};
	for (unsigned int i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(l);
}

int om_listener_open(struct om_engine *engine, const char *address, uint16_t port, struct om_listener **listener,
		     int *bound_port)
{
	int fd = bind_to(address, port, bound_port);
	if (fd < 0)
		return fd;
	struct om_listener *l = calloc(1, sizeof(*l));
	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	l->engine = engine;
	l->fd = fd;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct epoll_event accepts = {.events = EPOLLIN, .data.ptr = l};
	struct epoll_event wakes = {.events = EPOLLIN, .data.ptr = &l->wake};
	struct epoll_event times = {.events = EPOLLIN, .data.ptr = &l->timer};
	int result = 0;
	if (l->epoll < 0 || l->wake < 0 || l->timer < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->fd, &accepts) ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &wakes) || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->timer, &times))
		result = -errno;
	if (!result)
		result = om_thread_create(&l->thread, "om-accept", run, l);
	if (result) {
		free_all(l);
		return result;
	}
	*listener = l;
	return 0;
}

void om_listener_close(struct om_listener *l)
{
	uint64_t one = 1;
	if (write(l->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
	pthread_join(l->thread, NULL);
	free_all(l);
}
