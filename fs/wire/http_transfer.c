/* SPDX-License-Identifier: MIT */
/*
 * http_transfer.c - one request as curl sees it.
 *
 * Redirects are followed here and not by curl: each target is checked before a
 * connection is made to it, and the addresses that a name has are checked in
 * the socket callback, after DNS.
 */
#include "wire/http_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/asset.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/address.h"

#define USER_AGENT "twelvefs/" TWELVEFS_VERSION

/* Compression may make a small body a little larger than it is. */
#define WIRE_SLACK_BYTES 4096

static int add_header(struct http_transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->header_lines, line);
    if (!longer)
        return -ENOMEM;
    t->header_lines = longer;
    return 0;
}

int transfer_init(struct http_transfer *t, const struct http_request *request,
                  void *ctx)
{
    /* curl would carry the header on to wherever a redirect leads. */
    assert(!request->secret_header || request->redirects == 0);
    assert(!request->method || request->redirects == 0);

    *t = (struct http_transfer){
        .max_bytes = request->max_bytes,
        .redirects = request->redirects,
        .follows = request->redirects > 0,
        .public_only = request->public_only,
        .room = request->room,
        .room_ctx = ctx,
        .idle_timeout_ms = request->idle_timeout_ms,
    };
    buf_init(&t->body, request->room ? 0 : request->max_bytes);
    http_headers_init(&t->headers);
    t->url = strdup(request->url);
    if (!t->url)
        return -ENOMEM;
    if (http_sending_init(&t->sending, request))
        return -ENOMEM;
    if (request->secret_header && add_header(t, request->secret_header))
        return -ENOMEM;
    for (const char *const *line = request->headers; line && *line; line++)
        if (add_header(t, *line))
            return -ENOMEM;
    /* or a large body waits a second for a leave that few servers give */
    if (request->body && add_header(t, "Expect:"))
        return -ENOMEM;
    if (!request->accept)
        return 0;
    cleanup(buf_done) struct buf line = {.max = 256};
    int err = buf_appendf(&line, "Accept: %s", request->accept);
    return err ? err : add_header(t, line.data);
}

