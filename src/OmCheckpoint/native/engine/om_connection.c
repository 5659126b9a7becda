/* SPDX-License-Identifier: MIT
 *
 * One TCP connection with TLS over memory BIOs: the socket is non-blocking, ciphertext is queued, and the mutex around
 * the SSL object is held for crypto only. One thread polls and reads; any thread sends: it encrypts into the queue and,
 * if nobody is at it, sends what the socket takes; the rest waits for EPOLLOUT. The peer is not trusted: a frame's
 * length is checked against its kind's ceiling before room for it is made.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <openssl/err.h>

#include "om_internal.h"

#define READ_BYTES (64u << 10)

/* A cut is noticed by the kernel: what was sent and not acknowledged for so long, or a probe when idle. */
#define USER_TIMEOUT_MS 6000
#define KEEP_IDLE_S     3
#define KEEP_INTERVAL_S 1
#define KEEP_COUNT      3

static _Atomic uint64_t last_id;

static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

struct om_connection *om_connection_new(SSL_CTX *tls, int fd, bool dialled)
{
	struct om_connection *c = calloc(1, sizeof(*c));
	SSL *ssl = SSL_new(tls);
	BIO *from_network = BIO_new(BIO_s_mem()), *to_network = BIO_new(BIO_s_mem());
	if (!c || !ssl || !from_network || !to_network) {
		free(c);
		SSL_free(ssl);
		BIO_free(from_network);
		BIO_free(to_network);
		return NULL;
	}
	BIO_set_mem_eof_return(from_network, -1); /* empty means later, not the end */
	SSL_set_bio(ssl, from_network, to_network);
	if (dialled)
		SSL_set_connect_state(ssl);
	else
		SSL_set_accept_state(ssl);
	c->references = 1;
	c->id = ++last_id;
	c->fd = fd;
	c->dialled = dialled;
	c->state = dialled ? OM_CONNECTING : OM_HANDSHAKE;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->room, NULL);
	c->ssl = ssl;
	c->from_network = from_network;
	c->to_network = to_network;
	c->epoll = -1;
	set_options(fd);
	return c;
}

void om_connection_put(struct om_connection *c)
{
	if (--c->references)
		return;
	close(c->fd);
	SSL_free(c->ssl); /* the BIOs with it */
	om_buffer_free(&c->in);
	om_buffer_free(&c->out);
	om_buffer_free(&c->sending);
	pthread_cond_destroy(&c->room);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int om_connection_poll(struct om_connection *c, int epoll)
{
	pthread_mutex_lock(&c->lock);
	if (c->epoll >= 0)
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	bool waits = c->state == OM_CONNECTING || om_buffer_bytes(&c->sending) || om_buffer_bytes(&c->out);
	struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = c};
	c->epoll = epoll;
	int result = epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) ? -errno : 0;
	pthread_mutex_unlock(&c->lock);
	return result;
}

void om_connection_end(struct om_connection *c)
{
	pthread_mutex_lock(&c->lock);
	c->broken = true;
	if (c->epoll >= 0)
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	c->epoll = -1;
	shutdown(c->fd, SHUT_RDWR);
	pthread_cond_broadcast(&c->room);
	pthread_mutex_unlock(&c->lock);
	om_connection_put(c);
}

