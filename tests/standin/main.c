/* SPDX-License-Identifier: MIT */
/*
 * twelvefs-standin: a TwelveLabs assets API on loopback, with a generated
 * account, a second origin for pictures and HLS, and faults on order.
 *
 *   twelvefs-standin [--port 0] [--media-port 0] [--assets N]
 *       [--account plain|hostile|demo] [--seed S] [--latency-ms N]
 *       [--key KEY] [--clip FILE] [--ready-file PATH] [--die-with-parent]
 *       [--quirk NAME=VALUE]… [--fault JSON]…
 *
 * When it listens it prints one JSON line (and writes it to --ready-file):
 *   {"api":"http://127.0.0.1:P/v1.3","media":"http://127.0.0.1:Q",
 *    "control":"http://127.0.0.1:P/control","pid":N,"key":"…"}
 * It ends on SIGTERM and SIGINT, and with --die-with-parent when stdin ends.
 *
 * CONTROL. No key, not counted, JSON in and out; {"ok":true,…} or
 * {"ok":false,"error":…} with 400, 404 or 500.
 *
 * Looking
 *   GET  /control                  URLs, "count" of assets, "mark"
 *   GET  /control/stats            counters (see below)
 *   GET  /control/log?since=SEQ    requests after SEQ: seq, time_ms, origin,
 *        kind, method, path (with query), status (0: reset or hung up), ms
 *        (-1: not answered yet), fault, agent. The last 100,000 are kept.
 *   GET  /control/wait?counter=C&at_least=N&timeout_ms=T
 *        answers once counter C has reached N, or with 408. Counters: list,
 *        retrieve, picture, manifest, segment, create, delete, metadata,
 *        session_create, session_list, session_status, report, urls, chunk
 *        (a presigned PUT), other (requests that arrived),
 *        answered.list … (answers begun), requests, answered, key_leaks,
 *        unauthorised, status.503 …
 *   POST /control/reset            zeroes counters; account and log stay
 *   GET  /control/ids[?before=MARK]  ids alive, newest first; of those that
 *        were there when the mark was MARK: the ones that stood throughout
 *   GET  /control/assets/ID/raw    an object's exact text (never signed)
 *   GET  /control/dump             all of them, one a line, newest first
 *   GET  /control/uploads          what arrived whole: asset_id, bytes,
 *        sha256, method, filename, part_filename, part_type, parts (the
 *        form's, in order), upload_id
 *   GET  /control/sessions         multipart sessions: upload_id, asset_id,
 *        status, completed, sha256, chunks (puts, bytes, sha256, reported)
 *
 * Changing
 *   POST /control/create  {"count":1, "status":"ready", "created_at":
 *        "2026-03-14T09:26:53Z"|epoch, "fields":{…}} → {"ids":[…]}
 *        fields are merged in as text, so 1e400 stays 1e400. Instead of
 *        fields, "text":{…} is the whole object ($ID, $AT, $MEDIA filled in).
 *   POST /control/delete  {"ids":[…]} | {"index":[…]} (0 = newest) |
 *        {"random":N,"seed":S} | {"all":true} → {"ids":[…]}
 *   POST /control/edit    {"id":…,"merge":{…}}  merge patch: null removes
 *   POST /control/status  {"id":…,"status":…,"merge":{…}}  ready brings
 *        file_type, size, duration, hls, thumbnail, technical_metadata
 *   POST /control/settle  {}  what was uploaded gets ready or fails now (or
 *        after the quirk ready_after_ms)
 *   POST /control/sessions/expire {"upload_id":…} or {} for all
 *   POST /control/urls/expire {}   all presigned URLs given so far
 *   POST /control/in_use  {"id":…,"on":true}  a deletion without force is 409
 *   POST /control/churn   {"per_second":50,"seconds":60,"seed":1,
 *        "mix":{"create":1,"delete":1,"edit":1}}
 *   GET  /control/churn, POST /control/churn/stop → {"running","steps",
 *        "mark","created":[…],"deleted":[…],"edited":[…]}
 *
 * Going wrong
 *   POST /control/faults  {"kind":K, "match":{…}, …}; DELETE clears all and
 *        lets the stalled go on; GET lists rules with "seen" and "applied".
 *        match (all optional): origin api|media, kind (a counter above),
 *        path_prefix, query_contains (of the raw query), method, nth (from
 *        the nth such request on; count is then 1), count (how often; -1
 *        without end), probability with seed.
 *
 *        Kinds: status (status, body, headers; of 4xx but 408 nothing is
 *        done, else it is) | reset | stall (ms, or until
 *        cleared) | stall_body (half the body, then as stall) | truncate
 *        (half of the promised length) | drip (a byte each ms, 200) |
 *        garbage | html | wrong_types (variant 0…5) | partial_json | empty |
 *        endless | gzip_bomb | redirect (status, location with $API, $MEDIA,
 *        $SELF, $CLOSED) | content_type, headers (headers; the body is real)
 *        | playlist (an m3u8, or body) | changing_length (the body with as
 *        many NULs as chance gives) | lost_answer (done, then reset) |
 *        late_answer (done, then said after ms, or when cleared).
 *        latency (ms) and lagging_total (delta) add to any other.
 *   POST /control/latency   {"ms":N}  for every request
 *   POST /control/ratelimit {"limit":N,"window_s":60,"used":0,
 *        "retry_after":"seconds"|"date"|"ms"|"none","retry_after_s":N,
 *        "empty_body":true,"category":"read"|"create"|"multipart"|"change"}
 *        without category: each of them; without limit: generous again
 *   POST /control/quirks  {NAME:VALUE,…}: how this server is unlike the
 *        documented one, or which of the variants that nobody knows; GET
 *        tells all, DELETE makes it as documented again. GET /control/help
 *        lists them. total_frozen and stale_frozen need no clock: the total,
 *        or each stale_every'th answer, stays as it was when they were set.
 *
 * Known troubles and how to order them (standin.py has methods for most):
 *   total lags behind        quirk total_lag_ms=8000 or total_frozen=1
 *   total wrong, absent, text     total_delta=-60, total_form=absent|string
 *   ties at random           ties=random
 *   short pages              page_cap=20, page_cap_says=asked
 *   replicas that lag        stale_ms=3000 (or stale_frozen=1), stale_every=2
 *   the list is gone         fault status 404, match kind list, nth 7
 *   a 429 for a day, once    fault status 429, headers Retry-After 86400,
 *                            match count 1; body "" for an empty one
 *   one category is limited  ratelimit {"limit":0,"category":"create"}
 *   nothing remains          fault headers X-Ratelimit-Remaining 0, -Reset
 *   an upload's answer lost  fault lost_answer, match kind create; 201 after
 *                            a minute: late_answer, ms 60000
 *   5xx although it was done fault status 503, match kind create (what a
 *                            fault answers is answered after it was done)
 *   CDN trouble              the same faults with match origin media;
 *                            redirect to $CLOSED, playlist, html,
 *                            changing_length
 *   POST /control/offline   {"ms":N} | {"on":true|false}: every request and
 *        everybody who waits is reset
 *   POST /control/signing   {"on":true,"ttl_s":3600,"style":"expires"|"amz"|
 *        "token"}: URLs are signed, anew in every answer
 *   POST /control/expire    every signature given so far is expired
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "server.h"

#define DEFAULT_KEY "tlk_STANDIN0000000000000000000000"
#define CLIP_MAX    (8 << 20)
#define GIVEN_MAX   100

struct options {
    unsigned port;
    unsigned media_port;
    uint32_t assets;
    bool assets_given;
    enum profile profile;
    uint64_t seed;
    int64_t latency_ms;
    const char *key;
    const char *clip;
    const char *ready_file;
    bool die_with_parent;
    /* --quirk and --fault, as given */
    int nquirks;
    const char *quirk[GIVEN_MAX];
    int nfaults;
    const char *fault[GIVEN_MAX];
};

