/* SPDX-License-Identifier: MIT */
#ifndef OM_TEST_CERTIFICATES_H
#define OM_TEST_CERTIFICATES_H

/* Writes DIR/NAME.ca.pem and, for each node, DIR/NODE.pem and DIR/NODE.key. Aborts on failure. */
void make_cluster(const char *dir, const char *name, const char *const *nodes);

#endif
