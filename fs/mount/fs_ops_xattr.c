/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

#include "json/scan.h"

/* user.twelvelabs.<field> on folders: each top-level scalar by its text, and
 * the id. */
#define PREFIX     "user.twelvelabs."
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define BODY_MAX   (256u << 20)

static int read_asset(struct request *r, struct buf *body, struct buf *id)
{
    struct node n;
    if (!node_parse(r->ino, &n))
        return -ESTALE;
    if (n.kind != NODE_FOLDER)
        return -ENODATA;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(r->mount->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    int err = catalogue_get(reader, n.row, &asset);
    if (!err)
        err = buf_append_str(id, asset.id);
    if (!err)
        err = catalogue_body(reader, n.row, body);
    return err == -ENOENT ? -ESTALE : err;
}

/* The exact token's text, a string's decoded. Containers have none. */
static int scalar_text(const char *token, size_t len, struct buf *out)
{
    if (len == 0 || *token == '{' || *token == '[')
        return -ENODATA;
    if (*token != '"')
        return buf_append(out, token, len);
    int err = buf_reserve(out, len);
    if (err)
        return err;
    cleanup(free_ptr) char *text = malloc(len);
    if (!text)
        return -ENOMEM;
    size_t decoded = scan_unescape(token, len, text);
    return buf_append(out, text, decoded);
}

/* FUSE's protocol: size 0 asks how much there is. */
static int reply_bytes(struct request *r, const struct buf *bytes)
{
    if (r->size == 0)
        (void)fuse_reply_xattr(r->req, bytes->len);
    else if (bytes->len > r->size)
        return -ERANGE;
    else
        (void)fuse_reply_buf(r->req, buf_str(bytes), bytes->len);
    return 0;
}

int fs_getxattr(struct request *r)
{
    /* ENODATA would make ls ask again for every file of the mount. */
    if (strncmp(r->name, "user.", 5) != 0)
        return -EOPNOTSUPP;
    if (strncmp(r->name, PREFIX, PREFIX_LEN) != 0)
        return -ENODATA;
    const char *field = r->name + PREFIX_LEN;
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    cleanup(buf_done) struct buf value = {.max = XATTR_SIZE_MAX};
    cleanup(buf_done) struct buf id = {.max = XATTR_SIZE_MAX};
    int err = read_asset(r, &body, &id);
    if (err)
        return err;
    if (strcmp(field, "id") == 0)
        return reply_bytes(r, &id);
    const char *token;
    size_t len;
    err = scan_member(buf_str(&body), body.len, field, strlen(field), &token,
                      &len);
    if (!err)
        err = scalar_text(token, len, &value);
    if (err)
        return err == -ENOENT || err == -EBADMSG ? -ENODATA : err;
    return reply_bytes(r, &value);
}

/* A member's name, where it may be an attribute's and this is the member that
 * a look-up by the name finds. */
static int append_name(const char *object, size_t object_len,
                       const struct scan_token *key, const char *value,
                       struct buf *out)
{
    cleanup(free_ptr) char *name = malloc(key->len);
    if (!name)
        return -ENOMEM;
    size_t len = scan_unescape(key->text, key->len, name);
    const char *found;
    size_t found_len;
    if (len == 0 || len > XATTR_NAME_MAX - PREFIX_LEN ||
        memchr(name, '\0', len) || (len == 2 && memcmp(name, "id", 2) == 0) ||
        scan_member(object, object_len, name, len, &found, &found_len) ||
        found != value)
        return 0;
    int err = buf_append(out, PREFIX, PREFIX_LEN);
    if (!err)
        err = buf_append(out, name, len);
    return err ? err : buf_append(out, "", 1);
}

static int append_names(const char *object, size_t len, struct buf *out)
{
    struct scan s;
    struct scan_token token;
    scan_init(&s, object, len);
    int err = scan_next(&s, &token);
    if (err || token.kind != SCAN_OBJECT_OPEN)
        return -EBADMSG;
    for (;;) {
        struct scan_token key;
        const char *value;
        size_t value_len;
        err = scan_next(&s, &key);
        if (!err && key.kind == SCAN_COMMA)
            err = scan_next(&s, &key);
        if (err || key.kind != SCAN_STRING)
            return err;
        err = scan_next(&s, &token);
        if (!err)
            err = scan_value(&s, &value, &value_len);
        if (!err && *value != '{' && *value != '[')
            err = append_name(object, len, &key, value, out);
        if (err)
            return err;
    }
}

int fs_listxattr(struct request *r)
{
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    cleanup(buf_done) struct buf names = {.max = XATTR_LIST_MAX};
    cleanup(buf_done) struct buf id = {.max = XATTR_SIZE_MAX};
    int err = read_asset(r, &body, &id);
    if (err == -ENODATA)
        return reply_bytes(r, &names);
    if (!err)
        err = buf_append(&names, PREFIX "id", sizeof(PREFIX "id"));
    if (!err)
        err = append_names(buf_str(&body), body.len, &names);
    return err ? err : reply_bytes(r, &names);
}