void transfer_done(struct http_transfer *t)
{
    for (struct curl_slist *l = t->header_lines; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(t->header_lines);
    t->header_lines = NULL;
    buf_done(&t->body);
    http_sending_done(&t->sending);
    free(t->url);
    t->url = NULL;
}

static size_t transfer_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* So much that it needn't be asked for often: what was announced, or twice as
 * much as before. */
static int get_room(struct http_transfer *t, size_t need)
{
    curl_off_t announced = 0;
    if (need <= t->body.max)
        return 0;
    if (need > t->max_bytes)
        return -EFBIG;
    (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                            &announced);
    size_t want = transfer_larger(need, announced > 0 ? (size_t)announced : 0);
    want = transfer_larger(want, 2 * t->body.max);
    if (want > t->max_bytes)
        want = t->max_bytes;
    int err = t->room(t->room_ctx, want);
    if (!err)
        t->body.max = want;
    return err;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_transfer *t = ctx;
    int err = get_room(t, t->body.len + size * count);
    if (!err)
        err = buf_append(&t->body, bytes, size * count);
    if (!err)
        return size * count;
    t->abort_error = err;
    return 0;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct http_transfer *t = ctx;
    if (http_headers_line(&t->headers, line, size * count, clock_wall_s())) {
        t->abort_error = -EBADMSG;
        return 0;
    }
    return size * count;
}

/* Counts the bytes on the wire: a decoder may swallow many and yield none. */
static int on_progress(void *ctx, curl_off_t total, curl_off_t now,
                       curl_off_t upload_total, curl_off_t upload_now)
{
    (void)total;
    (void)upload_total;
    (void)upload_now;
    struct http_transfer *t = ctx;
    if (now <= 0 || (uint64_t)now <= t->max_bytes + WIRE_SLACK_BYTES)
        return 0;
    t->abort_error = -EFBIG;
    return 1;
}

static bool is_https(const char *url)
{
    return strncasecmp(url, "https:", 6) == 0;
}

/* Behind a proxy the peer is the proxy, whom the user chose, and only the
 * proxy knows the address: all that can be judged is the URL's own text. */
static bool is_refused(const struct http_transfer *t,
                       const struct sockaddr *peer)
{
    if (!t->public_only)
        return false;
    return t->proxied ? address_url_is_private(t->url)
                      : address_is_private(peer);
}

static void transfer_refuse(struct http_transfer *t)
{
    t->refused = true;
    t->abort_error = -EHOSTUNREACH;
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    (void)purpose;
    struct http_transfer *t = ctx;
    if (is_refused(t, &address->addr)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

/* Once more before each request is sent: a connection that is used again was
 * not opened for this transfer, perhaps. */
static int on_before_request(void *ctx, char *peer_text, char *local_text,
                             int peer_port, int local_port)
{
    (void)local_text;
    (void)peer_port;
    (void)local_port;
    struct http_transfer *t = ctx;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer = {.any = {.sa_family = AF_UNSPEC}};
    if (inet_pton(AF_INET, peer_text, &peer.in.sin_addr) == 1)
        peer.in.sin_family = AF_INET;
    else if (inet_pton(AF_INET6, peer_text, &peer.in6.sin6_addr) == 1)
        peer.in6.sin6_family = AF_INET6;
    if (!is_refused(t, &peer.any))
        return CURL_PREREQFUNC_OK;
    transfer_refuse(t);
    return CURL_PREREQFUNC_ABORT;
}

/* The proxy, or none, is told outright, so that it is known. */
static bool set_target(struct http_transfer *t, CURL *easy)
{
    const char *proxy = http_environment_proxy(t->environment, t->url);
    t->proxied = proxy[0];
    return curl_easy_setopt(easy, CURLOPT_URL, t->url) ||
           curl_easy_setopt(easy, CURLOPT_PROXY, proxy) ||
           curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

static bool set_request(struct http_transfer *t, CURL *easy)
{
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
           curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) ||
           curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) ||
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) ||
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->header_lines) ||
           curl_easy_setopt(easy, CURLOPT_HEADEROPT,
                            (long)CURLHEADER_SEPARATE) ||
           curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT) ||
           curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") ||
           curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
}

static bool set_trust(const struct http_environment *e, CURL *easy)
{
    /* A libcurl that knows no CA folders goes by the file, as curl does. */
    if (e->ca_folder && curl_easy_setopt(easy, CURLOPT_CAPATH, e->ca_folder) ==
                            CURLE_OUT_OF_MEMORY)
        return true;
    return e->ca_file && curl_easy_setopt(easy, CURLOPT_CAINFO, e->ca_file);
}

static bool set_connection(struct http_transfer *t, CURL *easy,
                           const struct http_limits *limits)
{
    /* Over TLS the handshake says whether one connection will do for all;
     * without TLS others would wait for the first one's answer. */
    long wait_for_pipe = is_https(t->url) && !t->sending.once ? 1L : 0L;
    int64_t idle_ms =
        t->idle_timeout_ms ? t->idle_timeout_ms : limits->idle_timeout_ms;

    /* QUICK_EXIT: or taking out a transfer whose name isn't resolved yet
     * waits for the resolver, and everyone else with it. */
    return curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) ||
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ||
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                            (long)CURL_HTTP_VERSION_2TLS) ||
           curl_easy_setopt(easy, CURLOPT_PIPEWAIT, wait_for_pipe) ||
           curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                            (long)CURL_SSLVERSION_TLSv1_2) ||
           curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) ||
           /* or a name that moved would lead to the old place for a minute */
           curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L) ||
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long)limits->connect_timeout_ms) ||
           curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L) ||
           curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                            (long)((idle_ms + 999) / 1000));
}

static bool set_callbacks(struct http_transfer *t, CURL *easy)
{
    curl_off_t max = (curl_off_t)t->max_bytes + WIRE_SLACK_BYTES;
    return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) ||
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) ||
           curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t) ||
           curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) ||
           curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, max) ||
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) ||
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_before_request) ||
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error_text);
}