static void arm(struct om_connection *c, bool out)
{
	struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
	if (c->epoll >= 0)
		epoll_ctl(c->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* What SSL wrote → c->out. Under the lock. */
static int collect(struct om_connection *c)
{
	size_t pending;
	while ((pending = BIO_ctrl_pending(c->to_network)) > 0) {
		uint8_t *room = om_buffer_room(&c->out, pending);
		if (!room)
			return -ENOMEM;
		int n = BIO_read(c->to_network, room, (int)pending);
		if (n <= 0)
			return -EIO;
		c->out.tail += (size_t)n;
	}
	return 0;
}

/* Called and returns with the lock held; drops it while it sends. */
static void flush_locked(struct om_connection *c)
{
	if (c->flushing || c->state == OM_CONNECTING)
		return;
	c->flushing = true;
	while (!c->broken) {
		if (!om_buffer_bytes(&c->sending)) {
			struct om_buffer empty = c->sending;
			if (!om_buffer_bytes(&c->out))
				break;
			c->sending = c->out;
			c->out = empty;
		}
		size_t before = om_buffer_bytes(&c->sending) + om_buffer_bytes(&c->out);
		pthread_mutex_unlock(&c->lock);
		ssize_t n = send(c->fd, c->sending.data + c->sending.head, om_buffer_bytes(&c->sending), MSG_NOSIGNAL);
		int error = errno;
		pthread_mutex_lock(&c->lock);
		if (n > 0) {
			om_buffer_take(&c->sending, (size_t)n);
			if (before >= OM_QUEUE_FULL)
				pthread_cond_broadcast(&c->room);
		} else if (error == EAGAIN) {
			arm(c, true);
			break;
		} else if (error != EINTR) {
			/* The reader sees the same error and ends the connection. */
			shutdown(c->fd, SHUT_RDWR);
			c->broken = true;
		}
	}
	c->flushing = false;
}

void om_connection_flush(struct om_connection *c)
{
	pthread_mutex_lock(&c->lock);
	arm(c, false);
	flush_locked(c);
	pthread_mutex_unlock(&c->lock);
}

/* A frame with its padding, in as few records as there can be: each costs a seal and 22 bytes. */
static int encrypt(struct om_connection *c, const struct om_frame *frame, const uint8_t *payload)
{
	uint8_t record[SSL3_RT_MAX_PLAIN_LENGTH];
	size_t fill = sizeof(*frame), done = 0, padded = om_frame_padded(frame->bytes);
	memcpy(record, frame, sizeof(*frame));
	for (;;) {
		size_t room = sizeof(record) - fill, data = done < frame->bytes ? frame->bytes - done : 0;
		if (data > room)
			data = room;
		if (data)
			memcpy(record + fill, payload + done, data);
		fill += data;
		done += data;
		for (; done >= frame->bytes && done < padded && fill < sizeof(record); done++)
			record[fill++] = 0;
		if (SSL_write(c->ssl, record, (int)fill) <= 0)
			return -EIO;
		if (done == padded)
			return collect(c);
		fill = 0;
	}
}

int om_connection_send(struct om_connection *c, const struct om_frame *frame, const void *payload)
{
	int result = 0;
	pthread_mutex_lock(&c->lock);
	if (c->broken) {
		result = -ENOTCONN;
	} else {
		ERR_clear_error();
		result = encrypt(c, frame, payload);
		if (result < 0) { /* half a frame may be out */
			c->broken = true;
			shutdown(c->fd, SHUT_RDWR);
		} else {
			flush_locked(c);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return result;
}

void om_connection_wait_room(struct om_connection *c, const atomic_bool *stop)
{
	pthread_mutex_lock(&c->lock);
	while (!c->broken && !*stop && om_buffer_bytes(&c->out) + om_buffer_bytes(&c->sending) > OM_QUEUE_FULL)
		pthread_cond_wait(&c->room, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

void om_connection_kick(struct om_connection *c)
{
	pthread_mutex_lock(&c->lock);
	pthread_cond_broadcast(&c->room);
	pthread_mutex_unlock(&c->lock);
}

/* From the socket to SSL. >0 bytes, 0: nothing there now, <0: it ended. */
static ssize_t receive(struct om_connection *c)
{
	uint8_t bytes[READ_BYTES];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
	if (n == 0) {
		snprintf(c->why, sizeof(c->why), "the peer closed the connection");
		return -ECONNRESET;
	}
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return 0;
		int error = errno;
		snprintf(c->why, sizeof(c->why), "%s", strerror(error));
		return -error;
	}
	pthread_mutex_lock(&c->lock);
	int written = BIO_write(c->from_network, bytes, (int)n);
	pthread_mutex_unlock(&c->lock);
	return written == n ? n : -ENOMEM;
}

int om_connection_handshake(struct om_connection *c)
{
	ssize_t n = receive(c);
	if (n < 0)
		return (int)n;
	pthread_mutex_lock(&c->lock);
	ERR_clear_error();
	int done = SSL_do_handshake(c->ssl);
	int error = SSL_get_error(c->ssl, done);
	int result = 0;
	if (done == 1) {
		result = om_tls_node(c->ssl, c->node) ? -EPERM : 1;
		if (result < 0)
			snprintf(c->why, sizeof(c->why), "its certificate names no node");
	} else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
		om_tls_why(c->why, sizeof(c->why), "TLS", c->ssl);
		result = -EPERM;
	}
	if (collect(c) && result >= 0)
		result = -ENOMEM;
	flush_locked(c); /* an alert too: the peer's log then says why */
	pthread_mutex_unlock(&c->lock);
	return result;
}

static uint32_t ceiling(uint16_t kind)
{
	switch (kind) {
	case OM_FRAME_CALL:
		return OM_REQUEST_BYTES_MAX;
	case OM_FRAME_ANSWER:
		return OM_REPLY_BYTES_MAX;
	case OM_FRAME_ASK:
		return OM_ASK_BYTES_MAX;
	case OM_FRAME_REPLY:
		return OM_ASK_REPLY_BYTES_MAX;
	case OM_FRAME_WELCOME:
		return OM_SLOTS_MAX * sizeof(struct om_welcome_thread);
	default:
		return sizeof(struct om_signal);
	}
}

static int take_frames(struct om_connection *c, om_frame_taker *take, void *context)
{
	struct om_frame frame;
	while (om_buffer_bytes(&c->in) >= sizeof(frame)) {
		memcpy(&frame, c->in.data + c->in.head, sizeof(frame));
		if (frame.bytes > ceiling(frame.kind)) {
			snprintf(c->why, sizeof(c->why), "a frame of kind %u with %u bytes", frame.kind, frame.bytes);
			return -EMSGSIZE;
		}
		size_t whole = sizeof(frame) + om_frame_padded(frame.bytes);
		if (om_buffer_bytes(&c->in) < whole)
			break;
		int result = take(context, c, &frame, c->in.data + c->in.head + sizeof(frame));
		om_buffer_take(&c->in, whole);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Room for the rest of the frame that has begun, at least for a record of TLS. */
static size_t room_wanted(const struct om_connection *c)
{
	struct om_frame frame;
	size_t have = om_buffer_bytes(&c->in), want = 16u << 10;
	if (have >= sizeof(frame)) {
		memcpy(&frame, c->in.data + c->in.head, sizeof(frame));
		if (sizeof(frame) + om_frame_padded(frame.bytes) - have > want)
			want = sizeof(frame) + om_frame_padded(frame.bytes) - have;
	}
	return want;
}

int om_connection_read(struct om_connection *c, om_frame_taker *take, void *context)
{
	ssize_t got = receive(c);
	if (got < 0)
		return (int)got;
	for (;;) {
		size_t want = room_wanted(c);
		uint8_t *room = om_buffer_room(&c->in, want);
		if (!room)
			return -ENOMEM;
		pthread_mutex_lock(&c->lock);
		ERR_clear_error();
		int n = SSL_read(c->ssl, room, (int)want);
		int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
		if (n <= 0 && error != SSL_ERROR_WANT_READ)
			om_tls_why(c->why, sizeof(c->why),
				   error == SSL_ERROR_ZERO_RETURN ? "the peer said goodbye" : "TLS", c->ssl);
		if (BIO_ctrl_pending(c->to_network)) { /* an answer to a key update */
			collect(c);
			flush_locked(c);
		}
		pthread_mutex_unlock(&c->lock);
		if (n <= 0)
			return error == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
		c->in.tail += (size_t)n;
		int result = take_frames(c, take, context);
		if (result < 0)
			return result;
	}
}
