/* SPDX-License-Identifier: MIT */
/* Multipart uploads: sessions, reports, more URLs, and the PUT of a chunk at
 * the other origin. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "intake.h"
#include "kind.h"
#include "session.h"
#include "write.h"

#define UPLOADS_PATH "/v1.3/assets/multipart-uploads/"
#define HEADER_NAME  "x-amz-server-side-encryption"
#define HEADER_VALUE "AES256"

static const char *const statuses[] = {"active", "completed", "failed",
                                       "expired"};

static void no_session(struct answer *a, const char *id)
{
    answer_error(a, 404, "resource_not_exist",
                 "Upload with id %.100s does not exist.", id);
}

/* The id in the path, up to the next slash. */
static void upload_id(const struct request *r, struct buf *out)
{
    const char *from = r->path + strlen(UPLOADS_PATH);
    path_decode(from, strcspn(from, "/"), out);
}

static bool allowed(struct server *s, struct answer *a)
{
    if (!quirk_get(s->quirks, QUIRK_MULTIPART))
        return true;
    answer_error(a, 403, "api_not_allowed",
                 "Multipart uploads are not enabled for your account.");
    return false;
}

/* The body as an object whose members are all `known`. */
static cJSON *parse_object(struct request *r, const char *const *known,
                           struct answer *a)
{
    cJSON *json =
        cJSON_ParseWithLength(r->body.data ? r->body.data : "", r->body.len);
    const cJSON *item;
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        answer_error(a, 400, "parameter_invalid",
                     "The body is no JSON object.");
        return NULL;
    }
    cJSON_ArrayForEach(item, json)
    {
        int i = 0;
        while (known[i] && strcmp(known[i], item->string) != 0)
            i++;
        if (!known[i]) {
            answer_error(a, 400, "parameter_unknown",
                         "The following parameters are unknown: %.100s",
                         item->string);
            cJSON_Delete(json);
            return NULL;
        }
    }
    return json;
}

/* A whole number in [least, most] of this name; else the answer says why. */
static bool take_number(const cJSON *json, const char *name, int64_t least,
                        int64_t most, int64_t *ret_n, struct answer *a)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!item) {
        write_missing(a, name);
        return false;
    }
    double n = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(n >= (double)least && n <= (double)most) || n != (double)(int64_t)n) {
        write_invalid(a, name, NULL);
        return false;
    }
    *ret_n = (int64_t)n;
    return true;
}

static bool take_flag(const cJSON *json, const char *name, bool *ret_flag,
                      struct answer *a)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    *ret_flag = cJSON_IsTrue(item);
    if (!item || cJSON_IsBool(item))
        return true;
    write_invalid(a, name, "it must be a boolean.");
    return false;
}

/* The type that was said against the one that the name says. */
static bool take_type(const cJSON *json, const char *filename,
                      const char **ret_mime, struct answer *a)
{
    static const char *const types[] = {"video", "audio", "image"};
    const char *type =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "type"));
    const char *mime = kind_mime(filename);
    int i = 0;
    if (!cJSON_GetObjectItemCaseSensitive(json, "type")) {
        write_missing(a, "type");
        return false;
    }
    while (i < 3 && (!type || strcmp(types[i], type) != 0))
        i++;
    if (i == 3) {
        write_invalid(a, "type", "it must be video, audio or image.");
        return false;
    }
    if (!mime || strncmp(mime, type, strlen(type)) != 0) {
        write_invalid(a, "filename", "its extension is not of the type.");
        return false;
    }
    *ret_mime = mime;
    return true;
}

static bool take_metadata(struct request *r, struct buf *out, struct answer *a)
{
    struct buf key BUF_SCOPE = {0};
    struct slice value;
    if (!json_find((struct slice){r->body.data, r->body.len}, "user_metadata",
                   &value))
        return true;
    if (*value.p == '{' && write_metadata(value, false, out, &key))
        return true;
    write_invalid(a, "user_metadata",
                  "it must be an object of strings, numbers and booleans.");
    return false;
}

static void add_urls(struct server *s, const struct session_info *info,
                     uint32_t start, uint32_t count, struct buf *out)
{
    int64_t ttl = quirk_get(s->quirks, QUIRK_URL_TTL_S);
    char stamp[32];
    buf_str(out, "\"upload_urls\":[");
    if (session_urls(s->sessions, info->upload_id, s->media_url, start, count,
                     ttl, out))
        out->failed = true;
    generate_stamp(info->expires_s, stamp);
    buf_printf(out, "],\"expires_at\":\"%s\"", stamp);
}

