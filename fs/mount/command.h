/* SPDX-License-Identifier: MIT */
/*
 * command.h - what `twelvefs COMMAND` and the daemon say to each other.
 *
 * Commands travel as ioctls on a directory of the mount. So there is no
 * socket, and it is enough to see the mount, as from a container. An ioctl's
 * number includes the size of struct command, so a twelvefs with another
 * struct answers ENOTTY; `version` is for changes that keep the size. The
 * kernel copies the struct in and out. It holds no pointer and has one layout
 * for 32 and 64 bits.
 *
 * The daemon obeys the mount's owner and root; others get EPERM. If the
 * question itself is wrong, `error` is set and the text says why. What goes
 * wrong while answering (the network, a deadline, a signal) is the ioctl's
 * errno.
 */
#ifndef TWELVEFS_MOUNT_COMMAND_H
#define TWELVEFS_MOUNT_COMMAND_H

#include <stdint.h>
#include <sys/ioctl.h>

#define COMMAND_VERSION    1
#define COMMAND_TEXT_BYTES 16000

struct command {
    uint32_t version; /* COMMAND_VERSION of the writer */
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
/* Whole lines of JSON about files in the watched folder, after so many of them
 * (one word); its end where it is empty. */
#define COMMAND_UPLOADS COMMAND_NUMBER(19)

_Static_assert(sizeof(struct command) < 1 << _IOC_SIZEBITS,
               "an ioctl's number holds its size");

#endif
