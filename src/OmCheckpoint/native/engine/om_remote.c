/* SPDX-License-Identifier: MIT
 *
 * The hosting side of a process: opening and closing it, presenting its epoch at home, and what arrives from home.
 * While the link is down nothing is lost: the outstanding call keeps its number and is sent again after the next
 * WELCOME.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "om_remote.h"

uint64_t om_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct om_remote **bucket(struct om_engine *engine, uint64_t key)
{
	return &engine->remotes[(key ^ key >> 32) % OM_TABLE_BUCKETS];
}

struct om_remote *om_remote_get(struct om_engine *engine, uint64_t key)
{
	pthread_mutex_lock(&engine->lock);
	struct om_remote *remote = *bucket(engine, key);
	while (remote && remote->key != key)
		remote = remote->next;
	if (remote)
		remote->references++;
	pthread_mutex_unlock(&engine->lock);
	return remote;
}

void om_remote_put(struct om_remote *remote)
{
	if (--remote->references)
		return;
	om_marshal_close(&remote->marshal);
	om_marshal_close(&remote->own.of_body);
	om_marshal_close(&remote->own.of_warden);
	if (remote->state)
		munmap(remote->state, OM_STATE_BYTES);
	int fds[] = {remote->pidfd, remote->listener, remote->wake};
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	om_buffer_free(&remote->ask);
	om_buffer_free(&remote->ask_reply);
	pthread_cond_destroy(&remote->changed);
	pthread_mutex_destroy(&remote->lock);
	free(remote);
}

int om_remote_send(struct om_remote *remote, uint16_t kind, uint32_t seq, const void *payload, uint32_t bytes)
{
	if (!remote->connection)
		return -ENOTCONN;
	struct om_frame frame = om_frame_of(kind, remote->key, remote->state->epoch, seq, bytes);
	int result = om_peer_send(remote->home, remote->connection, &frame, payload);
	if (result)
		remote->connection = 0;
	return result;
}

void om_remote_hello(struct om_remote *remote, uint64_t connection_id)
{
	const struct om_remote_state *state = remote->state;
	struct om_frame frame = om_frame_of(OM_FRAME_HELLO, remote->key, state->epoch, state->signals_taken, 0);
	remote->connection = 0;
	if (remote->wanting && !remote->fenced)
		om_peer_send(remote->home, connection_id, &frame, NULL);
}

/* ---- from home -------------------------------------------------------------------------------------------------- */

static int take_welcome(struct om_remote *remote, uint64_t connection, const uint8_t *payload, uint32_t bytes)
{
	struct om_remote_state *state = remote->state;
	struct om_welcome welcome;
	if (bytes != sizeof(welcome))
		return -EPROTO;
	memcpy(&welcome, payload, sizeof(welcome));
	if (!state->welcomed) {
		state->seq = welcome.last_seq;
		state->ask_seq = welcome.last_ask;
		/* Home knows better where its ring stands. */
		state->signals_queued += welcome.signal_next - state->signals_taken;
		state->signals_taken = welcome.signal_next;
		state->welcomed = 1;
	}
	/* A call of ours that went down with another warden never got there, or nobody waits for its answer. */
	if (!remote->active && state->phase != OM_PHASE_SENT)
		state->seq = welcome.last_seq;
	remote->connection = connection;
	om_remote_take_over(remote);
	if (!remote->receiving && !remote->closed) {
		remote->references++;
		remote->receiving = !om_thread_create(&remote->receiver, "om-remote", om_remote_receiver, remote);
		if (!remote->receiving) {
			remote->references--;
			return -EAGAIN;
		}
	}
	om_remote_post_again(remote);
	if (remote->asking && !remote->ask_done)
		om_remote_send(remote, OM_FRAME_ASK, state->ask_seq, remote->ask.data + remote->ask.head,
			       (uint32_t)om_buffer_bytes(&remote->ask));
	pthread_cond_broadcast(&remote->changed);
	return 0;
}

static int take_reply(struct om_remote *remote, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	if (!remote->asking || remote->ask_done || seq != remote->state->ask_seq)
		return 0; /* a second one, after a reconnect */
	uint8_t *room = om_buffer_room(&remote->ask_reply, bytes);
	if (!room)
		return -ENOMEM;
	memcpy(room, payload, bytes);
	remote->ask_reply.tail += bytes;
	remote->ask_done = true;
	pthread_cond_broadcast(&remote->changed);
	return 0;
}

