/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "deputy_threads.h"

static const uint64_t none[6];

void idle_body(struct shared *s)
{
	wait_stage(s, 3);
}

bool close_idle(struct world *w)
{
	set_stage(w->shared, 3);
	return world_close(w);
}

int clone_by(struct world *w, uint32_t by, uint32_t *slot, int32_t *tid)
{
	return om_home_clone(w->home, by, THREAD_FLAGS, slot, tid);
}

int tasks(const struct world *w)
{
	char path[64];
	int count = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", w->deputy);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

void wait_tasks(const struct world *w, int count)
{
	while (tasks(w) != count)
		sched_yield();
}

bool has_task(const struct world *w, int32_t tid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d", w->deputy, tid);
	return access(path, F_OK) == 0;
}

uint32_t slots_in_use(struct world *w)
{
	uint32_t slots[SLOTS];
	int32_t tids[SLOTS];
	return (uint32_t)om_home_threads(w->home, slots, tids, SLOTS);
}

int64_t tid_in(struct world *w, uint32_t slot)
{
	int64_t tid = 0;
	int error = om_home_call(w->home, slot, SYS_gettid, none, NULL, 0, &tid);
	return error ? error : tid;
}

struct om_slot *map_slot(struct world *w, uint32_t slot)
{
	uint8_t *arena = mmap(NULL, OM_ARENA_BYTES(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED, w->arena_fd, 0);
	return (struct om_slot *)(arena + OM_ARENA_SLOT_OFFSET(slot));
}

void unmap_slot(struct om_slot *slot, uint32_t index)
{
	munmap((uint8_t *)slot - OM_ARENA_SLOT_OFFSET(index), OM_ARENA_BYTES(SLOTS));
}
