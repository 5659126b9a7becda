/* SPDX-License-Identifier: MIT
 *
 * One thread and an epoll: pairs of sockets, what one says the other hears. Small buffers on purpose, so that frames
 * are torn anywhere.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "relay.h"

#define PAIRS 8

struct relay {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener, wake;
	uint16_t to_port;
	bool stop, held;
	unsigned int cuts;
	int pairs[PAIRS][2];
};

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void close_pair(struct relay *r, int i)
{
	close(r->pairs[i][0]);
	close(r->pairs[i][1]);
	r->pairs[i][0] = r->pairs[i][1] = -1;
}

static void take(struct relay *r)
{
	int one = 1, from = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	struct sockaddr_in address = loopback(r->to_port);
	int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (from < 0 || connect(to, (struct sockaddr *)&address, sizeof(address))) {
		close(from);
		close(to);
		return;
	}
	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (int i = 0; i < PAIRS; i++)
		if (r->pairs[i][0] < 0) {
			r->pairs[i][0] = from;
			r->pairs[i][1] = to;
			return;
		}
	close(from);
	close(to);
}

static void pass(struct relay *r, int i, int from)
{
	char bytes[1500];
	ssize_t n = recv(r->pairs[i][from], bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || send(r->pairs[i][!from], bytes, (size_t)n, MSG_NOSIGNAL) != n)
		close_pair(r, i);
}

static void *run(void *argument)
{
	struct relay *r = argument;
	unsigned int cuts = 0;
	for (;;) {
		struct pollfd fds[2 + PAIRS * 2];
		uint64_t count;
		pthread_mutex_lock(&r->lock);
		bool stop = r->stop, held = r->held, cut = r->cuts != cuts;
		cuts = r->cuts;
		pthread_mutex_unlock(&r->lock);
		for (int i = 0; i < PAIRS; i++)
			if ((cut || stop) && r->pairs[i][0] >= 0)
				close_pair(r, i);
		if (stop)
			return NULL;
		fds[0] = (struct pollfd){.fd = r->wake, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = held ? -1 : r->listener, .events = POLLIN};
		for (int i = 0; i < PAIRS * 2; i++)
			fds[2 + i] = (struct pollfd){.fd = r->pairs[i / 2][i % 2], .events = POLLIN};
		if (poll(fds, 2 + PAIRS * 2, -1) < 0)
			continue;
		if (fds[0].revents && read(r->wake, &count, sizeof(count)) < 0)
			abort();
		if (fds[1].revents)
			take(r);
		for (int i = 0; i < PAIRS * 2; i++)
			if (fds[2 + i].revents && r->pairs[i / 2][0] >= 0)
				pass(r, i / 2, i % 2);
	}
}

struct relay *relay_open(uint16_t to_port, uint16_t *port)
{
	struct relay *r = calloc(1, sizeof(*r));
	struct sockaddr_in address = loopback(0);
	socklen_t bytes = sizeof(address);
	r->to_port = to_port;
	memset(r->pairs, 0xff, sizeof(r->pairs));
	pthread_mutex_init(&r->lock, NULL);
	r->wake = eventfd(0, EFD_CLOEXEC);
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(r->listener, (struct sockaddr *)&address, sizeof(address)) || listen(r->listener, 8) ||
	    getsockname(r->listener, (struct sockaddr *)&address, &bytes) || pthread_create(&r->thread, NULL, run, r)) {
		perror("relay");
		abort();
	}
	*port = ntohs(address.sin_port);
	return r;
}

static void change(struct relay *r, bool stop, bool held, bool cut)
{
	uint64_t one = 1;
	pthread_mutex_lock(&r->lock);
	r->stop = stop;
	r->held = held;
	r->cuts += cut;
	pthread_mutex_unlock(&r->lock);
	if (write(r->wake, &one, sizeof(one)) < 0)
		abort();
}

void relay_cut(struct relay *r)
{
	change(r, false, false, true);
}

void relay_hold(struct relay *r)
{
	change(r, false, true, true);
}

void relay_heal(struct relay *r)
{
	change(r, false, false, false);
}

void relay_close(struct relay *r)
{
	change(r, true, true, true);
	pthread_join(r->thread, NULL);
	close(r->listener);
	close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