static void note_handed(struct om_remote *remote, const struct om_signal *signal)
{
	if (signal->signo >= 1 && signal->signo <= 64) /* else the deputy's scribbling, which the kernel will refuse */
		remote->signals_mask |= 1ull << (signal->signo - 1);
}

/* true: it is new and to be handed out. */
static bool take_signal(struct om_remote *remote, uint32_t index, const struct om_signal *signal)
{
	struct om_remote_state *state = remote->state;
	bool fresh = index == state->signals_taken;
	if (fresh) {
		if (index - state->signals_queued < OM_KEPT_SIGNALS)
			state->kept[index % OM_KEPT_SIGNALS] = (struct om_kept_signal){index + 1, *signal};
		state->signals_taken++;
		note_handed(remote, signal);
	}
	om_remote_send(remote, OM_FRAME_SIGNAL_TAKEN, state->signals_taken, NULL, 0);
	return fresh;
}

/* What the warden before us was handed and did not queue. */
static void hand_out_kept(struct om_remote *remote)
{
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	struct om_remote_state *state = remote->state;
	struct om_signal kept[OM_KEPT_SIGNALS];
	uint32_t count = 0;
	pthread_mutex_lock(&remote->lock);
	for (uint32_t i = state->signals_queued; i != state->signals_taken && count < OM_KEPT_SIGNALS; i++)
		if (state->kept[i % OM_KEPT_SIGNALS].index == i + 1) {
			kept[count] = state->kept[i % OM_KEPT_SIGNALS].signal;
			note_handed(remote, &kept[count++]);
		}
	state->signals_queued = state->signals_taken - count;
	remote->handing++;
	pthread_mutex_unlock(&remote->lock);
	for (uint32_t i = 0; i < count && callbacks->remote_signal; i++)
		callbacks->remote_signal(callbacks->context, remote->key, (uint32_t)remote->pid, &kept[i], 0);
	pthread_mutex_lock(&remote->lock);
	remote->handing--;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

int om_remote_frame(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame, const uint8_t *payload)
{
	struct om_remote *remote = om_remote_get(peer->engine, frame->key);
	if (!remote)
		return 0;
	const struct om_callbacks *callbacks = &peer->engine->callbacks;
	struct om_signal signal;
	uint64_t notification = 0;
	uint32_t control = 0, tid = (uint32_t)remote->pid;
	bool has_signal = false, hand_out = false, kept = false, due = false;
	int result = 0;

	pthread_mutex_lock(&remote->lock);
	struct om_remote_state *state = remote->state;
	/* Only home says anything about this process, and what it says of an older epoch is over. */
	if (peer != remote->home || frame->epoch != state->epoch || remote->closed) {
		pthread_mutex_unlock(&remote->lock);
		om_remote_put(remote);
		return 0;
	}
	switch (frame->kind) {
	case OM_FRAME_WELCOME:
		kept = remote->taken_over;
		result = take_welcome(remote, c->id, payload, frame->bytes);
		hand_out = remote->hand_out_again;
		remote->hand_out_again = false;
		due = true;
		break;
	case OM_FRAME_FENCED:
		control = remote->fenced ? 0 : OM_CONTROL_FENCED;
		remote->fenced = true;
		remote->connection = 0;
		pthread_cond_broadcast(&remote->changed);
		break;
	case OM_FRAME_ANSWER:
		result = om_remote_take_answer(remote, frame->seq, payload, frame->bytes);
		due = !remote->quiesced && (remote->finished || state->phase != OM_PHASE_SENT);
		break;
	case OM_FRAME_SIGNAL:
		if (frame->bytes != sizeof(signal)) {
			result = -EPROTO;
			break;
		}
		memcpy(&signal, payload, sizeof(signal));
		if (remote->quiesced && remote->why != OM_QUIESCE_HERE) {
			remote->signal_missed = true;
			break;
		}
		has_signal = take_signal(remote, frame->seq, &signal);
		remote->handing += has_signal;
		if (state->phase == OM_PHASE_SENT || state->phase == OM_PHASE_CANCELLED) {
			notification = state->call.id;
			tid = state->call.pid;
		}
		break;
	case OM_FRAME_CONTROL:
		control = frame->seq;
		if (control == OM_CONTROL_GONE) {
			remote->gone = true;
			pthread_cond_broadcast(&remote->changed);
		}
		break;
	case OM_FRAME_REPLY:
		result = take_reply(remote, frame->seq, payload, frame->bytes);
		break;
	default:
		result = -EPROTO;
	}
	due = due && remote->owed;
	remote->owed = remote->owed && !due;
	pthread_mutex_unlock(&remote->lock);
	if (hand_out)
		om_remote_hand_out(remote);
	if (kept)
		hand_out_kept(remote);
	if (due)
		om_remote_tell_due(remote);
	if (has_signal) {
		if (callbacks->remote_signal)
			callbacks->remote_signal(callbacks->context, remote->key, tid, &signal, notification);
		pthread_mutex_lock(&remote->lock);
		remote->handing--;
		pthread_cond_broadcast(&remote->changed);
		pthread_mutex_unlock(&remote->lock);
	}
	if (control && callbacks->remote_control)
		callbacks->remote_control(callbacks->context, remote->key, control);
	om_remote_put(remote);
	return result;
}

/* Calls `each` for every remote whose home is this peer. */
static void for_peer(struct om_peer *peer, void (*each)(struct om_remote *, uint64_t), uint64_t connection_id)
{
	struct om_engine *engine = peer->engine;
	for (unsigned int i = 0; i < OM_TABLE_BUCKETS; i++) {
		struct om_remote *batch[16];
		unsigned int count = 0, skip = 0;
		do { /* a bucket longer than the batch is walked again behind what is done */
			unsigned int at = 0;
			count = 0;
			pthread_mutex_lock(&engine->lock);
			for (struct om_remote *r = engine->remotes[i]; r && count < 16; r = r->next)
				if (r->home == peer && at++ >= skip) {
					r->references++;
					batch[count++] = r;
				}
			pthread_mutex_unlock(&engine->lock);
			skip += count;
			for (unsigned int k = 0; k < count; k++) {
				each(batch[k], connection_id);
				om_remote_put(batch[k]);
			}
		} while (count == 16);
	}
}

static void say_hello(struct om_remote *remote, uint64_t connection_id)
{
	pthread_mutex_lock(&remote->lock);
	om_remote_hello(remote, connection_id);
	pthread_mutex_unlock(&remote->lock);
}

static void note_down(struct om_remote *remote, uint64_t connection_id)
{
	pthread_mutex_lock(&remote->lock);
	if (remote->connection == connection_id)
		remote->connection = 0;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

void om_remote_link_up(struct om_peer *peer, struct om_connection *c)
{
	for_peer(peer, say_hello, c->id);
}

void om_remote_link_down(struct om_peer *peer, uint64_t connection_id)
{
	for_peer(peer, note_down, connection_id);
}

/* ---- what the warden calls -------------------------------------------------------------------------------------- */

static void set_listener_flags(int listener)
{
	/* Linux 6.6; older ones answer EINVAL and are only slower. */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

static void begin_state(struct om_remote *remote, uint32_t epoch, uint32_t signals)
{
	struct om_remote_state *state = remote->state;
	if (state->magic == OM_REMOTE_STATE_MAGIC) {
		remote->taken_over = true;
		return;
	}
	*state = (struct om_remote_state){.magic = OM_REMOTE_STATE_MAGIC,
					  .epoch = epoch,
					  .signals_taken = signals,
					  .signals_queued = signals,
					  .rest_number = -1};
}

int om_remote_open(om_engine *engine, const struct om_remote_options *options, om_remote **result)
{
	if (!options->key || options->pid <= 0 || !options->epoch || !strcmp(options->home, engine->node))
		return -EINVAL;
	struct om_peer *home = om_peer_find(engine, options->home, true);
	struct om_remote *remote = calloc(1, sizeof(*remote));
	if (!remote || !home) {
		free(remote);
		return -ENOMEM;
	}
	remote->references = 2; /* the table's, the caller's */
	remote->engine = engine;
	remote->key = options->key;
	remote->pid = options->pid;
	remote->home = home;
	pthread_mutex_init(&remote->lock, NULL);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&remote->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	remote->pidfd = fcntl(options->pidfd, F_DUPFD_CLOEXEC, 3);
	remote->listener = fcntl(options->listener, F_DUPFD_CLOEXEC, 3);
	remote->wake = eventfd(0, EFD_CLOEXEC);
	int error = remote->pidfd < 0 || remote->listener < 0 || remote->wake < 0 ? -errno : 0;
	if (!error && !(remote->state = om_state_map(options->state_fd)))
		error = -EINVAL;
	if (!error)
		error = om_marshal_open(&remote->marshal, options->pid, options->area, OM_AREA_BYTES);
	if (!error)
		error = om_marshal_open(&remote->own.of_body, options->pid, options->area, OM_AREA_BYTES);
	if (!error)
		error = om_marshal_open(&remote->own.of_warden, 0, 0, 0);
	if (!error)
		error = om_peer_start(home);
	if (error) {
		remote->references = 1;
		om_remote_put(remote);
		return error;
	}
	begin_state(remote, options->epoch, options->signals);
	set_listener_flags(remote->listener);
	pthread_mutex_lock(&engine->lock);
	struct om_remote **at = bucket(engine, remote->key);
	remote->next = *at;
	*at = remote;
	pthread_mutex_unlock(&engine->lock);
	*result = remote;
	return 0;
}

struct timespec om_deadline(uint32_t timeout_ms)
{
	uint64_t at = om_now_ns() + (uint64_t)timeout_ms * 1000000u;
	return (struct timespec){(time_t)(at / 1000000000u), (long)(at % 1000000000u)};
}

int om_remote_start(om_remote *remote, uint32_t timeout_ms)
{
	struct timespec until = om_deadline(timeout_ms);
	bool want = false;
	int result = 0;
	pthread_mutex_lock(&remote->lock);
	if (!remote->wanting) {
		remote->wanting = want = true;
		if (remote->state->welcomed) /* taken over: it counts when home has said so to us */
			remote->connection = 0;
	}
	if (!remote->connection)
		om_remote_hello(remote, 0);
	pthread_mutex_unlock(&remote->lock);
	if (want)
		om_peer_want(remote->home, 1);
	pthread_mutex_lock(&remote->lock);
	while (!remote->connection && !remote->fenced && !remote->closed && result != ETIMEDOUT)
		result = pthread_cond_timedwait(&remote->changed, &remote->lock, &until);
	result = remote->fenced ? -ESTALE : remote->closed ? -ECANCELED : remote->connection ? 0 : -ETIMEDOUT;
	remote->owed |= result == -ETIMEDOUT;
	pthread_mutex_unlock(&remote->lock);
	return result;
}

int om_remote_epoch(om_remote *remote, uint32_t epoch)
{
	pthread_mutex_lock(&remote->lock);
	int result = epoch >= remote->state->epoch ? 0 : -ESTALE;
	if (epoch > remote->state->epoch) {
		remote->state->epoch = epoch;
		remote->state->welcomed = 0;
		remote->fenced = false;
	}
	if (!result)
		remote->connection = 0;
	pthread_mutex_unlock(&remote->lock);
	return result;
}

void om_remote_close(om_remote *remote)
{
	struct om_engine *engine = remote->engine;
	uint64_t one = 1;
	pthread_mutex_lock(&engine->lock);
	struct om_remote **at = bucket(engine, remote->key);
	while (*at != remote)
		at = &(*at)->next;
	*at = remote->next;
	pthread_mutex_unlock(&engine->lock);

	pthread_mutex_lock(&remote->lock);
	remote->closed = true;
	bool wanting = remote->wanting, receiving = remote->receiving;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
	if (write(remote->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd's counter cannot be full here */
	om_peer_kick(remote->home);
	if (receiving && pthread_equal(remote->receiver, pthread_self()))
		pthread_detach(remote->receiver);
	else if (receiving)
		pthread_join(remote->receiver, NULL);
	if (wanting)
		om_peer_want(remote->home, -1);
	om_remote_put(remote);
	om_remote_put(remote);
}