static bool parse_count(const char *text, unsigned long most,
                        unsigned long *ret_n)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || n > most)
        return false;
    *ret_n = n;
    return true;
}

static bool parse_profile(const char *text, enum profile *ret_profile)
{
    static const char *const names[] = {"plain", "demo", "hostile"};
    for (int i = 0; i < 3; i++) {
        if (!strcmp(text, names[i])) {
            *ret_profile = (enum profile)i;
            return true;
        }
    }
    return false;
}

static bool take_option(int option, const char *value, struct options *o)
{
    unsigned long n = 0;
    bool ok = true;
    switch (option) {
    case 'p':
        ok = parse_count(value, 65535, &n);
        o->port = (unsigned)n;
        break;
    case 'm':
        ok = parse_count(value, 65535, &n);
        o->media_port = (unsigned)n;
        break;
    case 'n':
        ok = parse_count(value, ASSETS_MAX / 2, &n);
        o->assets = (uint32_t)n;
        o->assets_given = true;
        break;
    case 's':
        ok = parse_count(value, UINT32_MAX, &n);
        o->seed = n;
        break;
    case 'l':
        ok = parse_count(value, 600000, &n);
        o->latency_ms = (int64_t)n;
        break;
    case 'a':
        ok = parse_profile(value, &o->profile);
        break;
    case 'k':
        o->key = value;
        ok = *value;
        break;
    case 'c':
        o->clip = value;
        break;
    case 'r':
        o->ready_file = value;
        break;
    case 'q':
        ok = o->nquirks < GIVEN_MAX;
        if (ok)
            o->quirk[o->nquirks++] = value;
        break;
    case 'f':
        ok = o->nfaults < GIVEN_MAX;
        if (ok)
            o->fault[o->nfaults++] = value;
        break;
    case 'd':
        o->die_with_parent = true;
        break;
    default:
        ok = false;
    }
    return ok;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"media-port", required_argument, NULL, 'm'},
        {"assets", required_argument, NULL, 'n'},
        {"account", required_argument, NULL, 'a'},
        {"seed", required_argument, NULL, 's'},
        {"latency-ms", required_argument, NULL, 'l'},
        {"key", required_argument, NULL, 'k'},
        {"clip", required_argument, NULL, 'c'},
        {"ready-file", required_argument, NULL, 'r'},
        {"quirk", required_argument, NULL, 'q'},
        {"fault", required_argument, NULL, 'f'},
        {"die-with-parent", no_argument, NULL, 'd'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (!take_option(option, optarg, o)) {
            fprintf(stderr, "twelvefs-standin: bad options; see main.c\n");
            return false;
        }
    }
    return optind == argc;
}