static void answer_session(struct server *s, const struct session_info *info,
                           struct answer *a)
{
    int64_t first = quirk_get(s->quirks, QUIRK_FIRST_URLS);
    uint32_t count = first && first < info->total_chunks ? (uint32_t)first
                                                         : info->total_chunks;
    a->status = 201;
    buf_printf(&a->body, "{\"upload_id\":\"%s\",\"asset_id\":\"%s\",",
               info->upload_id, info->asset_id);
    add_urls(s, info, 1, count, &a->body);
    buf_printf(&a->body,
               ",\"upload_headers\":{%s},\"chunk_size\":%" PRId64
               ",\"total_chunks\":%u}",
               quirk_get(s->quirks, QUIRK_UPLOAD_HEADERS)
                   ? "\"" HEADER_NAME "\":\"" HEADER_VALUE "\""
                   : "",
               info->chunk_size, info->total_chunks);
}

static void create_session(struct request *r, const struct new_asset *asset,
                           int64_t total_size, struct answer *a)
{
    struct server *s = r->server;
    struct session_info info;
    struct session_plan plan = {
        .filename = asset->filename,
        .mime = asset->mime,
        .total_size = total_size,
        .chunk_size = quirk_get(s->quirks, QUIRK_CHUNK_SIZE),
        .ttl_s = quirk_get(s->quirks, QUIRK_SESSION_TTL_S),
        .hls = asset->hls,
        .thumbnail = asset->thumbnail,
    };
    if (write_asset(s, asset, plan.asset_id) ||
        (quirk_get(s->quirks, QUIRK_MULTIPART_LISTED) &&
         account_show(s->account, plan.asset_id, false)) ||
        session_create(s->sessions, &plan, &info)) {
        a->body.failed = true;
        return;
    }
    answer_session(s, &info, a);
}

void route_session_create(struct request *r, struct answer *a)
{
    static const char *const known[] = {
        "filename",         "type",          "total_size", "enable_hls",
        "enable_thumbnail", "user_metadata", NULL};
    struct server *s = r->server;
    struct buf metadata BUF_SCOPE = {0};
    struct new_asset asset = {.method = "multipart"};
    int64_t total = 0;
    if (!allowed(s, a) || !write_check_credit(s, a))
        return;
    cJSON *json = parse_object(r, known, a);
    if (!json)
        return;
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "filename");
    asset.filename = cJSON_GetStringValue(name);
    if (!name)
        write_missing(a, "filename");
    else if (!asset.filename)
        write_invalid(a, "filename", NULL);
    else if (write_check_filename(asset.filename, a) &&
             take_type(json, asset.filename, &asset.mime, a) &&
             take_number(json, "total_size", 1, INT64_C(1) << 50, &total, a) &&
             take_flag(json, "enable_hls", &asset.hls, a) &&
             take_flag(json, "enable_thumbnail", &asset.thumbnail, a) &&
             take_metadata(r, &metadata, a) &&
             write_check_size(s, asset.mime, total,
                              quirk_get(s->quirks, QUIRK_MULTIPART_MAX), a)) {
        asset.metadata = (struct slice){metadata.data, metadata.len};
        create_session(r, &asset, total, a);
    }
    cJSON_Delete(json);
}

/* page and page_limit; false when the answer is an error. */
static bool take_page(const struct request *r, uint32_t *ret_page,
                      uint32_t *ret_limit, struct answer *a)
{
    struct buf name BUF_SCOPE = {0}, value BUF_SCOPE = {0};
    const char *query = r->query;
    *ret_page = 1;
    *ret_limit = 10;
    while (query_next(&query, &name, &value)) {
        bool page = !strcmp(name.data, "page");
        char *end;
        long n = strtol(value.data, &end, 10);
        if (!page && strcmp(name.data, "page_limit") != 0) {
            answer_error(a, 400, "parameter_unknown",
                         "The following parameters are unknown: %s", name.data);
            return false;
        }
        if (*end || end == value.data || n < 1 || n > (page ? 1000000 : 50)) {
            write_invalid(a, name.data, NULL);
            return false;
        }
        *(page ? ret_page : ret_limit) = (uint32_t)n;
    }
    return true;
}

static void add_page(uint32_t page, uint32_t limit, uint32_t total,
                     struct buf *out)
{
    buf_printf(out,
               ",\"page_info\":{\"limit_per_page\":%u,\"page\":%u,"
               "\"total_page\":%u,\"total_results\":%u}}",
               limit, page, (total + limit - 1) / limit, total);
}