int transfer_attach(struct http_transfer *t, CURL *easy,
                    const struct http_limits *limits,
                    const struct http_environment *environment)
{
    t->environment = environment;
    if (set_target(t, easy) || set_request(t, easy) ||
        set_trust(environment, easy) || set_connection(t, easy, limits) ||
        set_callbacks(t, easy) || http_sending_attach(t, easy))
        return -ENOMEM;
    t->easy = easy;
    return 0;
}

/* Why a redirect isn't followed; 0 it may be. */
static int check_redirect(struct http_transfer *t, const char *url)
{
    if (t->redirects == 0)
        return -ELOOP;
    if (asset_url_is_clean(url, strlen(url)))
        return 0;
    t->refused = true;
    return -EBADMSG;
}

static int transfer_redirect(struct http_transfer *t, const char *to)
{
    int err = check_redirect(t, to);
    char *url = err ? NULL : strdup(to);
    if (!err && !url)
        err = -ENOMEM;
    if (err)
        return err;
    free(t->url);
    t->url = url;
    t->redirects--;
    t->refused = false;
    buf_reset(&t->body);
    return set_target(t, t->easy) ? -ENOMEM : 0;
}

bool transfer_follow(struct http_transfer *t)
{
    char *to = NULL;
    if (!t->follows || curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to) ||
        !to)
        return false;
    t->abort_error = transfer_redirect(t, to);
    return !t->abort_error;
}

static int errno_of_connect(struct http_transfer *t)
{
    long os_errno = 0;
    if (t->refused)
        return -EHOSTUNREACH;
    (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    switch (os_errno) {
    case ENETUNREACH:
    case ENETDOWN:
        return -ENETUNREACH;
    case ECONNREFUSED:
        return -ECONNREFUSED;
    case ECONNRESET:
        return -ECONNRESET;
    case ETIMEDOUT:
        return -ETIMEDOUT;
    default:
        return -EHOSTUNREACH;
    }
}

static int transfer_errno_of(struct http_transfer *t, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return errno_of_connect(t);
    case CURLE_FILESIZE_EXCEEDED:
        return -EFBIG;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return -EPROTO;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2_STREAM:
        return -ECONNRESET;
    default:
        return -EBADMSG;
    }
}

static void transfer_fill(struct http_transfer *t,
                          struct http_response *response)
{
    *response = (struct http_response){
        .error_text = "",
        .body = &t->body,
        .content_type = t->headers.content_type,
        .etag = t->headers.etag,
        .retry_after_ms = http_headers_retry_after_ms(&t->headers),
        .limit_remaining = t->headers.limit_remaining,
        .request_remaining = t->headers.request_remaining,
        .limit = t->headers.limit,
        .limit_reset_s = t->headers.limit_reset_s,
        .refused = t->refused,
    };
}

/* Ours, where we ended it, or curl's. */
static const char *words_of(const struct http_transfer *t, CURLcode code)
{
    if (t->refused)
        return t->abort_error == -EBADMSG ? "a redirect was refused"
                                          : "a private address was refused";
    if (t->abort_error == -ELOOP)
        return "too many redirects";
    return t->error_text[0] ? t->error_text : curl_easy_strerror(code);
}

void transfer_result(struct http_transfer *t, CURLcode code,
                     struct http_response *ret_response)
{
    long status = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    /* One of several addresses may have been refused and another taken. */
    if (code == CURLE_OK && !t->abort_error)
        t->refused = false;
    transfer_fill(t, ret_response);
    ret_response->status = (int)status;
    ret_response->err =
        t->abort_error ? t->abort_error : transfer_errno_of(t, code);
    if (ret_response->err)
        ret_response->error_text = words_of(t, code);
}

void transfer_result_of(struct http_transfer *t, int err, const char *text,
                        struct http_response *ret_response)
{
    transfer_fill(t, ret_response);
    ret_response->refused = false;
    ret_response->err = err;
    ret_response->error_text = text;
}
