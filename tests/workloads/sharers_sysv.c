/* SPDX-License-Identifier: MIT
 * Shared memory as System V has it: by key and by id, attached by fork(2) and by shmat(2), for reading only, marked to
 * be destroyed at once, and destroyed with the last that leaves (shmctl(2), shmop(2)).
 *
 *   sharers_sysv [MILLISECONDS | eof] [PART...] */
#include "sharers.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define BYTES (3 * PAGE - 100)

static int segment = -1;

static void remove_segment(void)
{
	if (segment != -1)
		shmctl(segment, IPC_RMID, NULL);
	segment = -1;
}

static struct shmid_ds state_of(int id)
{
	struct shmid_ds state;
	CHECK(shmctl(id, IPC_STAT, &state) == 0);
	return state;
}

static unsigned char *attach(int id, int flags)
{
	void *at = shmat(id, NULL, flags);
	CHECK(at != (void *)-1);
	return at;
}

struct talk {
	sem_t ready, go;
	unsigned char content[PAGE];
};

/* Marked to be destroyed as soon as it is there: it has no key then, and lives as long as somebody has it. */
static void removed(uint64_t seed)
{
	segment = shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600);
	CHECK(segment != -1);
	const int id = segment;
	struct talk *talk = (void *)attach(id, 0);
	CHECK(shmctl(id, IPC_RMID, NULL) == 0);
	segment = -1;
	CHECK_IS(state_of(id).shm_nattch, 1);
	CHECK_IS(state_of(id).shm_perm.mode & (SHM_DEST | 0777), SHM_DEST | 0600);
	CHECK_IS(state_of(id).shm_segsz, BYTES);
	CHECK_IS(state_of(id).shm_cpid, getpid());
	CHECK_CONTENT(talk, BYTES, 0);
	CHECK(sem_init(&talk->ready, 1, 0) == 0 && sem_init(&talk->go, 1, 0) == 0);
	workload_fill(talk->content, PAGE, seed);
	pid_t child = family_forked(10);
	if (child == 0) {
		CHECK_CONTENT(talk->content, PAGE, seed);
		CHECK_IS(state_of(id).shm_nattch, 2);
		struct talk *twin = (void *)attach(id, SHM_RDONLY); /* Linux lets the id of a removed one be attached */
		CHECK(twin != talk);
		CHECK_IS(state_of(id).shm_nattch, 3);
		CHECK_IS(state_of(id).shm_lpid, getpid());
		WRITE_FAULTS(&twin->content[9], SIGSEGV, SEGV_ACCERR);
		workload_fill(talk->content, PAGE, seed + 1);
		CHECK_CONTENT(twin->content, PAGE, seed + 1);
		CHECK(sem_post(&talk->ready) == 0 && sem_wait(&talk->go) == 0);
		CHECK_CONTENT(twin->content, PAGE, seed + 2);
		CHECK(shmdt(talk) == 0);
		CHECK_ERRNO(shmdt(talk), EINVAL);
		READ_FAULTS(talk, SIGSEGV, SEGV_MAPERR);
		CHECK_IS(state_of(id).shm_nattch, 2);
		CHECK_CONTENT(twin->content, PAGE, seed + 2);
		_exit(10); /* with the other still attached */
	}
	CHECK(sem_wait(&talk->ready) == 0);
	CHECK_CONTENT(talk->content, PAGE, seed + 1);
	CHECK_IS(state_of(id).shm_nattch, 3);
	workload_fill(talk->content, PAGE, seed + 2);
	CHECK(sem_post(&talk->go) == 0);
	family_reap(child);
	CHECK_IS(state_of(id).shm_nattch, 1);
	CHECK_CONTENT(talk->content, PAGE, seed + 2);
	CHECK(shmdt(talk) == 0);
	struct shmid_ds gone;
	CHECK(shmctl(id, IPC_STAT, &gone) == -1 && (errno == EINVAL || errno == EIDRM));
}

/* Found by its key, by one that did not inherit it; it outlives those that have it until it is removed. */
static void by_key(uint64_t seed)
{
	key_t key = (key_t)(0x5a000000 | getpid());
	int said[2], go[2], id;
	CHECK(pipe(said) == 0 && pipe(go) == 0);
	pid_t child = family_forked(11);
	if (child == 0) {
		unsigned char *at;
		int other;
		CHECK_IS(get(go[0]), seed);
		CHECK_ERRNO(shmget(key, BYTES, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
		CHECK_ERRNO(shmget(key, BYTES + PAGE, 0), EINVAL);
		CHECK((other = shmget(key, BYTES, 0)) != -1);
		at = attach(other, 0);
		CHECK_IS(state_of(other).shm_nattch, 2);
		CHECK_CONTENT(at, BYTES, seed);
		workload_fill(at, BYTES, seed + 1);
		put(said[1], seed + 1);
		CHECK_IS(get(go[0]), seed + 2);
		CHECK_CONTENT(at, BYTES, seed + 2);
		CHECK(shmdt(at) == 0);
		put(said[1], seed + 3);
		CHECK_IS(get(go[0]), seed + 4);
		at = attach(other, SHM_RND);
		CHECK_CONTENT(at, BYTES, seed + 2);
		_exit(11);
	}
	CHECK((id = segment = shmget(key, BYTES, IPC_CREAT | IPC_EXCL | 0600)) != -1);
	unsigned char *at = attach(id, 0);
	workload_fill(at, BYTES, seed);
	put(go[1], seed);
	CHECK_IS(get(said[0]), seed + 1);
	CHECK_CONTENT(at, BYTES, seed + 1);
	CHECK_IS(state_of(id).shm_nattch, 2);
	workload_fill(at, BYTES, seed + 2);
	put(go[1], seed + 2);
	CHECK_IS(get(said[0]), seed + 3);
	CHECK(shmdt(at) == 0);
	CHECK_IS(state_of(id).shm_nattch, 0);
	put(go[1], seed + 4);
	family_reap(child);
	CHECK_IS(state_of(id).shm_nattch, 0);
	at = attach(id, 0);
	CHECK_CONTENT(at, BYTES, seed + 2);
	remove_segment();
	CHECK_ERRNO(shmget(key, BYTES, 0), ENOENT);
	CHECK_CONTENT(at, BYTES, seed + 2);
	CHECK(shmdt(at) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(close(said[i]) == 0 && close(go[i]) == 0);
}

static const struct part parts[] = {{"removed", removed}, {"key", by_key}};

int main(int argc, char **argv)
{
	family_begin();
	family_cleanup = remove_segment;
	CHECK(atexit(remove_segment) == 0);
	parts_run(argc, argv, parts, sizeof(parts) / sizeof(parts[0]));
	return workload_ok("sharers_sysv");
}
