/* SPDX-License-Identifier: MIT */
/* One monitor: reader -> queue -> worker -> reply.
 *
 * The worker is a coroutine that exists while there is something in the queue; it takes one request
 * after the other, and waits its turn for the layer with each (model/qmp/command.c).
 *
 * Invariants:
 *  1. The queue holds what has not begun; a client that goes empties it.
 *  2. There is a worker exactly while a request runs or waits.
 *  3. With "oob" no byte is read while QUEUE_MAX requests wait, without it while there is a worker.
 */
#include "model/qmp/monitor.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/qmp/reader.h"
#include "model/qmp/writer.h"

#include <stdlib.h>

enum { QUEUE_MAX = 8 };

/* A request, or what the reader said instead of one. */
struct request {
    json_t *value; /* NULL: err it is. */
    struct error err;
    struct request *next;
};

struct monitor {
    struct monitor_config cfg;
    struct qmp_session session;
    struct qmp_reader *reader;
    bool connected;
    bool working; /* There is a worker. */
    struct request *head, **tail;
    size_t waiting;
    struct strbuf line; /* Of send_json, kept for its memory. */
};

/* ---- Output ---- */

static void send_json(struct monitor *m, const json_t *value)
{
    if (!m->connected) {
        return;
    }
    m->line.len = 0;
    qmp_write(&m->line, value);
    strbuf_add(&m->line, "\r\n", 2);
    m->cfg.send(m->cfg.opaque, m->line.text, m->line.len);
}

static void send_greeting(struct monitor *m)
{
    json_t *greeting = json_pack("{s:{s:o, s:[s]}}", "QMP", "version", qmp_version_info(),
                                 "capabilities", "oob");
    CHECK(greeting != NULL);
    send_json(m, greeting);
    json_decref(greeting);
}

void monitor_event(struct monitor *m, const json_t *event)
{
    if (m->session.negotiated) {
        send_json(m, event);
    }
}

/* ---- The queue ---- */

static struct request *pop(struct monitor *m)
{
    struct request *r = m->head;
    if (r) {
        CHECK(m->waiting > 0);
        m->head = r->next;
        m->tail = m->head ? m->tail : &m->head;
        m->waiting--;
    }
    return r;
}

static void request_free(struct request *r)
{
    json_decref(r->value);
    free(r);
}

static json_t *answer(struct monitor *m, const struct request *r)
{
    return r->value ? qmp_dispatch(m->cfg.layer, &m->session, r->value)
                    : qmp_dispatch_error(m->cfg.layer, &r->err);
}

/* Takes a request only when it is its turn: until then it can still be dropped. */
static void work(void *opaque)
{
    struct monitor *m = opaque;
    CHECK(m->working);
    while (m->head) {
        qmp_lock(m->cfg.layer);
        struct request *r = pop(m);
        json_t *reply = r ? answer(m, r) : NULL;
        qmp_unlock(m->cfg.layer);
        if (r) {
            send_json(m, reply);
            json_decref(reply);
            request_free(r);
        }
    }
    m->working = false;
    if (m->cfg.idle) {
        m->cfg.idle(m->cfg.opaque);
    }
}

static void push(struct monitor *m, json_t *value, const struct error *err)
{
    struct request *r = NEW(struct request);
    *r = (struct request){ .value = json_incref(value), .err = err ? *err : ERROR_INIT };
    *m->tail = r;
    m->tail = &r->next;
    m->waiting++;
    if (!m->working) {
        m->working = true;
        co_create(m->cfg.layer->sim, "QMP monitor", 0, work, m);
    }
}

/* A value or an error from the reader. */
static void got(void *opaque, json_t *value, const struct error *err)
{
    struct monitor *m = opaque;
    if (value && qmp_is_oob(&m->session, value)) {
        json_t *reply = qmp_dispatch(m->cfg.layer, &m->session, value);
        send_json(m, reply);
        json_decref(reply);
    } else {
        push(m, value, err);
    }
}

/* ---- What the front end calls ---- */

struct monitor *monitor_create(const struct monitor_config *cfg)
{
    struct monitor *m = NEW(struct monitor);
    CHECK(cfg->layer && cfg->send);
    m->cfg = *cfg;
    m->tail = &m->head;
    return m;
}

void monitor_destroy(struct monitor *m)
{
    CHECK(!m->connected && !m->working && !m->head);
    strbuf_free(&m->line);
    free(m);
}

void monitor_connect(struct monitor *m)
{
    CHECK(!m->connected && !m->head);
    m->connected = true;
    m->session = (struct qmp_session){ .strict = true };
    m->reader = qmp_reader_create(got, m);
    send_greeting(m);
}

void monitor_disconnect(struct monitor *m)
{
    struct request *r;
    CHECK(m->connected);
    m->connected = false;
    m->session = (struct qmp_session){ .strict = true };
    qmp_reader_destroy(m->reader);
    m->reader = NULL;
    while ((r = pop(m)) != NULL) {
        request_free(r);
    }
}

bool monitor_is_connected(const struct monitor *m)
{
    return m->connected;
}

bool monitor_takes(const struct monitor *m)
{
    return m->connected && (m->session.oob ? m->waiting < QUEUE_MAX : !m->working);
}

size_t monitor_feed(struct monitor *m, const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && monitor_takes(m)) {
        i += qmp_reader_feed_one(m->reader, bytes + i, n - i);
    }
    return i;
}

bool monitor_is_busy(const struct monitor *m)
{
    return m->working;
}
