/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "json/scan.h"
#include "json/tag.h"

/* user.twelvelabs.<field> on folders: each top-level scalar by its text, the
 * id, and of user_metadata each key, which can be set. */
#define PREFIX     "user.twelvelabs."
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define TAGS       "user_metadata"
#define TAG        PREFIX TAGS "."
#define TAG_LEN    (sizeof(TAG) - 1)
#define PATCH_MAX  (2u << 20) /* of one value, escaped */
#define BODY_MAX   (256u << 20)

static int xattr_read_asset(struct request *r, struct buf *body, struct buf *id)
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
static int xattr_scalar_text(const char *token, size_t len, struct buf *out)
{
    if (len == 0 || *token == '{' || *token == '[')
        return -ENODATA;
    if (*token != '"')
        return buf_append(out, token, len);
    cleanup(free_ptr) char *text = malloc(len);
    if (!text)
        return -ENOMEM;
    size_t decoded = scan_unescape(token, len, text);
    return buf_append(out, text, decoded);
}

/* FUSE's protocol: size 0 asks how much there is. */
static int xattr_reply(struct request *r, const struct buf *bytes)
{
    if (r->size == 0)
        (void)fuse_reply_xattr(r->req, bytes->len);
    else if (bytes->len > r->size)
        return -ERANGE;
    else
        (void)fuse_reply_buf(r->req, buf_str(bytes), bytes->len);
    return 0;
}

/* An attribute's value in an object, exact. What has a tag's name is a tag's,
 * whatever else the object has. 0, or -ENODATA, -EBADMSG. */
static int xattr_find(const struct buf *body, const char *name,
                      const char **ret_token, size_t *ret_len)
{
    const char *field = name + PREFIX_LEN;
    const char *object = buf_str(body);
    size_t len = body->len;
    int err = 0;
    if (strncmp(name, TAG, TAG_LEN) == 0) {
        field = name + TAG_LEN;
        err = scan_member(object, len, TAGS, strlen(TAGS), &object, &len);
    }
    if (!err)
        err =
            scan_member(object, len, field, strlen(field), ret_token, ret_len);
    return err == -ENOENT ? -ENODATA : err;
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
    int err = xattr_read_asset(r, &body, &id);
    if (err)
        return err;
    if (strcmp(field, "id") == 0)
        return xattr_reply(r, &id);
    const char *token;
    size_t len;
    err = xattr_find(&body, r->name, &token, &len);
    if (!err)
        err = xattr_scalar_text(token, len, &value);
    if (err)
        return err == -EBADMSG ? -ENODATA : err;
    return xattr_reply(r, &value);
}

/* Whether it can be read: what is larger than any attribute can't. */
static bool xattr_is_readable(const char *value, size_t len)
{
    cleanup(buf_done) struct buf text = {.max = XATTR_SIZE_MAX};
    return len <= XATTR_SIZE_MAX || xattr_scalar_text(value, len, &text) == 0;
}

/* What another attribute has the name of. */
static bool xattr_is_taken(const char *name, size_t len, bool is_tag)
{
    size_t tags_len = TAG_LEN - PREFIX_LEN;
    if (is_tag)
        return false;
    return (len == 2 && memcmp(name, "id", 2) == 0) ||
           (len >= tags_len && memcmp(name, TAGS ".", tags_len) == 0);
}

/* A member's name, where it may be an attribute's and this is the member that
 * a look-up by the name finds. */
static int xattr_append_name(const char *object, size_t object_len,
                             const struct scan_token *key, const char *value,
                             size_t value_len, const char *prefix,
                             struct buf *out)
{
    size_t prefix_len = strlen(prefix);
    bool is_tag = prefix_len > PREFIX_LEN;
    cleanup(free_ptr) char *name = malloc(key->len);
    if (!name)
        return -ENOMEM;
    size_t len = scan_unescape(key->text, key->len, name);
    const char *found;
    size_t found_len;
    if (len == 0 || len > XATTR_NAME_MAX - prefix_len ||
        memchr(name, '\0', len) || xattr_is_taken(name, len, is_tag) ||
        !xattr_is_readable(value, value_len) ||
        scan_member(object, object_len, name, len, &found, &found_len) ||
        found != value)
        return 0;
    int err = buf_append(out, prefix, prefix_len);
    if (!err)
        err = buf_append(out, name, len);
    return err ? err : buf_append(out, "", 1);
}