/* The clip stands beside the program unless --clip names it. */
static void load_clip(struct server *s, const char *path)
{
    char beside[4096];
    if (!path) {
        ssize_t n = readlink("/proc/self/exe", beside, sizeof(beside) - 32);
        if (n < 0)
            return;
        beside[n] = '\0';
        char *slash = strrchr(beside, '/');
        strcpy(slash ? slash + 1 : beside, "standin-clip.ts");
        path = beside;
    }
    FILE *file = fopen(path, "rbe");
    if (!file)
        return;
    s->clip = malloc(CLIP_MAX);
    if (s->clip)
        s->clip_size = fread(s->clip, 1, CLIP_MAX, file);
    (void)fclose(file);
    if (!s->clip_size) {
        free(s->clip);
        s->clip = NULL;
    }
}

/* The quirks and faults of the command line. */
static bool apply_given(struct server *s, const struct options *o)
{
    for (int i = 0; i < o->nquirks; i++) {
        if (quirks_set_text(s->quirks, o->quirk[i])) {
            fprintf(stderr, "twelvefs-standin: no such quirk: %s\n",
                    o->quirk[i]);
            return false;
        }
    }
    for (int i = 0; i < o->nfaults; i++) {
        cJSON *rule = cJSON_Parse(o->fault[i]);
        int number = faults_add(s->faults, rule);
        cJSON_Delete(rule);
        if (number < 0) {
            fprintf(stderr, "twelvefs-standin: no such fault: %s\n",
                    o->fault[i]);
            return false;
        }
    }
    server_apply_quirks(s);
    return true;
}

