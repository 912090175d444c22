/* SPDX-License-Identifier: MIT */
/*
 * notify_manager.h - tells a service manager (systemd's Type=notify) how the
 * mount is: datagrams to the socket that NOTIFY_SOCKET names. Without one they
 * do nothing. Any thread.
 */
#ifndef TWELVEFS_NOTIFY_MANAGER_H
#define TWELVEFS_NOTIFY_MANAGER_H

/* One message: "STOPPING=1". */
void notify_manager(const char *message);

/* The mount is usable; status is the line that `systemctl status` shows. */
void notify_manager_ready(const char *status);

#endif
