/* SPDX-License-Identifier: MIT */
/*
 * command.h - what `twelvefs COMMAND` and the daemon say to each other.
 *
 * Commands travel as ioctls on a directory of the mount: no socket, and no more
 * than the mount itself must be seen (a container will do). An ioctl's number
 * holds the size of struct command, so a twelvefs to which that means something
 * else answers ENOTTY; `version` is for what changes within. The kernel copies
 * the struct in and out, which holds no pointer and is alike for 32 bits.
 *
 * The daemon obeys the mount's owner and root; others are told EPERM. What can
 * only go wrong in the question is told with a text, in `error`; what goes
 * wrong on the way (the network, a deadline, a signal) is the ioctl's errno.
 */
#ifndef TWELVEFS_MOUNT_COMMAND_H
#define TWELVEFS_MOUNT_COMMAND_H

#include <stdint.h>
#include <sys/ioctl.h>

#define COMMAND_VERSION    1
#define COMMAND_TEXT_BYTES 16000

struct command {
    uint32_t version; /* COMMAND_VERSION of who wrote it */
    int32_t error;    /* the answer's: 0 or an errno, positive */
    uint32_t length;  /* of text */
    /* The question's words, each ended by a NUL; the answer's text. */
    char text[COMMAND_TEXT_BYTES];
};

#define COMMAND_NUMBER(n) _IOWR(0xf7, n, struct command)

/* On any directory of the mount. Polls; answers when the kernel was told what
 * the poll brought, with lines that say it. */
#define COMMAND_REFRESH COMMAND_NUMBER(1)
/* How the mount is, for people; and the text of status.json. */
#define COMMAND_STATUS      COMMAND_NUMBER(2)
#define COMMAND_STATUS_JSON COMMAND_NUMBER(3)
/* On a directory that lists assets: saves a query under a name (two words),
 * forgets one (one word). */
#define COMMAND_SAVE   COMMAND_NUMBER(4)
#define COMMAND_FORGET COMMAND_NUMBER(5)
/* On an asset's folder: changes its user_metadata by a patch (one word, see
 * json/tag.h). Answers when the kernel was told of what came of it. */
#define COMMAND_TAG COMMAND_NUMBER(16)
/* Text of the journal of deletions, from an offset (one word) on; its end where
 * it is empty. */
#define COMMAND_DELETED COMMAND_NUMBER(17)

/* Events (catalogue.h's log of changes), without waiting for any. Words: the
 * mount's number as an answer told it, or "" in the first question; and where
 * to begin: "now", "since NS" or "at SEQ". The answer's first line is
 *   MOUNT SEQ LEFT MISSED FIRST_NS
 * then lines of events, as many as there are and fit. SEQ: where to go on, and
 * how many events were LEFT there;
 * MISSED: events that the log held no longer, or -1, and no events, where it
 * goes back to FIRST_NS only (0: it hasn't begun). Of another mount's number
 * the answer has this mount's, and no events. */
#define COMMAND_WATCH COMMAND_NUMBER(18)

_Static_assert(sizeof(struct command) < 1 << _IOC_SIZEBITS,
               "an ioctl's number holds its size");

#endif
