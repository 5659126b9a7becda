/* SPDX-License-Identifier: MIT
 *
 * The deputy's threads: which slot is whose, and how one comes and goes while the body is away. A slot that is free has
 * no tid in the state; its ring is empty and its numbers begin at 0, for the body's side begins there too.
 */
#include <errno.h>
#include <stdlib.h>

#include "om_home.h"

struct om_home_thread *om_home_thread_of(struct om_home *home, uint32_t slot)
{
	struct om_home_thread *thread = slot < home->slots ? home->threads[slot] : NULL;
	return thread && thread->state->tid ? thread : NULL;
}

int om_home_thread_make(struct om_home *home, uint32_t slot, struct om_home_thread **result)
{
	struct om_home_thread *thread = home->threads[slot];
	if (!thread) {
		thread = calloc(1, sizeof(*thread));
		if (!thread || !(thread->placed = calloc(1, sizeof(*thread->placed)))) {
			free(thread);
			return -ENOMEM;
		}
		thread->home = home;
		thread->index = slot;
		thread->slot = (struct om_slot *)((uint8_t *)home->arena + OM_ARENA_SLOT_OFFSET(slot));
		thread->data = (uint8_t *)thread->slot + OM_SLOT_HEADER_BYTES;
		thread->data_address = om_home_data_address(home, slot);
		thread->state = om_state_of(home->state, slot);
		home->threads[slot] = thread;
	}
	*result = thread;
	return 0;
}

void om_home_thread_free(struct om_home_thread *thread)
{
	free(thread->placed);
	om_buffer_free(&thread->reply);
	om_buffer_free(&thread->held_call);
	free(thread);
}

static void begin(struct om_home_thread *thread, int32_t tid)
{
	struct om_slot *slot = thread->slot;
	*thread->state = (struct om_home_thread_state){
		.tid = tid, .last_request = slot->request, .signal_tail = slot->signal_tail};
	thread->use = OM_SLOT_IDLE;
	thread->unplaced = thread->held = thread->own_waits = thread->reserved = false;
	thread->signal_sent = thread->state->signal_tail;
	om_buffer_take(&thread->reply, om_buffer_bytes(&thread->reply));
}

int om_home_thread(om_home *home, uint32_t slot, int32_t tid)
{
	if (slot >= home->slots || tid <= 0)
		return -EINVAL;
	struct om_home_thread *thread;
	pthread_mutex_lock(&home->lock);
	int error = om_home_thread_make(home, slot, &thread);
	if (!error && !thread->state->tid)
		begin(thread, tid);
	pthread_mutex_unlock(&home->lock);
	return error;
}

int om_home_threads(om_home *home, uint32_t *slots, int32_t *tids, uint32_t capacity)
{
	uint32_t count = 0;
	pthread_mutex_lock(&home->lock);
	for (uint32_t i = 0; i < home->slots && count < capacity; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (!thread)
			continue;
		slots[count] = i;
		tids[count++] = thread->state->tid;
	}
	pthread_mutex_unlock(&home->lock);
	return (int)count;
}

static int free_slot(struct om_home *home)
{
	for (uint32_t i = 0; i < home->slots; i++)
		if (!om_home_thread_of(home, i))
			return (int)i;
	return -EAGAIN;
}

/* As the thread will find it. */
static void prepare(struct om_home_thread *thread)
{
	struct om_slot *slot = thread->slot;
	slot->index = thread->index;
	slot->data = thread->data_address;
	slot->arena = thread->home->arena_address;
	slot->answer = slot->request;
	slot->signal_head = slot->signal_tail = 0;
}

int om_home_clone(om_home *home, uint32_t by, uint64_t flags, uint32_t *slot, int32_t *tid)
{
	struct om_home_thread *maker, *made = NULL;
	int64_t result = 0;
	pthread_mutex_lock(&home->lock);
	maker = om_home_thread_of(home, by);
	int found = maker ? free_slot(home) : -ESRCH;
	int error = found < 0 ? found : om_home_thread_make(home, (uint32_t)found, &made);
	if (!error) {
		prepare(made);
		/* Asks are answered one at a time: nobody else takes this slot meanwhile. */
		const uint64_t args[6] = {flags, home->arena_address + OM_ARENA_SLOT_OFFSET(made->index),
					  home->threads_address + (uint64_t)made->index * OM_THREAD_BYTES};
		error = om_home_own_call(maker, OM_DEPUTY_CLONE, args, NULL, 0, &result);
	}
	if (!error && (result <= 0 || result > INT32_MAX))
		error = result < 0 && result > -4096 ? (int)result : -EIO;
	if (!error) {
		begin(made, (int32_t)result);
		made->state->quiet = 1;
		made->slot->tid = (uint32_t)result;
		*slot = made->index;
		*tid = (int32_t)result;
	}
	pthread_mutex_unlock(&home->lock);
	return error;
}

int om_home_exit(om_home *home, uint32_t index, int32_t status)
{
	pthread_mutex_lock(&home->lock);
	struct om_home_thread *thread = om_home_thread_of(home, index);
	int error = thread ? om_home_take_slot(thread) : -ESRCH;
	if (!error) {
		struct om_slot *slot = thread->slot;
		const uint64_t args[6] = {(uint32_t)status};
		uint32_t tid = (uint32_t)thread->state->tid;
		__atomic_store_n(&slot->gone, tid, __ATOMIC_RELEASE);
		om_home_post(thread, OM_SLOT_OWN, OM_DEPUTY_EXIT, args);
		while (__atomic_load_n(&slot->gone, __ATOMIC_ACQUIRE) == tid && !home->gone && !home->closed) {
			pthread_mutex_unlock(&home->lock);
			om_futex_wait(&slot->gone, tid);
			pthread_mutex_lock(&home->lock);
		}
		error = home->gone || home->closed ? -ESRCH : 0;
	}
	if (!error) {
		thread->use = OM_SLOT_IDLE;
		thread->own_waits = thread->held = false;
		*thread->state = (struct om_home_thread_state){0};
	}
	pthread_cond_broadcast(&home->changed);
	pthread_mutex_unlock(&home->lock);
	return error;
}

/* The kernel clears the word of a thread that ends, but not of the last ones of a process that is killed. */
void om_home_forget_exits(struct om_home *home)
{
	for (uint32_t i = 0; i < home->slots; i++) {
		struct om_home_thread *thread = om_home_thread_of(home, i);
		if (!thread)
			continue;
		__atomic_store_n(&thread->slot->gone, 0, __ATOMIC_RELEASE);
		om_futex_wake(&thread->slot->gone);
	}
}
