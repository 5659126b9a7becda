/* SPDX-License-Identifier: MIT
 *
 * omlab-enter: what its two files share.
 */
#ifndef OMLAB_ENTER_H
#define OMLAB_ENTER_H

#include <stdbool.h>
#include <sys/types.h>

/* The command's terminal, when it has one of its own. */
struct terminal {
	int master;     /* -1: the command has our files, directly */
	char slave[64]; /* the same path inside: /dev is shared */
};

/* enter_terminal.c: the outer terminal is raw between terminal_start and terminal_stop. */
int terminal_open(struct terminal *terminal);
void terminal_start(void);
void terminal_stop(void);
void terminal_resize(const struct terminal *terminal);

/* Relays bytes and signals until the command has ended; returns its wait status. signals: a signalfd. */
int relay(const struct terminal *terminal, pid_t child, int signals);
#endif
