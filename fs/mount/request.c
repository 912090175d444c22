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

void fs_forget(struct mount *m, fuse_ino_t ino, uint64_t count)
{
    struct node n;
    if (!node_parse(ino, &n))
        return;
    if (tree_is_late(n.kind))
        content_forget(m->contents, ino, count);
    tree_forget(&m->tree, &n, count);
}

/* Counted before the reply: the kernel may forget it at once.
 * What is late had its content counted when it was measured. */
int fs_reply_entry(struct request *r, const struct tree_entry *e)
{
    const struct fuse_entry_param p = fs_entry_param(e);
    struct node n;
    if (node_parse(e->ino, &n))
        tree_remember(&r->mount->tree, &n, 1);
    if (fuse_reply_entry(r->req, &p))
        fs_forget(r->mount, e->ino, 1);
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
