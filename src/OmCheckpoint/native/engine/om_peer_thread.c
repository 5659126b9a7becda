/* SPDX-License-Identifier: MIT
 *
 * The thread that keeps the link to one node: dials when somebody wants it, takes what the listener hands over, reads
 * frames and gives them to home's and the remote's side. While the link is broken it dials again, driven by a timer
 * that backs off. The connections belong to this thread; om_peer.c is what others see of it.
 *
 * Both ends may dial at once. The node with the lesser id chooses: what was greeted last is the link, for a peer
 * that dials again has lost the one before. The other waits for USE.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "om_internal.h"

#define DIAL_MS            3000 /* until greeted */
#define BACKOFF_FIRST_MS   20
#define BACKOFF_LONGEST_MS 1000

static void set_timer(struct om_peer *peer, unsigned int ms)
{
	struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000L}};
	timerfd_settime(peer->timer, 0, &when, NULL);
}

static bool chooses(const struct om_peer *peer)
{
	return strcmp(peer->engine->node, peer->node) < 0;
}

static void tell_once(struct om_peer *peer, const char *why)
{
	if (!strcmp(peer->last_why, why))
		return;
	snprintf(peer->last_why, sizeof(peer->last_why), "%s", why);
	om_engine_link_state(peer->engine, peer->node, false, why);
}

static void drop(struct om_connection **slot)
{
	struct om_connection *c = *slot;
	*slot = NULL;
	if (c)
		om_connection_end(c);
}

static void drop_current(struct om_peer *peer, const char *why)
{
	pthread_mutex_lock(&peer->lock);
	struct om_connection *c = peer->current;
	peer->current = NULL;
	pthread_mutex_unlock(&peer->lock);
	if (!c)
		return;
	uint64_t id = c->id;
	peer->last_why[0] = 0;
	om_connection_end(c);
	om_remote_link_down(peer, id);
	tell_once(peer, why);
}

/* c was dialling or offered and is the link from now on. */
static void use(struct om_peer *peer, struct om_connection *c)
{
	if (peer->dialling == c)
		peer->dialling = NULL;
	if (peer->offered == c)
		peer->offered = NULL;
	drop_current(peer, "replaced by a newer connection");
	drop(&peer->dialling);
	drop(&peer->offered);
	c->state = OM_IN_USE;
	pthread_mutex_lock(&peer->lock);
	peer->current = c;
	pthread_mutex_unlock(&peer->lock);
	peer->failures = 0;
	peer->last_why[0] = 0;
	set_timer(peer, 0);
	om_engine_link_state(peer->engine, peer->node, true, c->dialled ? "dialled" : "accepted");
	om_remote_link_up(peer, c);
}

static int greet(struct om_peer *peer, struct om_connection *c)
{
	struct om_greeting greeting = {OM_LINK_MAGIC, OM_LINK_VERSION, peer->engine->instance};
	struct om_frame frame = om_frame_of(OM_FRAME_GREETING, 0, 0, 0, sizeof(greeting));
	return om_connection_send(c, &frame, &greeting);
}

static int take_greeting(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame,
			 const uint8_t *payload)
{
	struct om_greeting greeting;
	if (frame->kind != OM_FRAME_GREETING || frame->bytes != sizeof(greeting)) {
		snprintf(c->why, sizeof(c->why), "it did not greet");
		return -EPROTO;
	}
	memcpy(&greeting, payload, sizeof(greeting));
	if (greeting.magic != OM_LINK_MAGIC || greeting.version != OM_LINK_VERSION) {
		snprintf(c->why, sizeof(c->why), "it speaks version %u of the link, not %u", greeting.version,
			 OM_LINK_VERSION);
		return -EPROTO;
	}
	c->peer_instance = greeting.instance;
	c->state = OM_GREETED;
	if (!chooses(peer))
		return 0;
	struct om_use payload_use = {++peer->engine->use_count};
	struct om_frame use_frame = om_frame_of(OM_FRAME_USE, 0, 0, 0, sizeof(payload_use));
	/* The connection before must be gone when the peer reads USE on this one. */
	drop_current(peer, "replaced by a newer connection");
	int result = om_connection_send(c, &use_frame, &payload_use);
	if (!result)
		use(peer, c);
	return result;
}

