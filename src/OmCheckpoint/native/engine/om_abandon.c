/* SPDX-License-Identifier: MIT
 *
 * The child of a deputy that nobody can serve: whoever made it has died before it could say so, or nothing of the child
 * could be opened. Whether there is one, and whether it has run yet, need not be known: what is asked of it lies in its
 * arena before it looks there.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "om_abi.h"
#include "om_engine.h"
#include "om_internal.h"

#define ABANDONED_STATUS 255

static bool put(int arena_fd, size_t offset, const void *what, size_t bytes)
{
	return pwrite(arena_fd, what, bytes, (off_t)(OM_ARENA_SLOT_OFFSET(0) + offset)) == (ssize_t)bytes;
}

int om_arena_abandon(int arena_fd)
{
	const int64_t number = SYS_exit_group;
	const uint64_t args[6] = {ABANDONED_STATUS};
	const uint32_t request = 1;

	errno = EIO;
	if (!put(arena_fd, offsetof(struct om_slot, number), &number, sizeof(number)) ||
	    !put(arena_fd, offsetof(struct om_slot, args), args, sizeof(args)) ||
	    !put(arena_fd, offsetof(struct om_slot, request), &request, sizeof(request)))
		return -errno;
	/* Only named to the kernel: the file may be shorter by now, and nothing here would fault. */
	size_t bytes = OM_ARENA_SLOT_OFFSET(0) + OM_SLOT_HEADER_BYTES;
	char *arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
	if (arena == MAP_FAILED)
		return -errno;
	om_futex_wake((uint32_t *)(arena + OM_ARENA_SLOT_OFFSET(0) + offsetof(struct om_slot, request)));
	munmap(arena, bytes);
	return 0;
}
