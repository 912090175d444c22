/* SPDX-License-Identifier: MIT */
#include "explain.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum exit_status explain_internal(int err, struct buf *error)
{
    (void)buf_appendf(error, "cannot start: %s", strerror(-err));
    return EXIT_INTERNAL;
}

enum exit_status explain_base_url(const struct options *o, struct buf *error)
{
    (void)buf_appendf(error,
                      "invalid base URL '%s' (use one like "
                      "https://api.twelvelabs.io/v1.3)",
                      o->base_url);
    return EXIT_USAGE;
}

/* Whether the last part of a base URL is a version: "v1.3". */
static bool has_version(const char *base_url)
{
    const char *host = strstr(base_url, "://");
    const char *slash = strrchr(host ? host + 3 : base_url, '/');
    return slash && slash[1] == 'v' && slash[2] >= '0' && slash[2] <= '9';
}

static bool was_reached(int err)
{
    return err != -EHOSTUNREACH && err != -ENETUNREACH && err != -ETIMEDOUT;
}

enum exit_status explain_api(struct api *api, int err, const struct options *o,
                             struct buf *error)
{
    if (err == -EACCES) {
        (void)buf_appendf(error,
                          "the API at %s refused the key of %s "
                          "(TWELVE_LABS_API_KEY, key_file=, key_command= or "
                          "twelvefs login)",
                          o->base_url, options_account_name(o));
        return EXIT_KEY_REFUSED;
    }
    struct api_stats stats = {0};
    api_stats(api, &stats);
    const char *why = stats.last_error_text;
    if (!*why)
        why =
            err == -EIO ? "its answers are no list of assets" : strerror(-err);
    (void)buf_appendf(error, "%s %s: %s",
                      was_reached(err) ? "cannot list assets from"
                                       : "cannot reach the API at",
                      o->base_url, why);
    if (was_reached(err) && !has_version(o->base_url))
        (void)buf_append_str(error,
                             " (a base URL ends with the API's version, as "
                             "https://api.twelvelabs.io/v1.3 does)");
    return EXIT_NETWORK;
}

enum exit_status explain_mount(int err, const char *why,
                               const struct options *o, struct buf *error)
{
    if (err == -ENODEV && !*why)
        why = "there is no /dev/fuse (load it with modprobe fuse; give it to a "
              "container with --device /dev/fuse)";
    else if (err == -EPERM && !*why && geteuid() != 0)
        why = "fusermount3 refused, for the reason above";
    else if (err == -ETIMEDOUT && !*why)
        why = "the kernel does not answer";
    (void)buf_appendf(error, "cannot mount on %s: %s", o->mountpoint,
                      *why ? why : strerror(-err));
    if (err == -EINVAL && o->fuse_options)
        return EXIT_USAGE;
    return err == -ENODEV || err == -EPROTO || err == -ETIMEDOUT ||
                   err == -ENOMEM
               ? EXIT_INTERNAL
               : EXIT_MOUNT_POINT;
}