static int take_use(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame, const uint8_t *payload)
{
	struct om_use message;
	if (frame->kind != OM_FRAME_USE || frame->bytes != sizeof(message) || chooses(peer)) {
		snprintf(c->why, sizeof(c->why), "frame of kind %u before the link is in use", frame->kind);
		return -EPROTO;
	}
	memcpy(&message, payload, sizeof(message));
	if (peer->last_use_instance == c->peer_instance && message.count <= peer->last_use)
		return -ESTALE;
	peer->last_use_instance = c->peer_instance;
	peer->last_use = message.count;
	use(peer, c);
	return 0;
}

static int take_frame(void *context, struct om_connection *c, const struct om_frame *frame, const uint8_t *payload)
{
	struct om_peer *peer = context;
	switch (c->state) {
	case OM_HANDSHAKE:
		return take_greeting(peer, c, frame, payload);
	case OM_GREETED:
		return take_use(peer, c, frame, payload);
	case OM_IN_USE:
		break;
	default:
		return -EPROTO;
	}
	if (peer->current != c) /* replaced while its last bytes were being read */
		return -ESTALE;
	int result = -EPROTO;
	if (frame->kind >= OM_FRAME_HELLO && frame->kind <= OM_FRAME_ASK)
		result = om_home_frame(peer, c, frame, payload);
	else if (frame->kind >= OM_FRAME_WELCOME && frame->kind < OM_FRAME_KINDS)
		result = om_remote_frame(peer, c, frame, payload);
	if (result < 0 && !c->why[0])
		snprintf(c->why, sizeof(c->why), "it broke the protocol (frame of kind %u, %s)", frame->kind,
			 strerror(-result));
	return result;
}

/* ---- dialling --------------------------------------------------------------------------------------------------- */

static int make_address(const char *text, uint16_t port, struct sockaddr_storage *storage, socklen_t *bytes)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
	memset(storage, 0, sizeof(*storage));
	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		*bytes = sizeof(*in4);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*bytes = sizeof(*in6);
	} else {
		return -EINVAL;
	}
	return 0;
}

static void failed(struct om_peer *peer, const char *why)
{
	char text[160];
	snprintf(text, sizeof(text), "%s", why);
	drop(&peer->dialling);
	unsigned int shift = peer->failures < 6 ? peer->failures : 6;
	unsigned int ms = BACKOFF_FIRST_MS << shift;
	peer->failures++;
	set_timer(peer, ms < BACKOFF_LONGEST_MS ? ms : BACKOFF_LONGEST_MS);
	tell_once(peer, text);
}

static void dial(struct om_peer *peer)
{
	char text[64];
	struct sockaddr_storage address;
	socklen_t bytes;
	pthread_mutex_lock(&peer->lock);
	memcpy(text, peer->address, sizeof(text));
	uint16_t port = peer->port;
	bool wanted = peer->wanted > 0;
	pthread_mutex_unlock(&peer->lock);
	if (!wanted || !text[0] || peer->current || peer->dialling || peer->offered)
		return;
	if (make_address(text, port, &address, &bytes))
		return failed(peer, "its address is not numeric");
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(peer, strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, bytes) && errno != EINPROGRESS) {
		int error = errno;
		close(fd);
		return failed(peer, strerror(error));
	}
	struct om_connection *c = om_connection_new(peer->engine->tls, fd, true);
	if (!c) {
		close(fd);
		return failed(peer, "out of memory");
	}
	snprintf(c->address, sizeof(c->address), "%s", text);
	peer->dialling = c;
	om_connection_poll(c, peer->epoll);
	set_timer(peer, DIAL_MS);
}