void route_session_list(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    uint32_t page, limit, total = 0;
    if (!allowed(s, a) || !take_page(r, &page, &limit, a))
        return;
    buf_str(&a->body, "{\"data\":[");
    session_list(s->sessions, (page - 1) * limit, limit, &a->body, &total);
    buf_char(&a->body, ']');
    add_page(page, limit, total, &a->body);
}

void route_session_status(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct buf id BUF_SCOPE = {0}, chunks BUF_SCOPE = {0};
    struct session_info info = {0};
    uint32_t page, limit;
    char created[32], updated[32];
    upload_id(r, &id);
    if (!allowed(s, a) || !take_page(r, &page, &limit, a))
        return;
    if (id.failed ||
        session_chunks(s->sessions, id.data, (page - 1) * limit, limit,
                       quirk_get(s->quirks, QUIRK_SESSION_LAG), &chunks,
                       &info)) {
        no_session(a, id.data ? id.data : "");
        return;
    }
    generate_stamp(info.created_s, created);
    generate_stamp(info.updated_s, updated);
    buf_printf(&a->body,
               "{\"upload_id\":\"%s\",\"status\":\"%s\",\"uploaded_chunks\":"
               "[%s],\"chunks_completed\":%u,\"chunks_failed\":0,"
               "\"chunks_pending\":%u,\"total_size\":%" PRId64
               ",\"created_at\":\"%s\",\"updated_at\":\"%s\"",
               info.upload_id, statuses[info.status],
               chunks.data ? chunks.data : "", info.completed,
               info.total_chunks - info.completed, info.total_size, created,
               updated);
    add_page(page, limit, info.total_chunks, &a->body);
}

/* One element of completed_chunks. */
static bool take_proof(const cJSON *item, struct proof *p, struct answer *a)
{
    int64_t index = 0;
    const char *type = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(item, "proof_type"));
    p->etag =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "proof"));
    if (!take_number(item, "chunk_index", 1, 1 << 30, &index, a) ||
        !take_number(item, "chunk_size", 1, INT64_C(1) << 40, &p->size, a))
        return false;
    p->index = (uint32_t)index;
    if (!p->etag)
        write_missing(a, "proof");
    else if (!type || strcmp(type, "etag") != 0)
        write_invalid(a, "proof_type", "it must be etag.");
    else
        return true;
    return false;
}

/* The number of proofs, 0 when the answer is an error. */
static size_t take_proofs(const cJSON *json, struct proof *proofs,
                          struct answer *a)
{
    const cJSON *list =
        cJSON_GetObjectItemCaseSensitive(json, "completed_chunks");
    int count = cJSON_GetArraySize(list);
    const cJSON *item;
    size_t n = 0;
    if (!list) {
        write_missing(a, "completed_chunks");
        return 0;
    }
    if (!cJSON_IsArray(list) || count < 1 || count > SESSION_BATCH_MAX) {
        write_invalid(a, "completed_chunks", "it must have 1 to 50 elements.");
        return 0;
    }
    cJSON_ArrayForEach(item, list)
    {
        if (!take_proof(item, &proofs[n++], a))
            return 0;
    }
    return n;
}

/* The report that completes it brings the asset. */
static int arrive(struct server *s, const struct report *report)
{
    struct arrival arrival = {
        .method = "multipart",
        .filename = report->filename,
        .upload_id = report->info.upload_id,
        .mime = report->mime,
        .bytes = report->info.total_size,
        .digest = report->digest,
        .hls = report->info.hls,
        .thumbnail = report->info.thumbnail,
    };
    memcpy(arrival.asset_id, report->info.asset_id, sizeof(arrival.asset_id));
    (void)account_show(s->account, arrival.asset_id, true);
    int64_t after = quirk_get(s->quirks, QUIRK_CREATE_STATUS)
                        ? 0
                        : quirk_get(s->quirks, QUIRK_READY_AFTER_MS);
    return intake_add(s->intake, &arrival, after);
}

static void answer_report(struct server *s, struct report *report,
                          struct answer *a)
{
    buf_printf(&a->body,
               "{\"asset_id\":\"%s\",\"processed_chunks\":%u,"
               "\"duplicate_chunks\":%u,\"total_completed\":%u",
               report->info.asset_id, report->processed, report->duplicate,
               report->total);
    if (report->completes) {
        buf_printf(&a->body, ",\"url\":\"%s/assets/%s/original\"", s->media_url,
                   report->info.asset_id);
        if (arrive(s, report))
            a->body.failed = true;
        free(report->filename);
        free(report->mime);
    }
    buf_char(&a->body, '}');
    intake_settle(s->intake, false);
}

