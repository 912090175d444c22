/* SPDX-License-Identifier: MIT */
#include "json/leaves.h"

#include <errno.h>
#include <string.h>

void leaves_init(struct leaves *w)
{
    w->depth = 0;
    w->at = (struct leaves_level){0};
    w->name_next = false;
    w->path[0] = '\0';
}

static void enter_name(struct leaves *w, const struct scan_token *t)
{
    const struct leaves_level *top = &w->levels[w->depth - 1];
    char decoded[6 * LEAVES_MAX_PATH + 2]; /* all of it may be \u escapes */
    const char *name = t->text + 1;
    size_t len = t->len - 2;
    size_t start = top->path_len;

    w->name_next = false;
    w->at = *top;
    w->at.lost = top->lost || ++w->at.names > LEAVES_MAX_NAMES ||
                 t->len > sizeof(decoded);
    if (!w->at.lost && t->escaped) {
        name = decoded;
        len = scan_unescape(t->text, t->len, decoded);
        w->at.lost = memchr(name, '\0', len);
    }
    if (w->at.lost || len + start + 1 > LEAVES_MAX_PATH) {
        w->at.lost = true;
        return;
    }
    if (start > 0)
        w->path[start++] = '.';
    memcpy(w->path + start, name, len);
    w->at.path_len = (unsigned short)(start + len);
    w->path[w->at.path_len] = '\0';
}

static void open_level(struct leaves *w, bool object)
{
    struct leaves_level *level = &w->levels[w->depth];

    *level = w->at;
    level->object = object;
    w->depth++;
    w->name_next = object;
}

/* Back to what the enclosing container holds: in an array the next element is
 * a value of the same field. */
static void leaves_resume(struct leaves *w, bool comma)
{
    if (w->depth == 0)
        return;
    const struct leaves_level *top = &w->levels[w->depth - 1];
    w->name_next = comma && top->object;
    if (!top->object) {
        w->at = *top;
        w->path[top->path_len] = '\0';
    }
}

static bool is_value(const struct leaves *w)
{
    return !w->at.lost && w->at.path_len > 0;
}

bool leaves_take(struct leaves *w, const struct scan_token *token)
{
    switch (token->kind) {
    case SCAN_OBJECT_OPEN:
    case SCAN_ARRAY_OPEN:
        if (w->depth > SCAN_MAX_DEPTH)
            return false;
        open_level(w, token->kind == SCAN_OBJECT_OPEN);
        return is_value(w);
    case SCAN_OBJECT_CLOSE:
    case SCAN_ARRAY_CLOSE:
        w->depth -= w->depth > 0;
        leaves_resume(w, false);
        return false;
    case SCAN_COMMA:
        leaves_resume(w, true);
        return false;
    case SCAN_COLON:
    case SCAN_END:
        return false;
    default:
        if (!w->name_next)
            return is_value(w);
        enter_name(w, token);
        return false;
    }
}

int leaves_skip(struct leaves *w, struct scan *s)
{
    const char *end = scan_skip_brackets(s->at, s->end, 1);

    if (!end || w->depth == 0)
        return -EBADMSG;
    s->at = end;
    w->depth--;
    leaves_resume(w, false);
    return 0;
}
