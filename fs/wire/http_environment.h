/* SPDX-License-Identifier: MIT */
/*
 * http_environment.h - the proxies and certificates that the environment
 * names, read as curl's tool reads them, for the http module.
 *
 * Proxies: http_proxy (lower case only: CGI lets a remote set the other),
 * https_proxy or HTTPS_PROXY, else all_proxy or ALL_PROXY. no_proxy or
 * NO_PROXY lists who is asked directly: "*" for all, or, separated by commas
 * or blanks, names (each with all names under it), addresses and networks
 * (10.0.0.0/8, fd00::/8). Which proxy a request takes is decided here and told
 * to curl, for the address guard must know it.
 *
 * Certificates: CURL_CA_BUNDLE (a file), or else SSL_CERT_DIR and
 * SSL_CERT_FILE. A relative path is of the folder that the program started in.
 *
 * Empty is absent. Read once, then unchanged: any thread.
 */
#ifndef TWELVEFS_HTTP_ENVIRONMENT_H
#define TWELVEFS_HTTP_ENVIRONMENT_H

struct http_environment {
    char *http_proxy, *https_proxy, *no_proxy; /* NULL absent */
    char *ca_file, *ca_folder;                 /* NULL: the library's own */
};

/* 0 or -ENOMEM. */
int http_environment_read(struct http_environment *ret_environment);
void http_environment_done(struct http_environment *e);

/* The proxy for an http(s) URL; "" for none. Borrowed from e. */
const char *http_environment_proxy(const struct http_environment *e,
                                   const char *url);

#endif
