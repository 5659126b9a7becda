/*
 * Probes of the kernel for `omctl doctor`. Each tries the thing itself, on children and memory of its own, and leaves
 * nothing behind: no process, fd, mapping or changed state of the caller. Called from one thread. Returns 0 if it
 * works, else -errno; what else there is to know goes into *value.
 */
#pragma once
#include <stdint.h>

#define OM_PROBE __attribute__((visibility("default")))

OM_PROBE int om_probe_ptrace(uint64_t *xsave_bytes);
OM_PROBE int om_probe_rseq(uint64_t *unused);
OM_PROBE int om_probe_process_vm(uint64_t *unused);
OM_PROBE int om_probe_mm_map(uint64_t *unused);
OM_PROBE int om_probe_map_files(uint64_t *unused);
OM_PROBE int om_probe_pidfd(uint64_t *unused);

/* value: 1 WAIT_KILLABLE_RECV, 2 SYNC_WAKE_UP. */
OM_PROBE int om_probe_seccomp_notify(uint64_t *extras);

OM_PROBE int om_probe_pagemap_scan(uint64_t *unused);
OM_PROBE int om_probe_uffd(uint64_t *features);
OM_PROBE int om_probe_uffd_wp_async(uint64_t *unused);
OM_PROBE int om_probe_soft_dirty(uint64_t *unused);

OM_PROBE int om_probe_user_namespace(uint64_t *unused);
OM_PROBE int om_probe_cell_namespaces(uint64_t *unused);
OM_PROBE int om_probe_time_namespace(uint64_t *unused);
OM_PROBE int om_probe_set_tid(uint64_t *unused);