void route_report(struct request *r, struct answer *a)
{
    static const char *const known[] = {"completed_chunks", NULL};
    struct server *s = r->server;
    struct buf id BUF_SCOPE = {0};
    struct proof proofs[SESSION_BATCH_MAX];
    struct report report;
    upload_id(r, &id);
    if (!allowed(s, a))
        return;
    cJSON *json = parse_object(r, known, a);
    size_t n = json ? take_proofs(json, proofs, a) : 0;
    int err = n ? session_report(s->sessions, id.data ? id.data : "", proofs, n,
                                 &report)
                : 0;
    cJSON_Delete(json);
    if (!n)
        return;
    if (err == -ENOENT)
        no_session(a, id.data ? id.data : "");
    else if (err == -EINVAL)
        write_invalid(a, "completed_chunks",
                      "a chunk was not uploaded, or its proof or size is "
                      "not that of what was.");
    else if (err == -ESTALE)
        answer_error(a, 400, "parameter_invalid",
                     "The upload session is no longer active.");
    else if (err)
        a->body.failed = true;
    else
        answer_report(s, &report, a);
}

void route_urls(struct request *r, struct answer *a)
{
    static const char *const known[] = {"start", "count", NULL};
    struct server *s = r->server;
    struct buf id BUF_SCOPE = {0};
    struct session_info info;
    int64_t start = 0, count = 0;
    upload_id(r, &id);
    if (!allowed(s, a))
        return;
    cJSON *json = parse_object(r, known, a);
    bool good = json && take_number(json, "start", 1, 1 << 30, &start, a) &&
                take_number(json, "count", 1, SESSION_BATCH_MAX, &count, a);
    cJSON_Delete(json);
    if (!good)
        return;
    if (id.failed || session_get(s->sessions, id.data, &info)) {
        no_session(a, id.data ? id.data : "");
    } else if (info.status != SESSION_ACTIVE) {
        answer_error(a, 400, "parameter_invalid",
                     "The upload session is no longer active.");
    } else if (start > info.total_chunks) {
        write_invalid(a, "start", "there is no such chunk.");
    } else {
        buf_printf(&a->body,
                   "{\"upload_id\":\"%s\",\"start_index\":%" PRId64
                   ",\"count\":%" PRId64 ",",
                   info.upload_id, start, count);
        add_urls(s, &info, (uint32_t)start, (uint32_t)count, &a->body);
        buf_char(&a->body, '}');
    }
}

/* As object stores say it. */
static void store_error(struct answer *a, int status, const char *code,
                        const char *message)
{
    a->status = status;
    a->type = "application/xml";
    buf_clear(&a->body);
    buf_printf(&a->body,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s"
               "</Code><Message>%s</Message></Error>",
               code, message);
}

static bool has_headers(const struct request *r)
{
    const char *type = request_header(r, "Content-Type");
    const char *other = request_header(r, HEADER_NAME);
    bool required = quirk_get(r->server->quirks, QUIRK_UPLOAD_HEADERS);
    return type && !strcmp(type, "application/octet-stream") &&
           (!required || (other && !strcmp(other, HEADER_VALUE)));
}

void route_chunk(struct request *r, struct answer *a)
{
    char etag[33];
    if (!r->put) {
        a->body.failed = true;
        return;
    }
    enum put_verdict verdict = put_verdict(r->put);
    if (verdict == PUT_GOOD && !has_headers(r))
        verdict = PUT_FORGED;
    if (verdict == PUT_GOOD && !put_end(r->put, etag) &&
        put_verdict(r->put) == PUT_GOOD) {
        store_error(a, 400, "EntityTooLarge",
                    "Your proposed upload exceeds the maximum allowed size");
        return;
    }
    verdict = verdict == PUT_GOOD ? put_verdict(r->put) : verdict;
    if (verdict == PUT_FORGED)
        store_error(a, 403, "SignatureDoesNotMatch",
                    "The request signature we calculated does not match");
    else if (verdict == PUT_GONE)
        store_error(a, 404, "NoSuchUpload",
                    "The specified upload does not exist.");
    else if (verdict != PUT_GOOD)
        store_error(a, 403, "AccessDenied",
                    verdict == PUT_EXPIRED ? "Request has expired"
                                           : "The URL was used already");
    if (verdict != PUT_GOOD)
        return;
    a->type = NULL;
    int64_t form = quirk_get(r->server->quirks, QUIRK_ETAG);
    if (form == ETAG_ABSENT)
        return;
    const char *quote = form == ETAG_BARE ? "" : "\"";
    answer_header(a, "ETag", "%s%s%s%s", form == ETAG_WEAK ? "W/" : "", quote,
                  etag, quote);
}
