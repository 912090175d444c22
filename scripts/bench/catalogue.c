/* SPDX-License-Identifier: MIT */
/*
 * The catalogue on its own: rows a second, bytes a row, and what a FUSE
 * request costs in it. Needs about 2 KB of disk a row.
 *
 *   cc -O2 -D_GNU_SOURCE -Ifs scripts/bench/catalogue.c \
 *      build/fs/libtwelvefs.a -lsqlite3 -lutf8proc -lcrypto -lxxhash -lm -o
 * bench
 *   ./bench DIRECTORY [ROWS]
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "catalogue/catalogue.h"
#include "json/metadata.h"

#define ROWS_A_COMMIT 500
#define CALLS         20000
#define LIST_ENTRIES  195 /* of one READDIRPLUS request */

static uint64_t state = 88172645463325252u;

static uint64_t number(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void must(int err, const char *what)
{
    if (err == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-err));
    exit(1);
}

static const char format[] =
    "{\"_id\":\"%s\",\"created_at\":\"%s\",\"filename\":\"%s\","
    "\"file_type\":\"video/mp4\",\"method\":\"direct\",\"status\":\"%s\","
    "\"size\":%llu,\"duration\":%llu.25,\"hls\":{\"status\":\"ready\","
    "\"manifest_url\":\"https://cdn.example.com/%s/stream.m3u8?sig=%llx\"},"
    "\"thumbnail\":{\"status\":\"ready\",\"representative_url\":"
    "\"https://cdn.example.com/%s/thumb.jpg?sig=%llx\"},"
    "\"user_metadata\":{\"category\":\"c%llu\",\"score\":%llu},"
    "\"technical_metadata\":{\"video_codec\":\"h264\",\"video_width\":1920,"
    "\"video_height\":1080,\"fps\":29.97,\"audio_codec\":\"aac\","
    "\"bit_rate\":4500000,\"streams\":[{\"index\":0,\"kind\":\"video\"},"
    "{\"index\":1,\"kind\":\"audio\"}]}}";

struct texts {
    char id[32], name[64], created[CLOCK_RFC3339_SIZE], json[2048];
    char picture[128], manifest[128];
};

static void fill(struct texts *t, struct asset *a, int64_t i)
{
    unsigned long long sig = number(UINT64_MAX);

    snprintf(t->id, sizeof(t->id), "%08llx%016llx",
             (unsigned long long)number(1u << 31), sig);
    snprintf(t->name, sizeof(t->name), "recording %lld of session %llu.mp4",
             (long long)i, (unsigned long long)number(1000));
    clock_format_rfc3339(1700000000 + i * 7, t->created);
    *a = (struct asset){.id = t->id,
                        .filename = t->name,
                        .filename_len = strlen(t->name),
                        .created_s = 1700000000 + i * 7,
                        .type = (enum asset_type)number(4),
                        .size_bytes = (int64_t)number(1u << 31)};
    snprintf(t->picture, sizeof(t->picture),
             "https://cdn.example.com/%s/thumb.jpg?sig=%llx", t->id, sig);
    snprintf(t->manifest, sizeof(t->manifest),
             "https://cdn.example.com/%s/stream.m3u8?sig=%llx", t->id, sig);
    a->picture_url = t->picture;
    a->manifest_url = t->manifest;
    a->json = t->json;
    a->json_len = (size_t)snprintf(
        t->json, sizeof(t->json), format, t->id, t->created, t->name,
        number(100) ? "ready" : "failed", (unsigned long long)a->size_bytes,
        (unsigned long long)number(7200), t->id, sig, t->id, sig,
        (unsigned long long)number(20), (unsigned long long)number(1000));
    a->created_at = t->created;
    a->shape = 1;
    must(metadata_measure(a->json, a->json_len, &a->rendered_bytes,
                          &a->line_bytes),
         "measure");
}

static void insert(struct catalogue *c, int64_t from, int64_t count)
{
    struct catalogue_diff diff = {0};
    struct texts t;
    struct asset a;
    int64_t row;
    bool fresh;

    for (int64_t i = from; i < from + count; i++) {
        if (i % ROWS_A_COMMIT == 0)
            must(catalogue_begin(c), "begin");
        fill(&t, &a, i);
        must(catalogue_put(c, &a, true, 1800000000, &row, &fresh), "put");
        if (i % ROWS_A_COMMIT != ROWS_A_COMMIT - 1 && i != from + count - 1)
            continue;
        must(catalogue_commit(c, &diff), "commit");
        catalogue_diff_done(&diff);
    }
}

static int64_t begun_ns;

static void begin(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    begun_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
}

static double elapsed_us(void)
{
    int64_t from = begun_ns;
    begin();
    return (double)(begun_ns - from) / 1000;
}

static bool stop_after(void *ctx, const struct catalogue_entry *e)
{
    int *left = ctx;
    (void)e;
    return --*left > 0;
}

