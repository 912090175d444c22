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

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

struct http_proxies http_proxies_read(void)
{
    bool all = is_set("all_proxy") || is_set("ALL_PROXY");
    return (struct http_proxies){
        /* never HTTP_PROXY: CGI lets a remote set it */
        .http = all || is_set("http_proxy"),
        .https = all || is_set("https_proxy") || is_set("HTTPS_PROXY"),
    };
}

static int add_header(struct http_transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->header_lines, line);
    if (!longer)
        return -ENOMEM;
    t->header_lines = longer;
    return 0;
}

int transfer_init(struct http_transfer *t, const struct http_request *request)
{
    /* curl would carry the header on to wherever a redirect leads. */
    assert(!request->secret_header || request->redirects == 0);

    *t = (struct http_transfer){
        .max_bytes = request->max_bytes,
        .redirects = request->redirects,
        .public_only = request->public_only,
    };
    buf_init(&t->body, request->max_bytes);
    http_headers_init(&t->headers);
    t->url = strdup(request->url);
    if (!t->url)
        return -ENOMEM;
    if (request->secret_header && add_header(t, request->secret_header))
        return -ENOMEM;
    if (!request->accept)
        return 0;
    cleanup(buf_done) struct buf line = {.max = 256};
    int error = buf_appendf(&line, "Accept: %s", request->accept);
    return error ? error : add_header(t, line.data);
}

void transfer_done(struct http_transfer *t)
{
    for (struct curl_slist *l = t->header_lines; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(t->header_lines);
    t->header_lines = NULL;
    buf_done(&t->body);
    free(t->url);
    t->url = NULL;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_transfer *t = ctx;
    int error = buf_append(&t->body, bytes, size * count);
    if (!error)
        return size * count;
    t->abort_error = error == -E2BIG ? -EFBIG : error;
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
 * proxy knows the address: all that can be judged is the URL's own text. A
 * redirect's may be of any kind: what we might read otherwise than the proxy
 * ("[::1%25lo]") is refused. */
static bool is_refused(struct http_transfer *t, const struct sockaddr *peer)
{
    char *url = NULL;
    if (!t->public_only)
        return false;
    if (curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url) || !url)
        return true;
    bool proxied = is_https(url) ? t->proxies.https : t->proxies.http;
    if (!proxied)
        return address_is_private(peer);
    return !asset_url_is_clean(url, strlen(url)) || address_url_is_private(url);
}

static void refuse(struct http_transfer *t)
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
    refuse(t);
    return CURL_PREREQFUNC_ABORT;
}

static bool set_request(struct http_transfer *t, CURL *easy)
{
    static const char schemes[] = "http,https";
    return curl_easy_setopt(easy, CURLOPT_URL, t->url) ||
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, schemes) ||
           curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, schemes) ||
           curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) ||
           curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) ||
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION,
                            t->redirects > 0 ? 1L : 0L) ||
           curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)t->redirects) ||
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->header_lines) ||
           curl_easy_setopt(easy, CURLOPT_HEADEROPT,
                            (long)CURLHEADER_SEPARATE) ||
           curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT) ||
           curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") ||
           curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) ||
           /* or no_proxy would decide what is_refused can't see */
           (t->public_only && curl_easy_setopt(easy, CURLOPT_NOPROXY, ""));
}

static bool set_connection(struct http_transfer *t, CURL *easy,
                           const struct http_limits *limits)
{
    /* Over TLS the handshake says whether one connection will do for all;
     * without TLS others would wait for the first one's answer. */
    long wait_for_pipe = is_https(t->url) ? 1L : 0L;

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
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long)limits->connect_timeout_ms) ||
           curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L) ||
           curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                            (long)((limits->idle_timeout_ms + 999) / 1000));
}

static bool set_callbacks(struct http_transfer *t, CURL *easy)
{
    curl_off_t most = (curl_off_t)t->max_bytes + WIRE_SLACK_BYTES;
    return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) ||
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) ||
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) ||
           curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t) ||
           curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) ||
           curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, most) ||
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) ||
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_before_request) ||
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error_text);
}

int transfer_attach(struct http_transfer *t, CURL *easy,
                    const struct http_limits *limits)
{
    if (set_request(t, easy) || set_connection(t, easy, limits) ||
        set_callbacks(t, easy))
        return -ENOMEM;
    t->easy = easy;
    return 0;
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

static int errno_of_code(struct http_transfer *t, CURLcode code)
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
    case CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    case CURLE_SSL_CONNECT_ERROR:
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

static void fill(struct http_transfer *t, struct http_response *response)
{
    *response = (struct http_response){
        .error_text = "",
        .body = &t->body,
        .content_type = t->headers.content_type,
        .retry_after_ms = http_headers_retry_after_ms(&t->headers),
        .limit_remaining = t->headers.limit_remaining,
        .request_remaining = t->headers.request_remaining,
        .limit = t->headers.limit,
        .limit_reset_s = t->headers.limit_reset_s,
        .refused = t->refused,
    };
}

void transfer_result(struct http_transfer *t, CURLcode code,
                     struct http_response *ret_response)
{
    long status = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    fill(t, ret_response);
    ret_response->status = (int)status;
    /* One of several addresses may have been refused and another taken. */
    if (code == CURLE_OK)
        ret_response->refused = false;
    else
        ret_response->error =
            t->abort_error ? t->abort_error : errno_of_code(t, code);
    if (ret_response->refused)
        ret_response->error_text = "a private address was refused";
    else if (code != CURLE_OK)
        ret_response->error_text =
            t->error_text[0] ? t->error_text : curl_easy_strerror(code);
}

void transfer_result_of(struct http_transfer *t, int error, const char *text,
                        struct http_response *ret_response)
{
    fill(t, ret_response);
    ret_response->refused = false;
    ret_response->error = error;
    ret_response->error_text = text;
}