static bool make(struct server *s, const struct options *o)
{
    struct generator g = {.seed = o->seed, .profile = o->profile};
    snprintf(g.media, sizeof(g.media), "%s", s->media_url);
    uint32_t assets = o->assets_given              ? o->assets
                      : o->profile == PROFILE_DEMO ? demo_count()
                                                   : 100;
    s->key = o->key;
    atomic_init(&s->latency_ms, o->latency_ms);
    load_clip(s, o->clip);
    s->account = account_new(&g, assets);
    s->faults = faults_new();
    s->stats = stats_new();
    s->park = park_new();
    s->ratelimit = ratelimit_new();
    s->signer = signer_new();
    s->quirks = quirks_new();
    if (s->account)
        s->churn = churn_new(s->account);
    s->sessions = sessions_new();
    if (s->account)
        s->intake = intake_new(s->account);
    return s->account && s->faults && s->stats && s->park && s->ratelimit &&
           s->signer && s->churn && s->quirks && s->sessions && s->intake;
}

/* In reverse: nobody may ask for what is gone. */
static void unmake(struct server *s)
{
    server_stop(s);
    churn_free(s->churn);
    quirks_free(s->quirks);
    intake_free(s->intake);
    sessions_free(s->sessions);
    signer_free(s->signer);
    ratelimit_free(s->ratelimit);
    park_free(s->park);
    stats_free(s->stats);
    faults_free(s->faults);
    account_free(s->account);
    free(s->clip);
}

static bool announce(const struct server *s, const struct options *o)
{
    struct buf line BUF_SCOPE = {0};
    buf_printf(&line,
               "{\"api\":\"%s\",\"media\":\"%s\",\"control\":\"%s\","
               "\"pid\":%ld,\"key\":",
               s->api_url, s->media_url, s->control_url, (long)getpid());
    buf_json(&line, s->key);
    buf_str(&line, "}\n");
    if (line.failed)
        return false;
    if (o->ready_file) {
        char part[4096];
        int n = snprintf(part, sizeof(part), "%s.part", o->ready_file);
        FILE *file = n < (int)sizeof(part) ? fopen(part, "we") : NULL;
        if (!file)
            return false;
        bool wrote = fputs(line.data, file) >= 0;
        if (fclose(file) || !wrote || rename(part, o->ready_file))
            return false;
    }
    return fputs(line.data, stdout) >= 0 && !fflush(stdout);
}

/* Thousands of connections may wait at once. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Until a signal comes or, if asked, stdin ends. */
static void serve(const struct options *o, int signals)
{
    struct pollfd wait[2] = {{.fd = signals, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        char bytes[256];
        if (poll(wait, o->die_with_parent ? 2 : 1, -1) < 0 && errno != EINTR)
            return;
        if (wait[0].revents)
            return;
        if (o->die_with_parent && wait[1].revents &&
            read(STDIN_FILENO, bytes, sizeof(bytes)) <= 0)
            return;
    }
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .key = DEFAULT_KEY};
    struct server s = {.api_socket = -1, .media_socket = -1};
    sigset_t ending;
    if (!parse_options(argc, argv, &o))
        return 2;
    raise_descriptors();
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        fprintf(stderr, "twelvefs-standin: no C.UTF-8, ASCII folding only\n");
    /* Before any thread, so that all inherit it. */
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    int err = signals < 0 ? -errno : server_bind(&s, o.port, o.media_port);
    if (!err && !make(&s, &o))
        err = -ENOMEM;
    if (!err && !apply_given(&s, &o))
        err = -EINVAL;
    if (!err)
        err = server_start(&s);
    if (!err && announce(&s, &o))
        serve(&o, signals);
    else
        fprintf(stderr, "twelvefs-standin: cannot start: %s\n",
                strerror(err ? -err : EIO));
    unmake(&s);
    if (signals >= 0)
        close(signals);
    return err == -EINVAL ? 2 : err ? 1 : 0;
}
