/* SPDX-License-Identifier: MIT */
#include "kind.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *extension;
    const char *mime;
} known[] = {
    {".mp4", "video/mp4"},       {".m4v", "video/x-m4v"},
    {".mov", "video/quicktime"}, {".mkv", "video/x-matroska"},
    {".webm", "video/webm"},     {".avi", "video/x-msvideo"},
    {".mpg", "video/mpeg"},      {".ts", "video/mp2t"},
    {".jpg", "image/jpeg"},      {".jpeg", "image/jpeg"},
    {".png", "image/png"},       {".gif", "image/gif"},
    {".webp", "image/webp"},     {".tiff", "image/tiff"},
    {".mp3", "audio/mpeg"},      {".wav", "audio/wav"},
    {".m4a", "audio/mp4"},       {".flac", "audio/flac"},
    {".ogg", "audio/ogg"},       {".aac", "audio/aac"},
    {".pdf", "application/pdf"}, {".txt", "text/plain"},
    {".md", "text/markdown"},
};

const char *kind_mime(const char *filename)
{
    const char *dot = strrchr(filename, '.');
    for (size_t i = 0; dot && i < sizeof(known) / sizeof(*known); i++)
        if (!strcasecmp(dot, known[i].extension))
            return known[i].mime;
    return NULL;
}

static bool begins(const char *head, size_t n, const char *with, size_t length)
{
    return n >= length && !memcmp(head, with, length);
}

/* Video and audio: whatever FFmpeg takes, but for what says of itself that
 * it is broken. */
bool kind_matches(const char *mime, const char *head, size_t n)
{
    if (!strcmp(mime, "image/jpeg"))
        return begins(head, n, "\xff\xd8\xff", 3);
    if (!strcmp(mime, "image/png"))
        return begins(head, n, "\x89PNG", 4);
    if (!strcmp(mime, "image/gif"))
        return begins(head, n, "GIF8", 4);
    if (!strcmp(mime, "image/webp"))
        return begins(head, n, "RIFF", 4);
    if (!strcmp(mime, "application/pdf"))
        return begins(head, n, "%PDF-", 5);
    if (!strncmp(mime, "text/", 5))
        return !memchr(head, '\0', n);
    return !begins(head, n, "BROKEN", 6);
}
