/* SPDX-License-Identifier: MIT */
/*
 * request.c - how a request is run, and the replies that several kinds share.
 */
#include "mount/fs_ops.h"

static void request_finish(struct request *r, int result)
{
    if (result < 0)
        (void)fuse_reply_err(r->req, fs_errno(r->operation, result));
    parked_free(r);
}

void request_serve(struct request *r)
{
    int result = r->run(r);
    if (result != REQUEST_PARKED)
        request_finish(r, result);
}

void request_resume(struct request *r)
{
    if (r->answer && !r->tolerant)
        request_finish(r, r->answer);
    else
        request_serve(r);
}

/* Counted before it is told: the kernel may forget at once. */
int fs_reply_entry(struct request *r, const struct tree_entry *e)
{
    const struct fuse_entry_param p = fs_entry_param(e);
    struct node n = {0};
    struct view_table *views = r->mount->tree.views;
    bool counted = node_parse(e->ino, &n) && node_is_per_view(n.kind);
    if (counted)
        view_remember(views, n.view, 1);
    bool failed = fuse_reply_entry(r->req, &p);
    if (failed && counted)
        view_forget(views, n.view, 1);
    if (failed && tree_is_late(n.kind))
        content_forget(r->mount->contents, e->ino, 1);
    return 0;
}

int fs_reply_negative(struct request *r, double timeout_s)
{
    struct fuse_entry_param e = {.entry_timeout = timeout_s};
    (void)fuse_reply_entry(r->req, &e);
    return 0;
}

int fs_reply_part(struct request *r, const char *text, size_t len, size_t skip)
{
    size_t begin = skip < len ? skip : len;
    size_t size = len - begin < r->size ? len - begin : r->size;
    (void)fuse_reply_buf(r->req, text + begin, size);
    return 0;
}
