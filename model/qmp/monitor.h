/* A QMP monitor: the protocol between the bytes of a client and the commands of a layer.
 *
 *            monitor_connect                    qmp_capabilities
 *   closed ------------------> negotiating ---------------------------> commands
 *      ^                            |                                       |
 *      +----- monitor_disconnect ---+---------------------------------------+
 *
 * A monitor has one client at a time.  Each client is greeted and negotiates anew.  Requests wait
 * in a queue and are answered in order; with the capability "oob" up to 8 may wait, and one that is
 * out of band overtakes them; without it the next request is not read before the last one is
 * answered.  A client that goes takes with it what it sent and what has not begun.  The reply of a
 * command that has begun goes to whoever is there when it ends: QEMU does the same.
 * (QEMU docs/interop/qmp-spec.txt; behaviour of the installed 7.2 program.)
 */
#ifndef MODEL_QMP_MONITOR_H
#define MODEL_QMP_MONITOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct layer;
struct monitor;

struct monitor_config {
    struct layer *layer;
    /* Whole lines for the client, each with its CR LF.  May run in a coroutine; may not yield. */
    void (*send)(void *opaque, const char *bytes, size_t n);
    /* The last request was answered.  NULL: nobody asks. */
    void (*idle)(void *opaque);
    void *opaque;
};

struct monitor *monitor_create(const struct monitor_config *cfg);
/* Checked: closed, and nothing runs. */
void monitor_destroy(struct monitor *m);

void monitor_connect(struct monitor *m);
void monitor_disconnect(struct monitor *m);
bool monitor_is_connected(const struct monitor *m);

/* Takes bytes of the client; returns how many.  The others are to be given again when
 * monitor_takes is true.  Commands run in coroutines. */
size_t monitor_feed(struct monitor *m, const char *bytes, size_t n);
bool monitor_takes(const struct monitor *m);

/* A request runs or waits. */
bool monitor_is_busy(const struct monitor *m);

/* An event of the layer, for a client that has negotiated. */
void monitor_event(struct monitor *m, const json_t *event);

#endif