/* keep: one reader for all calls, or one acquired for each. */
static void points(struct catalogue *c, int64_t rows)
{
    struct catalogue_entry e;
    struct buf out;
    static char names[CALLS][NAME_SIZE];
    struct catalogue_reader *r = catalogue_reader_acquire(c);

    for (int i = 0; i < CALLS; i++) {
        int64_t row = 1 + (int64_t)number((uint64_t)rows);
        must(catalogue_get(r, row, &e), "get");
        memcpy(names[i], e.folder, strlen(e.folder) + 1);
    }
    catalogue_reader_release(r);
    begin();
    for (int i = 0; i < CALLS; i++) {
        r = catalogue_reader_acquire(c);
        must(catalogue_get_by_folder(r, names[i], &e), "get_by_folder");
        catalogue_reader_release(r);
    }
    printf("get_by_folder     %8.2f us\n", elapsed_us() / CALLS);
    for (int i = 0; i < CALLS; i++) {
        r = catalogue_reader_acquire(c);
        must(catalogue_get(r, 1 + (int64_t)number((uint64_t)rows), &e), "get");
        catalogue_reader_release(r);
    }
    printf("get               %8.2f us\n", elapsed_us() / CALLS);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < CALLS; i++) {
        r = catalogue_reader_acquire(c);
        buf_reset(&out);
        must(catalogue_body(r, 1 + (int64_t)number((uint64_t)rows), &out),
             "body");
        catalogue_reader_release(r);
    }
    printf("body              %8.2f us\n", elapsed_us() / CALLS);
    buf_done(&out);
    for (int i = 0; i < CALLS / 20; i++) {
        int left = LIST_ENTRIES;
        r = catalogue_reader_acquire(c);
        must(catalogue_list(r, ASSET_VIDEO, (int64_t)number((uint64_t)rows),
                            stop_after, &left),
             "list");
        catalogue_reader_release(r);
    }
    printf("list of %d       %8.2f us\n", LIST_ENTRIES,
           elapsed_us() / (CALLS / 20));
}

static void select_rows(struct catalogue *c, const char *segment)
{
    struct query q = {0};
    int64_t *rows;
    uint32_t *lines;
    size_t count;
    struct catalogue_reader *r = catalogue_reader_acquire(c);

    if (*segment)
        must(query_add(&q, segment, catalogue_field_known, r), segment);
    begin();
    must(catalogue_select(r, &q, 0, &rows, &lines, &count), "select");
    printf("select %-24s %8.2f ms, %zu rows\n", segment, elapsed_us() / 1000,
           count);
    if (count > 0) {
        int64_t row = rows[count / 2];
        for (int i = 0; i < CALLS / 10; i++)
            must(catalogue_matches(r, &q, row), "matches");
        printf("   matches        %8.2f us\n", elapsed_us() / (CALLS / 10));
    }
    free(rows);
    free(lines);
    query_done(&q);
    catalogue_reader_release(r);
}

static void indexing(struct catalogue *c, const char *field)
{
    bool done = false;

    begin();
    for (struct catalogue_diff diff = {0}; !done; catalogue_diff_done(&diff)) {
        must(catalogue_begin(c), "begin");
        must(catalogue_fields_index_step(c, &field, 1, 512, &done), field);
        must(done ? catalogue_commit(c, &diff)
                  : catalogue_commit_later(c, &diff),
             "commit");
    }
    printf("index %-18s %8.2f ms\n", field, elapsed_us() / 1000);
}

static void ranks(struct catalogue *c, int64_t rows)
{
    struct catalogue_reader *r = catalogue_reader_acquire(c);
    struct catalogue_entry e;
    int64_t rank;

    for (int tenth = 0; tenth <= 10; tenth += 5) {
        int64_t row = rows * tenth / 10 + (tenth == 0);
        must(catalogue_get(r, row, &e), "get");
        begin();
        for (int i = 0; i < 20; i++)
            must(catalogue_rank(r, e.created_s, row, &rank), "rank");
        printf("rank at %3d%%      %8.2f us\n", tenth * 10, elapsed_us() / 20);
    }
    catalogue_reader_release(r);
}

static void size_of_files(const char *directory, int64_t rows)
{
    char path[4096];
    struct stat st;

    snprintf(path, sizeof(path), "%s/catalogue.sqlite", directory);
    if (stat(path, &st) == 0)
        printf("file              %8.0f bytes a row\n",
               (double)st.st_size / (double)rows);
    snprintf(path, sizeof(path), "%s/catalogue.sqlite-wal", directory);
    if (stat(path, &st) == 0)
        printf("log               %8.1f MB\n", (double)st.st_size / 1e6);
}

int main(int argc, char **argv)
{
    struct catalogue *c;
    int64_t rows = argc > 2 ? atoll(argv[2]) : 100000;

    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY [ROWS]\n", argv[0]);
        return 2;
    }
    must(catalogue_open(argv[1], &c), "open");
    if (catalogue_count(c, ASSET_TYPE_COUNT) == 0) {
        begin();
        insert(c, 0, rows);
        printf("insert            %8.0f rows/s\n",
               (double)rows * 1e6 / elapsed_us());
    }
    size_of_files(argv[1], rows);
    points(c, rows);
    ranks(c, rows);
    select_rows(c, "");
    select_rows(c, "filename=77 of session 12");
    select_rows(c, "type=video");
    select_rows(c, "created=2024-01");
    indexing(c, "status");
    select_rows(c, "status=failed");
    indexing(c, "duration");
    select_rows(c, "duration=600..660");
    select_rows(c, "duration=600..");
    indexing(c, "technical_metadata.video_height");
    select_rows(c, "technical_metadata.video_height=1080");
    begin();
    insert(c, rows, 10000);
    printf("insert, 3 indexed %8.0f rows/s\n", 1e10 / elapsed_us());
    begin();
    catalogue_close(c);
    printf("close             %8.2f ms\n", elapsed_us() / 1000);
    return 0;
}
