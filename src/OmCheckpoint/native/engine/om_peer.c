/* SPDX-License-Identifier: MIT
 *
 * The link to one node as other threads see it: found or made by its name, wanted, sent through. A peer lives as long
 * as its engine; its thread (om_peer_thread.c) is started when it is first needed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "om_internal.h"

struct om_peer *om_peer_find(struct om_engine *engine, const char *node, bool make)
{
	struct om_peer *peer;
	pthread_mutex_lock(&engine->lock);
	for (peer = engine->peers; peer; peer = peer->next)
		if (!strcmp(peer->node, node))
			break;
	if (!peer && make && strlen(node) < OM_NODE_ID_BYTES && (peer = calloc(1, sizeof(*peer)))) {
		peer->engine = engine;
		snprintf(peer->node, sizeof(peer->node), "%s", node);
		pthread_mutex_init(&peer->lock, NULL);
		peer->epoll = peer->wake = peer->timer = -1;
		peer->next = engine->peers;
		engine->peers = peer;
	}
	pthread_mutex_unlock(&engine->lock);
	return peer;
}

static int start_locked(struct om_peer *peer)
{
	if (peer->running || peer->stop)
		return 0;
	peer->epoll = epoll_create1(EPOLL_CLOEXEC);
	peer->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	peer->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &peer->wake};
	struct epoll_event timer = {.events = EPOLLIN, .data.ptr = &peer->timer};
	if (peer->epoll >= 0 && peer->wake >= 0 && peer->timer >= 0 &&
	    !epoll_ctl(peer->epoll, EPOLL_CTL_ADD, peer->wake, &wake) &&
	    !epoll_ctl(peer->epoll, EPOLL_CTL_ADD, peer->timer, &timer) &&
	    !om_thread_create(&peer->thread, "om-link", om_peer_run, peer)) {
		peer->running = true;
		return 0;
	}
	int error = errno ? errno : EAGAIN;
	close(peer->epoll);
	close(peer->wake);
	close(peer->timer);
	peer->epoll = peer->wake = peer->timer = -1;
	return -error;
}

int om_peer_start(struct om_peer *peer)
{
	pthread_mutex_lock(&peer->lock);
	int result = start_locked(peer);
	pthread_mutex_unlock(&peer->lock);
	return result;
}

void om_peer_wake(struct om_peer *peer)
{
	uint64_t one = 1;
	pthread_mutex_lock(&peer->lock);
	if (peer->running && write(peer->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
	pthread_mutex_unlock(&peer->lock);
}

void om_peer_stop(struct om_peer *peer)
{
	pthread_mutex_lock(&peer->lock);
	bool running = peer->running;
	peer->stop = true;
	pthread_mutex_unlock(&peer->lock);
	if (!running)
		return;
	om_peer_wake(peer);
	pthread_join(peer->thread, NULL);
	peer->running = false;
}

void om_peer_free(struct om_peer *peer)
{
	if (peer->epoll >= 0) {
		close(peer->epoll);
		close(peer->wake);
		close(peer->timer);
	}
	if (peer->handed)
		om_connection_end(peer->handed);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
}

void om_peer_want(struct om_peer *peer, int change)
{
	pthread_mutex_lock(&peer->lock);
	peer->wanted += change;
	pthread_mutex_unlock(&peer->lock);
	if (change > 0)
		om_peer_wake(peer);
}

void om_peer_hand(struct om_peer *peer, struct om_connection *c)
{
	pthread_mutex_lock(&peer->lock);
	struct om_connection *before = peer->handed;
	peer->handed = c;
	int result = start_locked(peer);
	if (result)
		peer->handed = NULL;
	pthread_mutex_unlock(&peer->lock);
	if (before)
		om_connection_end(before);
	if (result)
		om_connection_end(c);
	else
		om_peer_wake(peer);
}

static struct om_connection *current(struct om_peer *peer, uint64_t connection_id)
{
	pthread_mutex_lock(&peer->lock);
	struct om_connection *c = peer->current;
	if (c && (!connection_id || c->id == connection_id))
		c->references++;
	else
		c = NULL;
	pthread_mutex_unlock(&peer->lock);
	return c;
}

int om_peer_send(struct om_peer *peer, uint64_t connection_id, const struct om_frame *frame, const void *payload)
{
	struct om_connection *c = current(peer, connection_id);
	if (!c)
		return -ENOTCONN;
	int result = om_connection_send(c, frame, payload);
	om_connection_put(c);
	return result;
}

void om_peer_wait_room(struct om_peer *peer, const atomic_bool *stop)
{
	struct om_connection *c = current(peer, 0);
	if (!c)
		return;
	om_connection_wait_room(c, stop);
	om_connection_put(c);
}

void om_peer_kick(struct om_peer *peer)
{
	struct om_connection *c = current(peer, 0);
	if (!c)
		return;
	om_connection_kick(c);
	om_connection_put(c);
}
