/* SPDX-License-Identifier: MIT
 *
 * A cluster's CA and the certificates of its nodes, made anew for each run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "certificates.h"

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "certificates: %s failed\n", what);
	abort();
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	must(extension && X509_add_ext(certificate, extension, -1), value);
	X509_EXTENSION_free(extension);
}

static X509 *make(const char *name, long serial, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *certificate = X509_new();
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
	X509_NAME *subject = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
	X509_set_pubkey(certificate, key);
	if (issuer)
		add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
	else
		add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
	must(X509_sign(certificate, issuer_key, EVP_sha256()) > 0, "signing");
	return certificate;
}

static FILE *create(const char *dir, const char *name, const char *suffix)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
	FILE *file = fopen(path, "w");
	must(file != NULL, path);
	return file;
}

void make_cluster(const char *dir, const char *name, const char *const *nodes)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	X509 *ca = make(name, 1, ca_key, NULL, ca_key);
	FILE *file = create(dir, name, "ca.pem");
	PEM_write_X509(file, ca);
	fclose(file);
	for (long serial = 2; *nodes; nodes++, serial++) {
		EVP_PKEY *key = EVP_EC_gen("P-256");
		X509 *certificate = make(*nodes, serial, key, ca, ca_key);
		file = create(dir, *nodes, "pem");
		PEM_write_X509(file, certificate);
		fclose(file);
		file = create(dir, *nodes, "key");
		PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
		fclose(file);
		X509_free(certificate);
		EVP_PKEY_free(key);
	}
	X509_free(ca);
	EVP_PKEY_free(ca_key);
}
