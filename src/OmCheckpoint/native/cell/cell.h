/* SPDX-License-Identifier: MIT
 *
 * omcell's parts. One thread; no allocation after start.
 */
#ifndef CELL_H
#define CELL_H

#include "om_cell.h"
#include <sys/types.h>

/* Reports OM_CELL_FAILED with errno and ends the process. */
_Noreturn void cell_fail(const char *where);
void cell_report(uint32_t op, pid_t pid, int status, int error, const char *where);

/* In the launcher: new namespaces, with what only the launcher can write about them. */
void cell_unshare(void);
void cell_become_root_inside(void);
void cell_write_clocks(const struct om_cell_start *start);
void cell_limit_cpus(uint32_t cpus);

/* In init: nothing to see, nothing to hold. */
void cell_empty_root(void);
void cell_hostname(const char *name);
void cell_keep_capabilities(void);

/* The next process or thread made inside gets this number, if it is free. Returns 0 or errno. */
void cell_open_tids(void);
int cell_next_tid(pid_t tid);

/* Starts a blank child with exactly this pid. Returns 0, or errno with *where. */
int cell_spawn(pid_t pid, const char **where);

#endif
