/* SPDX-License-Identifier: MIT */
#include "tree/attr.h"

#include <errno.h>
#include <string.h>

#include "grammar/name.h"

#define NS_PER_S    INT64_C(1000000000)
#define BLOCK_BYTES 512
#define URL_HEAD    "[InternetShortcut]\r\nURL="
#define URL_TAIL    "\r\n"

static void attr_any(const struct attr_owner *owner, uint64_t number,
                     mode_t mode, nlink_t nlink, int64_t size_bytes,
                     struct timespec mtime, struct stat *ret)
{
    *ret = (struct stat){
        .st_ino = number,
        .st_mode = mode,
        .st_nlink = nlink,
        .st_uid = owner->uid,
        .st_gid = owner->gid,
        .st_size = size_bytes,
        .st_blksize = 4096,
        .st_blocks = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES,
        .st_atim = mtime,
        .st_mtim = mtime,
        .st_ctim = mtime,
    };
}

void attr_directory(const struct attr_owner *owner, uint64_t number,
                    mode_t mode, nlink_t nlink, struct timespec mtime,
                    struct stat *ret)
{
    attr_any(owner, number, S_IFDIR | (mode & ~owner->umask), nlink, 0, mtime,
             ret);
}

void attr_file(const struct attr_owner *owner, uint64_t number, mode_t mode,
               int64_t size_bytes, struct timespec mtime, struct stat *ret)
{
    attr_any(owner, number, S_IFREG | (mode & ~owner->umask), 1, size_bytes,
             mtime, ret);
}

void attr_symlink(const struct attr_owner *owner, uint64_t number,
                  int64_t size_bytes, struct timespec mtime, struct stat *ret)
{
    attr_any(owner, number, S_IFLNK | 0777, 1, size_bytes, mtime, ret);
    ret->st_blocks = 0;
}

struct timespec attr_ns_time(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    if (t.tv_nsec < 0) {
        t.tv_nsec += NS_PER_S;
        t.tv_sec--;
    }
    return t;
}

/* A commit that changed no listing may still change what a query selects, so
 * the nanoseconds are the version's. */
struct timespec attr_commit_time(const struct catalogue *c)
{
    struct timespec t = attr_ns_time(catalogue_changed_ns(c, ASSET_TYPE_COUNT));
    t.tv_nsec = (long)(catalogue_version(c) % (uint64_t)NS_PER_S);
    return t;
}

struct timespec attr_folder_time(const struct view *v,
                                 const struct catalogue_entry *e)
{
    struct timespec t = {.tv_sec = e->created_s};
    if (v->type != ASSET_TYPE_COUNT)
        return t;
    t.tv_nsec = (e->picture_url ? 2 : 0) + (e->manifest_url ? 1 : 0);
    return t;
}

struct timespec attr_media_time(const struct catalogue_entry *e)
{
    struct timespec t = {.tv_sec = e->created_s};
    uint32_t code = e->manifest_url ? 1 : 0;
    if (e->picture_url) {
        char extension[ASSET_EXT_SIZE];
        asset_picture_extension(e->picture_url, extension);
        for (const char *c = extension; *c; c++)
            code = code * 37 + (unsigned char)*c;
    }
    t.tv_nsec = code % 1000000000;
    return t;
}

int attr_url_text(const char *url, struct buf *out)
{
    size_t before = out->len;
    int err = buf_append_str(out, URL_HEAD);
    if (!err)
        err = buf_append_str(out, url);
    if (!err)
        err = buf_append_str(out, URL_TAIL);
    if (err && out->data)
        buf_truncate(out, before);
    return err;
}

int64_t attr_url_bytes(const char *url)
{
    return (int64_t)(strlen(url) + sizeof(URL_HEAD) - 1 + sizeof(URL_TAIL) - 1);
}

int attr_media_target(unsigned depth, const char *id, const char *name,
                      struct buf *out)
{
    char component[NAME_SIZE];
    int err = name_of_id(id, component);
    for (unsigned i = 0; !err && i < depth; i++)
        err = buf_append_str(out, "../");
    if (!err)
        err = buf_appendf(out, ".media/%s", component);
    if (!err && name)
        err = buf_appendf(out, "/%s", name);
    return err;
}
