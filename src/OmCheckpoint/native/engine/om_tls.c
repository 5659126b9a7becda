/* SPDX-License-Identifier: MIT
 *
 * TLS for the links: 1.3 only, both ends show a certificate of the cluster's CA, and a node is who its certificate's
 * common name says. OpenSSL does it; this file only chooses. Nothing here trusts the peer before SSL_do_handshake has
 * returned 1 and X509_V_OK stands.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "om_internal.h"

void om_tls_why(char *why, size_t bytes, const char *what, SSL *ssl)
{
	unsigned long code = ERR_peek_last_error();
	long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	if (verify != X509_V_OK)
		snprintf(why, bytes, "%s: %s", what, X509_verify_cert_error_string(verify));
	else if (code)
		snprintf(why, bytes, "%s: %s", what, ERR_reason_error_string(code));
	else
		snprintf(why, bytes, "%s", what);
	ERR_clear_error();
}

int om_tls_open(const struct om_engine_options *options, SSL_CTX **tls, char *why, size_t why_bytes)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	if (!ctx)
		return -ENOMEM;
	const char *what = "TLS 1.3";
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION))
		goto fail;
	/* The data of a job is not worth more than 128 bits, and each call pays. */
	if (!SSL_CTX_set_ciphersuites(ctx,
				      "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"))
		goto fail;
	what = options->certificate_path;
	if (SSL_CTX_use_certificate_chain_file(ctx, options->certificate_path) != 1)
		goto fail;
	what = options->key_path;
	if (SSL_CTX_use_PrivateKey_file(ctx, options->key_path, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		goto fail;
	what = options->ca_path;
	if (SSL_CTX_load_verify_locations(ctx, options->ca_path, NULL) != 1)
		goto fail;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, 4);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	*tls = ctx;
	return 0;
fail:
	om_tls_why(why, why_bytes, what, NULL);
	SSL_CTX_free(ctx);
	return -EINVAL;
}

static bool is_node_id(const char *text, size_t bytes)
{
	if (bytes == 0 || bytes >= OM_NODE_ID_BYTES)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (text[i] <= ' ' || text[i] > '~') /* an embedded NUL too */
			return false;
	return true;
}

int om_tls_node(SSL *ssl, char node[OM_NODE_ID_BYTES])
{
	X509 *certificate = SSL_get1_peer_certificate(ssl);
	if (!certificate)
		return -EPERM;
	int result = -EPERM;
	X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (SSL_get_verify_result(ssl) == X509_V_OK && at >= 0 &&
	    X509_NAME_get_index_by_NID(subject, NID_commonName, at) < 0) {
		ASN1_STRING *name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
		const char *text = (const char *)ASN1_STRING_get0_data(name);
		size_t bytes = (size_t)ASN1_STRING_length(name);
		if (is_node_id(text, bytes)) {
			memcpy(node, text, bytes);
			node[bytes] = 0;
			result = 0;
		}
	}
	X509_free(certificate);
	return result;
}
