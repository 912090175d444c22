/* SPDX-License-Identifier: MIT */
/* POST /assets, DELETE /assets/{id}, PATCH, PUT and DELETE of user-metadata,
 * as API.md has them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "intake.h"
#include "write.h"

static const char *text_of(struct form *f, enum form_field which)
{
    struct buf *field = &f->field[which];
    if (!f->given[which])
        return NULL;
    return field->data ? field->data : "";
}

/* The last segment of a URL's path. */
static void name_of_url(const char *url, struct buf *out)
{
    const char *path = strstr(url, "://");
    path = path ? path + 3 : url;
    size_t n = strcspn(path, "?#");
    const char *slash = memrchr(path, '/', n);
    const char *from = slash ? slash + 1 : path + n;
    path_decode(from, n - (size_t)(from - path), out);
}

static bool check_presence(struct form *f, struct answer *a)
{
    const char *method = text_of(f, FORM_METHOD);
    if (!f->parser) {
        answer_error(a, 400, "parameter_invalid",
                     "The body must be multipart/form-data.");
    } else if (f->unknown.len) {
        answer_error(a, 400, "parameter_unknown",
                     "The following parameters are unknown: %s",
                     f->unknown.data);
    } else if (!method) {
        write_missing(a, "method");
    } else if (strcmp(method, "direct") != 0 && strcmp(method, "url") != 0) {
        write_invalid(a, "method", "it must be direct or url.");
    } else if (*method == 'd' && !f->given[FORM_FILE]) {
        write_missing(a, "file");
    } else if (*method == 'u' && !f->given[FORM_URL]) {
        write_missing(a, "url");
    } else if (*method == 'u' &&
               strncmp(text_of(f, FORM_URL), "http", 4) != 0) {
        write_invalid(a, "url", NULL);
    } else {
        return true;
    }
    return false;
}

/* Metadata in a form is one JSON text. */
static bool check_metadata(struct form *f, struct buf *out, struct answer *a)
{
    struct buf key BUF_SCOPE = {0};
    const char *text = text_of(f, FORM_METADATA);
    if (!text)
        return true;
    cJSON *json = cJSON_Parse(text);
    bool object = cJSON_IsObject(json);
    cJSON_Delete(json);
    if (!object)
        write_invalid(a, "user_metadata", "it must be a JSON object.");
    else if (!write_metadata((struct slice){text, strlen(text)}, false, out,
                             &key))
        write_invalid(a, "user_metadata",
                      "values must be strings, numbers or booleans.");
    else
        return true;
    return false;
}

/* What a file is refused for; NULL: it is taken. */
static const char *refusal(const char *mime, const struct form *f, bool direct)
{
    if (!mime)
        return "The file type is not supported.";
    if (direct && !f->bytes)
        return "The file is empty.";
    if (direct && !kind_matches(mime, f->head, f->head_size))
        return "The content of the file does not match its type, or is "
               "broken.";
    return NULL;
}

/* Everything is right: makes the asset. */
static void create(struct request *r, struct form *f, struct new_asset *asset,
                   const char *failure, struct answer *a)
{
    struct server *s = r->server;
    struct arrival arrival = {
        .method = asset->method,
        .filename = asset->filename,
        .part_filename = f->part_filename.data,
        .part_type = f->part_type.data,
        .order = f->order.data,
        .mime = asset->mime,
        .bytes = f->given[FORM_FILE] ? f->bytes : -1,
        .hls = asset->hls,
        .thumbnail = asset->thumbnail,
        .failure = failure,
    };
    if (f->given[FORM_FILE])
        digest_end(f->digest, &arrival.digest);
    int64_t after = quirk_get(s->quirks, QUIRK_READY_AFTER_MS);
    if (quirk_get(s->quirks, QUIRK_CREATE_STATUS))
        after = 0;
    if (write_asset(s, asset, arrival.asset_id) ||
        intake_add(s->intake, &arrival, after)) {
        a->body.failed = true;
        return;
    }
    intake_settle(s->intake, false);
    a->status = 201;
    write_subset(s, arrival.asset_id, &a->body);
}

void route_create(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct form *f = r->form;
    struct buf name BUF_SCOPE = {0}, metadata BUF_SCOPE = {0};
    struct new_asset asset = {0};
    if (!f || f->failed) {
        a->body.failed = true;
        return;
    }
    if (!check_presence(f, a) || !write_check_credit(s, a))
        return;
    asset.method = text_of(f, FORM_METHOD);
    bool direct = *asset.method == 'd';
    if (f->given[FORM_FILENAME])
        buf_str(&name, text_of(f, FORM_FILENAME));
    else if (direct)
        buf_str(&name, f->part_filename.data ? f->part_filename.data : "");
    else
        name_of_url(text_of(f, FORM_URL), &name);
    asset.filename = name.data ? name.data : "";
    asset.mime = kind_mime(asset.filename);
    if (!asset.mime && direct && f->part_filename.data)
        asset.mime = kind_mime(f->part_filename.data);
    if (!write_check_filename(asset.filename, a) ||
        !check_metadata(f, &metadata, a))
        return;
    asset.metadata = (struct slice){metadata.data, metadata.len};
    if (!write_parse_flag(text_of(f, FORM_HLS), &asset.hls)) {
        write_invalid(a, "enable_hls", "it must be true or false.");
        return;
    }
    if (!write_parse_flag(text_of(f, FORM_THUMBNAIL), &asset.thumbnail)) {
        write_invalid(a, "enable_thumbnail", "it must be true or false.");
        return;
    }
    if (direct && !write_check_size(s, asset.mime, f->bytes,
                                    quirk_get(s->quirks, QUIRK_DIRECT_MAX), a))
        return;
    const char *failure = refusal(asset.mime, f, direct);
    if (failure && !quirk_get(s->quirks, QUIRK_REFUSAL)) {
        answer_error(a, 400,
                     asset.mime ? "video_file_broken" : "parameter_invalid",
                     "%s", failure);
        return;
    }
    if (!asset.mime)
        asset.mime = "application/octet-stream";
    create(r, f, &asset, failure, a);
}

