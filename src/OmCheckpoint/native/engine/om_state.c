/* SPDX-License-Identifier: MIT
 *
 * The pages a process's side keeps of itself in a memfd, so that a restarted warden goes on where this one was. Only
 * the warden writes it.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "om_internal.h"

void *om_state_map(int fd, uint32_t slots)
{
	struct stat st;
	if (fd >= 0 && (fstat(fd, &st) || st.st_size < (off_t)OM_STATE_BYTES(slots)))
		return NULL;
	int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *state = mmap(NULL, OM_STATE_BYTES(slots), PROT_READ | PROT_WRITE, flags, fd, 0);
	return state == MAP_FAILED ? NULL : state;
}
