/* SPDX-License-Identifier: MIT */
/*
 * fs_ops_push.c - hands the kernel the small files of a folder before anybody
 * reads them.
 *
 * A reader that lists a folder reads its files next: three READs. They are
 * stored before the reply that ends the listing, for which the reader waits
 * and after which it would ask. That is worth it only while files are read,
 * so each READ of one gives credit for some more folders.
 *
 * A serving thread may do this although notifications are notify's, for
 *  1. storing waits for a page that a READ holds, so the other thread must be
 *     free to answer that: one thread pushes at a time (push_lock), and none
 *     once the threads are about to end;
 *     (Not with rings: the READ may be in the queue of this very thread.)
 *  2. a commit's invalidation may overtake the text that was read before it:
 *     where the version moved meanwhile, the pages are dropped again.
 */
#include "mount/fs_ops.h"
#include "mount/kernel.h"

#define PUSH_MAX_BYTES 65536 /* larger files are read when wanted */
#define PUSH_CREDIT    64

_Static_assert(MOUNT_THREADS > 1, "one pushes, another serves");

static void push_file(struct mount *m, struct catalogue_reader *reader,
                      int kind, const struct catalogue_entry *asset)
{
    cleanup(buf_done) struct buf text = {.max = PUSH_MAX_BYTES};
    if (tree_file_text(&m->tree, reader, kind, asset, &text) || !text.len)
        return;
    (void)kernel_store(fuse_session_fd(m->session),
                       node_ino((enum node_kind)kind, 0, asset->row), 0,
                       text.data, (uint32_t)text.len);
}

/* From the table's end: metadata.json, which takes the asset's texts with it,
 * comes last. */
static void push_files(struct mount *m, int64_t row)
{
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    struct catalogue_entry asset;
    bool held = false;
    for (int kind = tree_kind_count - 1; reader && kind >= 0; kind--) {
        if (!tree_is_file(kind))
            continue;
        if (!held && catalogue_get(reader, row, &asset))
            return;
        if (kind != NODE_METADATA || asset.metadata_bytes <= PUSH_MAX_BYTES)
            push_file(m, reader, kind, &asset);
        held = tree_file_keeps_asset(kind);
    }
}

void fs_push(struct mount *m, int64_t row)
{
    if (m->has_rings || m->push_credit <= 0 ||
        pthread_mutex_trylock(&m->push_lock) != 0)
        return;
    m->push_credit--;
    uint64_t version = catalogue_version(m->catalogue);
    push_files(m, row);
    if (catalogue_version(m->catalogue) != version)
        notify_pages(m->notify, row);
    (void)pthread_mutex_unlock(&m->push_lock);
}

void fs_push_wanted(struct mount *m)
{
    m->push_credit = PUSH_CREDIT;
}
