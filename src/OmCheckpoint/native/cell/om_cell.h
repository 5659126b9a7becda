/* SPDX-License-Identifier: MIT
 *
 * What omwarden and omcell say to each other over the cell's control socket (SOCK_SEQPACKET, one structure a message).
 * src/OmWarden/Cell/CellMessages.cs is the other side. The warden is trusted, the processes omcell starts are not:
 * they never see the socket. Pids in messages are those inside; who a process is outside, the kernel says in the
 * message's SCM_CREDENTIALS (READY: init, BORN: the child).
 */
#ifndef OM_CELL_H
#define OM_CELL_H

#include <stdint.h>

#define OM_CELL_CONTROL_FD 3

/* warden → cell */
#define OM_CELL_START    1u /* struct om_cell_start, once, after the ids are mapped and the cgroup entered */
#define OM_CELL_SPAWN    2u /* struct om_cell_spawn: a blank child with this pid */
#define OM_CELL_END      3u /* struct om_cell_spawn without pid: end everything */
#define OM_CELL_NEXT_TID 4u /* struct om_cell_spawn: what is made inside next gets this pid, if it is free */

/* cell → warden: struct om_cell_report */
#define OM_CELL_UNSHARED 16u /* the namespaces exist; map ids, enter the cgroup, then START */
#define OM_CELL_READY    17u /* sent by init: the walls stand */
#define OM_CELL_BORN     18u /* sent by the blank child, before it lets go of the socket */
#define OM_CELL_SPAWNED  19u /* pid; error: 0 or errno, with `where`. The child is blank now and waits */
#define OM_CELL_EXITED   20u /* pid, wait status */
#define OM_CELL_FAILED   21u /* error, where: this cell will never be; omcell ends */
#define OM_CELL_NEXT     22u /* pid; error: 0 or errno. Answers NEXT_TID */

#define OM_CELL_UID_INIT 0u
#define OM_CELL_UID_BODY 1u

struct om_cell_start {
	uint32_t op;
	uint32_t cpus;        /* ids 0..cpus-1 may be used; 0: all */
	int64_t monotonic_ns; /* offsets of the time namespace */
	int64_t boottime_ns;
	char hostname[72]; /* NUL terminated */
};
_Static_assert(sizeof(struct om_cell_start) == 96, "om_cell_start");

struct om_cell_spawn {
	uint32_t op;
	int32_t pid;
};
_Static_assert(sizeof(struct om_cell_spawn) == 8, "om_cell_spawn");

struct om_cell_report {
	uint32_t op;
	int32_t pid;
	int32_t status;
	int32_t error;
	char where[32];
};
_Static_assert(sizeof(struct om_cell_report) == 48, "om_cell_report");

#endif
