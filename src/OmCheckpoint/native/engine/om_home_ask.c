/* SPDX-License-Identifier: MIT
 *
 * What only home's C# can do for a body (execve, a death by signal): the request waits here until the process's own
 * thread has called home_structural and om_home_reply has given the answer, which is kept until the next one so that a
 * broken connection loses nothing and nothing is conducted twice.
 */
#include <errno.h>
#include <string.h>

#include "om_home.h"

static int fill(struct om_buffer *b, const void *from, uint32_t bytes)
{
	om_buffer_take(b, om_buffer_bytes(b));
	uint8_t *room = om_buffer_room(b, bytes);
	if (!room)
		return -ENOMEM;
	if (bytes)
		memcpy(room, from, bytes);
	b->tail += bytes;
	return 0;
}

static void *conduct(void *argument)
{
	struct om_home *home = argument;
	const struct om_callbacks *callbacks = &home->engine->callbacks;
	pthread_mutex_lock(&home->lock);
	for (;;) {
		while (!home->closed && (!home->ask_seq || home->ask_taken))
			pthread_cond_wait(&home->changed, &home->lock);
		if (home->closed)
			break;
		struct om_buffer ask = home->ask;
		uint64_t seq = home->ask_seq;
		uint32_t kind;
		home->ask = (struct om_buffer){0};
		home->ask_taken = true;
		pthread_mutex_unlock(&home->lock);
		memcpy(&kind, ask.data + ask.head, sizeof(kind));
		if (callbacks->home_structural)
			callbacks->home_structural(callbacks->context, home->key, seq, kind,
						   ask.data + ask.head + sizeof(kind),
						   (uint32_t)(om_buffer_bytes(&ask) - sizeof(kind)));
		else
			om_home_reply(home, seq, NULL, 0);
		om_buffer_free(&ask);
		pthread_mutex_lock(&home->lock);
	}
	pthread_mutex_unlock(&home->lock);
	om_home_put(home);
	return NULL;
}

/* Taken over, and answered: the body's side has sent again whatever it wants an answer to before it asks, so it has had
 * this one from the warden before us. Nothing else would ever free the slot while its thread makes no call. */
static void free_answered(struct om_home *home)
{
	for (uint32_t i = 0; i < home->slots; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (!thread || !thread->unplaced || thread->held ||
		    __atomic_load_n(&thread->slot->answer, __ATOMIC_ACQUIRE) != thread->state->last_request)
			continue;
		thread->unplaced = false;
		thread->use = OM_SLOT_IDLE;
	}
}

int om_home_take_ask(struct om_home *home, uint32_t seq, const uint8_t *payload, uint32_t bytes)
{
	if (bytes < sizeof(uint32_t))
		return -EPROTO;
	if (seq == home->ask_seq) { /* asked again after a reconnect */
		if (home->ask_replied)
			om_home_send(home, OM_FRAME_REPLY, 0, seq, home->ask_reply.data + home->ask_reply.head,
				     (uint32_t)om_buffer_bytes(&home->ask_reply));
		return 0;
	}
	if (home->ask_seq && !home->ask_replied)
		return -EPROTO;
	int result = fill(&home->ask, payload, bytes);
	if (!result && !home->asker_runs) {
		home->references++;
		result = om_thread_create(&home->asker, "om-ask", conduct, home);
		home->asker_runs = !result;
		if (result)
			home->references--;
	}
	if (result)
		return result;
	free_answered(home);
	home->ask_seq = seq;
	home->ask_taken = home->ask_replied = false;
	pthread_cond_broadcast(&home->changed);
	return 0;
}

int om_home_reply(om_home *home, uint64_t call, const void *reply, uint32_t bytes)
{
	if (bytes > OM_ASK_REPLY_BYTES_MAX)
		return -EMSGSIZE;
	pthread_mutex_lock(&home->lock);
	int result = 0;
	if (call != home->ask_seq || !home->ask_taken || home->ask_replied)
		result = -ENOENT;
	else
		result = fill(&home->ask_reply, reply, bytes);
	if (!result) {
		home->ask_replied = true;
		om_home_send(home, OM_FRAME_REPLY, 0, (uint32_t)call, reply, bytes);
	}
	pthread_mutex_unlock(&home->lock);
	return result;
}
