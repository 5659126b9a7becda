/* Children for probes. They use system calls only: the caller has threads, whose locks a forked child must not need. */
#pragma once
#include <sys/types.h>

/* A child that sleeps until killed, and dies with this thread. Returns its pid or -errno. */
pid_t probe_sleeper(void);
void probe_end(pid_t pid);

/* Runs f in a child; its return value (0, or -errno) is the result, -EIO if the child died of something else. */
int probe_in_child(int (*f)(void));
