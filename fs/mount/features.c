/* SPDX-License-Identifier: MIT */
#include "mount/mount.h"

const char *mount_library_version(void)
{
    return fuse_pkgversion();
}

const char *mount_library_use(void)
{
#if TWELVEFS_FUSE_RINGS
    return "io_uring where it is asked for";
#elif TWELVEFS_FUSE_MENDS_INIT
    return "its answer to INIT is mended; no io_uring";
#else
    return "no io_uring";
#endif
}

struct mount_features mount_features(const struct mount *m)
{
    struct mount_features f = m->features;
    f.io_uring = m->has_rings;
    return f;
}