static void not_found(struct answer *a, const char *id)
{
    answer_error(a, 404, "resource_not_exist",
                 "Asset with id %.100s does not exist.", id);
}

void route_delete(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct buf name BUF_SCOPE = {0}, value BUF_SCOPE = {0}, id BUF_SCOPE = {0};
    const char *query = r->query;
    bool force = false;
    while (query_next(&query, &name, &value)) {
        if (strcmp(name.data, "force") != 0) {
            answer_error(a, 400, "parameter_unknown",
                         "The following parameters are unknown: %s", name.data);
            return;
        }
        if (!write_parse_flag(value.data, &force)) {
            write_invalid(a, "force", "it must be true or false.");
            return;
        }
    }
    request_asset_id(r, &id);
    if (id.failed || !account_has(s->account, id.data)) {
        not_found(a, id.data ? id.data : "");
        return;
    }
    if (!force && intake_is_referred(s->intake, id.data)) {
        answer_error(a, 409, "resource_in_use",
                     "Asset %.100s is used by indexed assets or entities. "
                     "Set force to true to delete it.",
                     id.data);
        return;
    }
    if (account_delete(s->account, id.data)) {
        not_found(a, id.data);
        return;
    }
    (void)intake_refer(s->intake, id.data, false);
    int64_t form = quirk_get(s->quirks, QUIRK_DELETE_ANSWER);
    a->status = form == DELETE_204 ? 204 : 200;
    if (form == DELETE_OBJECT)
        buf_str(&a->body, "{}");
}

/* {"user_metadata":{…}} as the account is to merge it. */
static void build_patch(struct server *s, const char *id, struct slice given,
                        bool replaces, struct buf *out)
{
    struct buf text BUF_SCOPE = {0};
    struct slice old = {0}, key, value;
    size_t pos = 0;
    if (given.n <= 2 && replaces &&
        quirk_get(s->quirks, QUIRK_EMPTY_METADATA)) {
        buf_str(out, "{\"user_metadata\":null}");
        return;
    }
    buf_str(out, "{\"user_metadata\":{");
    if (replaces && !account_get(s->account, id, true, &text))
        (void)json_find((struct slice){text.data, text.len}, "user_metadata",
                        &old);
    /* Everything goes, then what is given comes: the last member counts. */
    while (old.n && json_next(old, &pos, &key, &value)) {
        buf_add(out, key.p, key.n);
        buf_str(out, ":null,");
    }
    if (given.n > 2)
        buf_add(out, given.p + 1, given.n - 2);
    else if (!out->failed && out->data[out->len - 1] == ',')
        out->len--;
    buf_str(out, "}}");
}

/* The body's user_metadata, checked; false when it is refused. */
static bool parse_body(struct request *r, bool nulls, struct buf *out,
                       struct answer *a)
{
    struct slice body = {r->body.data, r->body.len}, key, object = {0};
    struct buf refused BUF_SCOPE = {0};
    size_t pos = 0;
    cJSON *json = cJSON_ParseWithLength(body.p ? body.p : "", body.n);
    bool good = cJSON_IsObject(json);
    cJSON_Delete(json);
    if (!good) {
        answer_error(a, 400, "parameter_invalid",
                     "The body is no JSON object.");
        return false;
    }
    struct slice value;
    while (json_next(body, &pos, &key, &value)) {
        if (key.n != 15 || memcmp(key.p, "\"user_metadata\"", 15) != 0) {
            answer_error(a, 400, "parameter_unknown",
                         "The following parameters are unknown: %.*s",
                         (int)(key.n < 100 ? key.n : 100), key.p);
            return false;
        }
        object = value;
    }
    if (!object.n) {
        write_missing(a, "user_metadata");
    } else if (*object.p != '{') {
        write_invalid(a, "user_metadata", "it must be an object.");
    } else if (!write_metadata(object, nulls, out, &refused)) {
        write_invalid(a, "user_metadata",
                      "values must be strings, numbers or booleans.");
    } else {
        return true;
    }
    return false;
}

void route_metadata(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct buf id BUF_SCOPE = {0}, given BUF_SCOPE = {0}, patch BUF_SCOPE = {0};
    bool merges = !strcmp(r->method, "PATCH");
    bool clears = !strcmp(r->method, "DELETE");
    request_asset_id(r, &id);
    if (id.failed || !account_has(s->account, id.data)) {
        not_found(a, id.data ? id.data : "");
        return;
    }
    if (clears)
        buf_str(&given, "{}");
    else if (!parse_body(r, merges, &given, a))
        return;
    build_patch(s, id.data, (struct slice){given.data, given.len}, !merges,
                &patch);
    if (patch.failed || account_edit(s->account, id.data,
                                     (struct slice){patch.data, patch.len})) {
        not_found(a, id.data);
        return;
    }
    if (quirk_get(s->quirks, QUIRK_METADATA_ANSWER))
        buf_str(&a->body, "{}");
}
