/* SPDX-License-Identifier: MIT
 *
 * What arrives from home at the hosting side: welcome and fence, answers, signals, control; and the link's coming and
 * going.
 */
#include <errno.h>
#include <string.h>

#include "om_remote.h"

static void welcome_thread(struct om_remote *remote, const struct om_welcome_thread *said, bool first)
{
	struct om_remote_thread *thread = om_remote_thread_of(remote, said->slot);
	if (!thread) /* home has made it, and we have not heard of that yet */
		return;
	struct om_remote_thread_state *state = thread->state;
	/* Home's ring may begin behind what the body has had, if that could not be said; never the other way, unless
	 * home has taken some for a body that came back. */
	if (first && (int32_t)(said->signal_next - state->signals_taken) > 0) {
		state->signals_queued += said->signal_next - state->signals_taken;
		state->signals_taken = said->signal_next;
	}
	/* A call of ours that went down with another warden never got there, or nobody waits for its answer. */
	if (first || (!thread->active && state->phase != OM_PHASE_SENT))
		state->seq = said->last_seq;
}

static int take_welcome(struct om_remote *remote, uint64_t connection, uint32_t last_ask, const uint8_t *payload,
			uint32_t bytes)
{
	struct om_remote_state *state = remote->state;
	struct om_welcome_thread said;
	bool first = !state->welcomed;
	if (bytes % sizeof(said))
		return -EPROTO;
	for (uint32_t at = 0; at < bytes; at += sizeof(said)) {
		memcpy(&said, payload + at, sizeof(said));
		welcome_thread(remote, &said, first);
	}
	if (first) {
		/* What was asked before home was heard has not gone out yet: it comes behind the last one. */
		state->ask_seq = remote->asking ? om_seq_next(last_ask) : last_ask;
		state->welcomed = 1;
	}
	remote->connection = connection;
	for (uint32_t i = 0; i < remote->slots; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		if (!thread)
			continue;
		om_remote_send(remote, OM_FRAME_SIGNAL_TAKEN, i, thread->state->signals_taken, NULL, 0);
		if (remote->taken_over)
			om_remote_take_over(thread);
	}
	remote->taken_over = false;
	if (!remote->serving && !remote->closed) {
		remote->serving = true;
		om_gate_take_noted(remote);
	}
	for (uint32_t i = 0; i < remote->slots; i++) {
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		if (thread)
			om_remote_post_again(thread);
	}
	if (remote->asking && !remote->ask_done)
		om_remote_send(remote, OM_FRAME_ASK, 0, state->ask_seq, remote->ask.data + remote->ask.head,
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

static void note_handed(struct om_remote_thread *thread, const struct om_signal *signal)
{
	if (signal->signo >= 1 && signal->signo <= 64) /* else the deputy's scribbling, which the kernel will refuse */
		thread->signals_mask |= 1ull << (signal->signo - 1);
}

/* true: it is new and to be handed out. */
static bool take_signal(struct om_remote_thread *thread, uint32_t index, const struct om_signal *signal)
{
	struct om_remote_thread_state *state = thread->state;
	bool fresh = index == state->signals_taken;
	if (fresh) {
		if (index - state->signals_queued < OM_KEPT_SIGNALS)
			state->kept[index % OM_KEPT_SIGNALS] = (struct om_kept_signal){index + 1, *signal};
		state->signals_taken++;
		note_handed(thread, signal);
	}
	om_remote_send(thread->remote, OM_FRAME_SIGNAL_TAKEN, thread->slot, state->signals_taken, NULL, 0);
	return fresh;
}

static void handed(struct om_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	remote->handing--;
	pthread_cond_broadcast(&remote->changed);
	pthread_mutex_unlock(&remote->lock);
}

/* What the warden before us was handed and did not queue. */
static void hand_out_kept(struct om_remote *remote, uint32_t slot)
{
	const struct om_callbacks *callbacks = &remote->engine->callbacks;
	struct om_signal kept[OM_KEPT_SIGNALS];
	uint32_t count = 0;
	pthread_mutex_lock(&remote->lock);
	struct om_remote_thread *thread = om_remote_thread_of(remote, slot);
	if (thread) {
		struct om_remote_thread_state *state = thread->state;
		for (uint32_t i = state->signals_queued; i != state->signals_taken && count < OM_KEPT_SIGNALS; i++)
			if (state->kept[i % OM_KEPT_SIGNALS].index == i + 1) {
				kept[count] = state->kept[i % OM_KEPT_SIGNALS].signal;
				note_handed(thread, &kept[count++]);
			}
		state->signals_queued = state->signals_taken - count;
	}
	remote->handing++;
	pthread_mutex_unlock(&remote->lock);
	for (uint32_t i = 0; i < count && callbacks->remote_signal; i++)
		callbacks->remote_signal(callbacks->context, remote->key, slot, &kept[i], 0);
	handed(remote);
}

/* What may be told when home is heard again. Of one slot, or of all. */
static void tell_owed(struct om_remote *remote, uint32_t slot)
{
	for (uint32_t i = slot == OM_EVERY_THREAD ? 0 : slot;
	     i < remote->slots && (slot == OM_EVERY_THREAD || i == slot); i++) {
		pthread_mutex_lock(&remote->lock);
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		bool due = thread && thread->owed;
		if (due)
			thread->owed = false;
		pthread_mutex_unlock(&remote->lock);
		if (due)
			om_remote_tell_due(remote, i);
	}
}

/* A warden before us had begun these. */
static void begin_again(struct om_remote *remote)
{
	for (uint32_t i = 0; i < remote->slots; i++) {
		pthread_mutex_lock(&remote->lock);
		struct om_remote_thread *thread = om_remote_thread_of(remote, i);
		bool hand_out = thread && thread->hand_out_again;
		if (thread)
			thread->hand_out_again = false;
		pthread_mutex_unlock(&remote->lock);
		if (hand_out)
			om_remote_hand_out(thread);
		if (thread)
			hand_out_kept(remote, i);
	}
}

static int take_signal_frame(struct om_remote *remote, const struct om_frame *frame, const uint8_t *payload,
			     struct om_signal *signal, bool *fresh, uint64_t *notification)
{
	struct om_remote_thread *thread = om_remote_thread_of(remote, frame->slot);
	if (frame->bytes != sizeof(*signal))
		return -EPROTO;
	if (!thread) { /* it has ended meanwhile, or home has heard something late of the one before it */
		remote->signal_missed = true;
		return 0;
	}
	memcpy(signal, payload, sizeof(*signal));
	/* But not one that comes before the answer to a call that is still out: SIGPIPE, and what else a call brings.
	 */
	if (thread->quiesced && thread->why != OM_QUIESCE_HERE && thread->state->phase != OM_PHASE_SENT) {
		thread->signal_missed = true;
		return 0;
	}
	*fresh = take_signal(thread, frame->seq, signal);
	remote->handing += *fresh;
	if (thread->state->phase == OM_PHASE_SENT || thread->state->phase == OM_PHASE_CANCELLED)
		*notification = thread->state->call.id;
	return 0;
}

int om_remote_frame(struct om_peer *peer, struct om_connection *c, const struct om_frame *frame, const uint8_t *payload)
{
	struct om_remote *remote = om_remote_get(peer->engine, frame->key);
	if (!remote)
		return 0;
	const struct om_callbacks *callbacks = &peer->engine->callbacks;
	struct om_remote_thread *thread;
	struct om_signal signal;
	uint64_t notification = 0;
	uint32_t control = 0;
	bool has_signal = false, begins = false, due = false, start_due = false;
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
		begins = remote->taken_over;
		result = take_welcome(remote, c->id, frame->seq, payload, frame->bytes);
		due = true;
		start_due = remote->start_owed;
		remote->start_owed = false;
		break;
	case OM_FRAME_FENCED:
		control = remote->fenced ? 0 : OM_CONTROL_FENCED;
		remote->fenced = true;
		remote->connection = 0;
		pthread_cond_broadcast(&remote->changed);
		break;
	case OM_FRAME_ANSWER:
		thread = om_remote_thread_of(remote, frame->slot);
		if (!thread)
			break;
		result = om_remote_take_answer(thread, frame->seq, payload, frame->bytes);
		due = !thread->quiesced && thread->owed;
		break;
	case OM_FRAME_SIGNAL:
		result = take_signal_frame(remote, frame, payload, &signal, &has_signal, &notification);
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
	pthread_mutex_unlock(&remote->lock);
	if (begins)
		begin_again(remote);
	if (start_due)
		om_remote_tell_due(remote, 0);
	if (due)
		tell_owed(remote, frame->kind == OM_FRAME_ANSWER ? frame->slot : OM_EVERY_THREAD);
	if (has_signal) {
		if (callbacks->remote_signal)
			callbacks->remote_signal(callbacks->context, remote->key, frame->slot, &signal, notification);
		handed(remote);
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