static int xattr_append_names(const char *object, size_t len,
                              const char *prefix, struct buf *out)
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
            err = xattr_append_name(object, len, &key, value, value_len, prefix,
                                    out);
        if (err)
            return err;
    }
}

int fs_listxattr(struct request *r)
{
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    cleanup(buf_done) struct buf names = {.max = XATTR_LIST_MAX};
    cleanup(buf_done) struct buf id = {.max = XATTR_SIZE_MAX};
    int err = xattr_read_asset(r, &body, &id);
    if (err == -ENODATA)
        return xattr_reply(r, &names);
    if (!err)
        err = buf_append(&names, PREFIX "id", sizeof(PREFIX "id"));
    if (!err)
        err = xattr_append_names(buf_str(&body), body.len, PREFIX, &names);
    const char *tags;
    size_t len;
    if (!err &&
        scan_member(buf_str(&body), body.len, TAGS, strlen(TAGS), &tags,
                    &len) == 0 &&
        *tags == '{')
        err = xattr_append_names(tags, len, TAG, &names);
    return err == -EBADMSG ? -EIO : err ? err : xattr_reply(r, &names);
}

/* XATTR_CREATE and XATTR_REPLACE; what isn't there can't be removed. */
static int xattr_check_presence(const struct request *r, const struct buf *body)
{
    const char *token;
    size_t len;
    bool absent = xattr_find(body, r->name, &token, &len) != 0;
    if (r->operation_flags & XATTR_CREATE)
        return absent ? 0 : -EEXIST;
    return absent && r->operation_flags & XATTR_REPLACE ? -ENODATA : 0;
}

static int xattr_run_set(struct request *r)
{
    if (r->asked & REQUEST_ASKED_CHANGE) {
        (void)fuse_reply_err(r->req, 0);
        return 0;
    }
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    cleanup(buf_done) struct buf id = {.max = XATTR_SIZE_MAX};
    int err = xattr_read_asset(r, &body, &id);
    if (!err)
        err = xattr_check_presence(r, &body);
    if (err)
        return err;
    return park_change(r, r->mount->change,
                       &(struct change_question){.kind = CHANGE_TAG,
                                                 .id = buf_str(&id),
                                                 .patch = r->text});
}

/* Whether an attribute can be set here. */
static int xattr_check_settable(const struct request *r)
{
    struct node n;
    if (!r->mount->change)
        return -EROFS;
    if (strncmp(r->name, PREFIX, PREFIX_LEN) != 0)
        return -EOPNOTSUPP;
    if (!node_parse(r->ino, &n))
        return -ESTALE;
    return n.kind == NODE_FOLDER && strncmp(r->name, TAG, TAG_LEN) == 0
               ? 0
               : -EPERM;
}

void fs_setxattr(struct request *r, const char *value, size_t size, int flags)
{
    cleanup(buf_done) struct buf patch = {.max = PATCH_MAX};
    int err = xattr_check_settable(r);
    if (!err)
        err = tag_append(&patch, r->name + TAG_LEN, value, size);
    if (!err)
        err = tag_end(&patch);
    if (err) {
        (void)fuse_reply_err(r->req, fs_errno(r->operation, err));
        return;
    }
    r->text = buf_str(&patch);
    r->operation_flags = value ? flags : XATTR_REPLACE;
    r->run = xattr_run_set;
    request_serve(r);
}

int fs_tag(struct request *r, const char *patch)
{
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    cleanup(buf_done) struct buf id = {.max = XATTR_SIZE_MAX};
    int err = xattr_read_asset(r, &body, &id);
    if (err)
        return err == -ENODATA ? -ENOTDIR : err;
    return park_change(r, r->mount->change,
                       &(struct change_question){.kind = CHANGE_TAG,
                                                 .id = buf_str(&id),
                                                 .patch = patch});
}
