/* SPDX-License-Identifier: MIT */
#include "form.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PARSER_MEMORY ((size_t)64 << 10)

static const char *const names[FORM_FIELDS] = {
    "method",           "file",          "url", "filename", "enable_hls",
    "enable_thumbnail", "user_metadata",
};

static int field_of(const char *name)
{
    for (int i = 0; i < FORM_FIELDS; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* The first bytes of a part: its name, and what its header says. */
static void begin_part(struct form *f, int field, const char *name,
                       const char *filename, const char *type)
{
    if (!strcmp(f->last, name))
        return;
    strncpy(f->last, name, sizeof(f->last) - 1);
    if (f->order.len)
        buf_char(&f->order, ',');
    buf_str(&f->order, name);
    if (field < 0 && !f->unknown.len)
        buf_str(&f->unknown, name);
    if (field >= 0)
        f->given[field] = true;
    if (field == FORM_FILE && filename)
        buf_str(&f->part_filename, filename);
    if (field == FORM_FILE && type)
        buf_str(&f->part_type, type);
}

static enum MHD_Result take(void *cls, enum MHD_ValueKind kind,
                            const char *name, const char *filename,
                            const char *type, const char *encoding,
                            const char *bytes, uint64_t offset, size_t n)
{
    struct form *f = cls;
    int field = field_of(name);
    (void)kind;
    (void)encoding;
    if (!offset)
        begin_part(f, field, name, filename, type);
    if (field == FORM_FILE) {
        size_t room = sizeof(f->head) - f->head_size;
        size_t more = n < room ? n : room;
        memcpy(f->head + f->head_size, bytes, more);
        f->head_size += more;
        digest_add(f->digest, bytes, n);
        f->bytes += (int64_t)n;
    } else if (field >= 0) {
        buf_add(&f->field[field], bytes, n);
        f->failed |= f->field[field].failed;
    }
    return MHD_YES;
}

struct form *form_new(struct MHD_Connection *connection)
{
    struct form *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    for (int i = 0; i < FORM_FIELDS; i++)
        f->field[i].max = FORM_FIELD_MAX;
    f->digest = digest_new();
    f->failed = !f->digest;
    const char *type = MHD_lookup_connection_value(
        connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (type && !strncasecmp(type, "multipart/form-data", 19))
        f->parser =
            MHD_create_post_processor(connection, PARSER_MEMORY, take, f);
    return f;
}

void form_free(struct form *f)
{
    if (!f)
        return;
    if (f->parser)
        MHD_destroy_post_processor(f->parser);
    for (int i = 0; i < FORM_FIELDS; i++)
        buf_done(&f->field[i]);
    buf_done(&f->order);
    buf_done(&f->unknown);
    buf_done(&f->part_filename);
    buf_done(&f->part_type);
    digest_free(f->digest);
    free(f);
}

void form_feed(struct form *f, const char *bytes, size_t n)
{
    if (f->parser && !f->failed)
        (void)MHD_post_process(f->parser, bytes, n);
}