/* An event on the connection we are dialling, up to the end of the handshake. */
static int advance(struct om_peer *peer, struct om_connection *c)
{
	if (c->state == OM_CONNECTING) {
		int error = 0;
		socklen_t bytes = sizeof(error);
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
		if (error) {
			snprintf(c->why, sizeof(c->why), "%s", strerror(error));
			return -error;
		}
		c->state = OM_HANDSHAKE;
	}
	if (c->node[0])
		return om_connection_read(c, take_frame, peer);
	int result = om_connection_handshake(c);
	if (result <= 0)
		return result;
	if (strcmp(c->node, peer->node)) {
		snprintf(c->why, sizeof(c->why), "another node is there: %s", c->node);
		return -EPERM;
	}
	result = greet(peer, c);
	return result ? result : om_connection_read(c, take_frame, peer);
}

static void take_handed(struct om_peer *peer)
{
	pthread_mutex_lock(&peer->lock);
	struct om_connection *c = peer->handed;
	peer->handed = NULL;
	pthread_mutex_unlock(&peer->lock);
	if (!c)
		return;
	drop(&peer->offered);
	peer->offered = c;
	om_connection_poll(c, peer->epoll);
	if (!peer->current && !peer->dialling)
		set_timer(peer, DIAL_MS);
	int result = greet(peer, c);
	if (!result)
		result = om_connection_read(c, take_frame, peer); /* bytes that came with the handshake */
	if (result < 0 && peer->offered == c)
		drop(&peer->offered);
}

static void broken(struct om_peer *peer, struct om_connection *c)
{
	char why[sizeof(c->why)];
	snprintf(why, sizeof(why), "%s", c->why[0] ? c->why : "broken");
	if (peer->current == c) {
		drop_current(peer, why);
		dial(peer);
	} else if (peer->dialling == c) {
		failed(peer, why);
	} else if (peer->offered == c) {
		tell_once(peer, why);
		drop(&peer->offered);
		dial(peer);
	}
}

static void on_event(struct om_peer *peer, struct om_connection *c, uint32_t events)
{
	int result = 0;
	/* An event of a connection that an earlier event of the same batch has ended. */
	if (c != peer->current && c != peer->dialling && c != peer->offered)
		return;
	if (c == peer->dialling && (c->state == OM_CONNECTING || !c->node[0])) {
		if (c->state != OM_CONNECTING && events & EPOLLOUT)
			om_connection_flush(c);
		result = advance(peer, c);
	} else {
		if (events & EPOLLOUT)
			om_connection_flush(c);
		if (events & ~(uint32_t)EPOLLOUT)
			result = om_connection_read(c, take_frame, peer);
	}
	if (result < 0)
		broken(peer, c);
}

static void on_timer(struct om_peer *peer)
{
	uint64_t count;
	if (read(peer->timer, &count, sizeof(count)) != sizeof(count))
		return;
	if (peer->dialling)
		failed(peer, "it does not answer");
	else if (peer->offered && !peer->current)
		drop(&peer->offered);
	dial(peer);
}

void *om_peer_run(void *argument)
{
	struct om_peer *peer = argument;
	struct epoll_event events[8];
	for (;;) {
		int n = epoll_wait(peer->epoll, events, 8, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &peer->timer) {
				on_timer(peer);
			} else if (events[i].data.ptr == &peer->wake) {
				uint64_t count;
				if (read(peer->wake, &count, sizeof(count)) < 0)
					continue;
				take_handed(peer);
				dial(peer);
			} else {
				on_event(peer, events[i].data.ptr, events[i].events);
			}
		}
		pthread_mutex_lock(&peer->lock);
		bool stop = peer->stop;
		pthread_mutex_unlock(&peer->lock);
		if (stop)
			break;
	}
	drop_current(peer, "closed");
	drop(&peer->dialling);
	drop(&peer->offered);
	drop(&peer->handed);
	return NULL;
}
