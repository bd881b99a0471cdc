/* SPDX-License-Identifier: MIT */
/* The monitor of a real target: requests, replies, events.
 *
 * Replies come in the order of the requests.  A request of ours has an id of ours.  Bytes of a
 * script may be anything, so behind them goes 0xff, which ends whatever is incomplete, and a
 * command with an id: the first answer before that command's is the one to the bytes, others are
 * dropped.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/real/nbd_io.h"

#include <errno.h>
#include <poll.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char id_prefix[] = "blksim-";

/* ---- sending ---- */

/* Once; what of it was taken, or -1.  with_fd: a descriptor that was passed goes along. */
static ssize_t send_once(struct target_real *rt, const char *bytes, size_t n, bool with_fd)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (with_fd && rt->pass_fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &rt->pass_fd, sizeof(int));
    }
    ssize_t put = sendmsg(rt->sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put > 0 && with_fd && rt->pass_fd >= 0) {
        close(rt->pass_fd);
        rt->pass_fd = -1;
    }
    return put;
}

/* All of it; a monitor that does not read makes the target stuck. */
static void send_all(struct target_real *rt, const char *bytes, size_t n, bool with_fd)
{
    int64_t until_ns = real_clock_ns() + real_limit_ns(rt);
    size_t at = 0;
    while (at < n && rt->pid > 0 && !rt->stuck) {
        ssize_t put = send_once(rt, bytes + at, n - at, with_fd);
        at += put > 0 ? (size_t)put : 0;
        if (put <= 0) {
            struct pollfd p = { .fd = rt->sock, .events = POLLOUT };
            poll(&p, 1, 5);
            real_poll(rt, 0);
            rt->stuck |= real_clock_ns() >= until_ns;
        }
    }
}

static struct real_req *add_req(struct target_real *rt, struct target_call *call)
{
    struct real_req *r = NEW(struct real_req);
    struct real_req **p = &rt->reqs;
    while (*p) {
        p = &(*p)->next;
    }
    *p = r;
    r->id = ++rt->next_id;
    r->call = call;
    r->sent_ns = real_now_ns(rt);
    return r;
}

/* Takes `request` over. */
static void send_request(struct target_real *rt, json_t *request, uint64_t id, bool with_fd)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%" PRIu64, id_prefix, id);
    json_object_set_new(request, "id", json_string(name));
    char *text = json_dumps(request, JSON_COMPACT);
    CHECK(text != NULL);
    struct strbuf line = { 0 };
    strbuf_puts(&line, text);
    strbuf_putc(&line, '\n');
    send_all(rt, line.text, line.len, with_fd);
    strbuf_free(&line);
    free(text);
    json_decref(request);
}

/* One quoted string from `at`, in double quotes; where it ends. */
static size_t requote(const char *bytes, size_t n, size_t at, struct strbuf *out)
{
    char quote = bytes[at++];
    strbuf_putc(out, '"');
    for (; at < n && bytes[at] != quote; at++) {
        bool escape = bytes[at] == '\\' && at + 1 < n;
        if (escape && bytes[at + 1] != '\'') {
            strbuf_putc(out, '\\');
        } else if (!escape && bytes[at] == '"') {
            strbuf_putc(out, '\\');
        }
        at += escape;
        strbuf_putc(out, bytes[at]);
    }
    strbuf_putc(out, '"');
    return at + 1;
}

json_t *real_qmp_parse(const char *bytes, size_t n)
{
    struct strbuf out = { 0 };
    for (size_t at = 0; at < n;) {
        if (bytes[at] == '"' || bytes[at] == '\'') {
            at = requote(bytes, n, at, &out);
        } else {
            strbuf_putc(&out, bytes[at++]);
        }
    }
    json_t *request = json_loadb(strbuf_str(&out), out.len, 0, NULL);
    strbuf_free(&out);
    return request;
}

void real_qmp_send(struct target_real *rt, const json_t *request, struct target_call *call)
{
    struct real_req *r = add_req(rt, call);
    uint64_t id = r->id;
    r->guest = real_guest_for(rt, request);
    send_request(rt, json_copy((json_t *)(uintptr_t)request), id, true);
}

void real_qmp_send_raw(struct target_real *rt, const char *bytes, size_t n,
                       struct target_call *call)
{
    struct real_req *r = add_req(rt, call);
    uint64_t id = r->id;
    r->raw = true;
    json_t *request = real_qmp_parse(bytes, n);
    r->guest = real_guest_for(rt, request);
    json_decref(request);
    struct strbuf all = { 0 };
    strbuf_add(&all, bytes, n);
    strbuf_add(&all, "\n\xff\n", 3);
    send_all(rt, all.text, all.len, true);
    strbuf_free(&all);
    send_request(rt, json_pack("{s:s}", "execute", "query-name"), id, false);
}

/* ---- receiving ---- */

static void take_first(struct target_real *rt)
{
    struct real_req *r = rt->reqs;
    rt->reqs = r->next;
    real_guest_free(r->guest);
    free(r);
}

static json_t *make_error(const char *desc)
{
    json_t *reply = json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError", "desc", desc);
    CHECK(reply != NULL);
    return reply;
}

/* The answer to a request; takes reply over. */
static void answer(struct target_real *rt, struct real_req *r, json_t *reply)
{
    struct target_call *call = r->call;
    struct real_guest *guest = r->guest;
    r->call = NULL;
    r->guest = NULL;
    if (r->reply) {
        *r->reply = reply;
        r->reply = NULL;
    } else if (call) {
        real_ports_hide(reply);
        call->reply = reply;
        if (guest) {
            real_guest_replied(rt, guest, call);
            return;
        }
        call->done = true;
    } else {
        json_decref(reply);
    }
    real_guest_free(guest);
}

/* The monitor is done with it without having said anything. */
static void no_answer(struct target_real *rt, struct real_req *r)
{
    if (r->call) {
        answer(rt, r, make_error("there is no answer"));
    }
}

/* 0: no id of ours. */
static uint64_t our_id(const json_t *message)
{
    const char *id = json_string_value(json_object_get(message, "id"));
    size_t n = sizeof(id_prefix) - 1;
    return id && strncmp(id, id_prefix, n) == 0 ? strtoull(id + n, NULL, 10) : 0;
}

static void on_reply(struct target_real *rt, json_t *message)
{
    uint64_t id = our_id(message);
    struct real_req *r = rt->reqs;
    while (r && id && r->id != id) {
        no_answer(rt, r);
        take_first(rt);
        r = rt->reqs;
    }
    if (!r) {
        json_decref(message);
        return;
    }
    if (id && r->raw) {
        no_answer(rt, r);
        json_decref(message);
        take_first(rt);
    } else if (id) {
        json_object_del(message, "id");
        answer(rt, r, message);
        take_first(rt);
    } else if (r->raw && r->call) {
        answer(rt, r, message);
    } else {
        json_decref(message);
    }
}

static void on_event(struct target_real *rt, json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    bool drop = real_port_event(rt, event) || (rt->nbd && nbd_io_event(rt->nbd, event)) ||
                (rt->swallow_resume && name && strcmp(name, "RESUME") == 0) ||
                json_array_size(rt->base.events) >= REAL_EVENTS_MAX;
    if (drop) {
        json_decref(event);
        return;
    }
    json_array_append_new(rt->base.events, event);
    rt->base.event_came = true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What QEMU says and jansson does not take: numbers that it has no integer for get a point behind
 * them, and a NUL is shown as it is written. */
static json_t *load_unusual(const char *text, size_t n)
{
    struct strbuf out = { 0 };
    bool quoted = false;
    for (size_t i = 0; i < n;) {
        size_t digits = 0;
        while (!quoted && i + digits < n && is_digit(text[i + digits])) {
            digits++;
        }
        if (digits > 0) {
            char after = i + digits < n ? text[i + digits] : ',';
            strbuf_add(&out, text + i, digits);
            strbuf_puts(&out, digits >= 19 && !strchr(".eE", after) ? ".0" : "");
            i += digits;
        } else {
            bool escape = quoted && text[i] == '\\' && i + 1 < n;
            bool nul = escape && n - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0;
            quoted ^= text[i] == '"';
            strbuf_puts(&out, nul ? "\\" : "");
            strbuf_add(&out, text + i, escape ? 2 : 1);
            i += escape ? 2 : 1;
        }
    }
    json_t *value = json_loadb(strbuf_str(&out), out.len, JSON_DECODE_ANY, NULL);
    strbuf_free(&out);
    return value;
}

static void on_message(struct target_real *rt, const char *text, size_t n)
{
    json_t *m = json_loadb(text, n, 0, NULL);
    m = m ? m : load_unusual(text, n);
    if (!json_is_object(m)) {
        json_decref(m);
        return;
    }
    if (json_object_get(m, "QMP")) {
        rt->greeted = true;
        json_decref(m);
    } else if (json_object_get(m, "event")) {
        on_event(rt, m);
    } else {
        on_reply(rt, m);
    }
}

void real_qmp_bytes(struct target_real *rt, const char *bytes, size_t n)
{
    struct strbuf *b = &rt->in;
    size_t at = 0;
    char *end;
    strbuf_add(b, bytes, n);
    while ((end = memchr(b->text + MAX(at, rt->in_seen), '\n', b->len - MAX(at, rt->in_seen)))) {
        size_t len = (size_t)(end - b->text) - at;
        on_message(rt, b->text + at, len);
        at += len + 1;
    }
    CHECK(at <= b->len);
    if (at > 0) {
        memmove(b->text, b->text + at, b->len - at + 1);
        b->len -= at;
    }
    rt->in_seen = b->len;
    if (b->len > REAL_REPLY_MAX) {
        rt->stuck = true;
        strbuf_free(b);
        rt->in_seen = 0;
    }
}

/* ---- exchanges ---- */

int real_exchange(struct target_real *rt, const char *command, json_t *arguments, json_t **reply)
{
    json_t *request = json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
    json_t *got = NULL;
    int64_t until_ns = real_now_ns(rt) + real_limit_ns(rt);
    CHECK(request != NULL);
    *reply = NULL;
    if (rt->pid <= 0 || rt->stuck) {
        json_decref(request);
        return rt->pid <= 0 ? -EPIPE : -ETIME;
    }
    struct real_req *r = add_req(rt, NULL);
    uint64_t id = r->id;
    r->reply = &got;
    send_request(rt, request, id, false);
    while (!got && rt->pid > 0 && !rt->stuck) {
        int64_t left_ns = until_ns - real_now_ns(rt);
        rt->stuck = left_ns <= 0;
        real_poll(rt, left_ns);
    }
    for (r = rt->reqs; r; r = r->next) {
        r->reply = r->id == id ? NULL : r->reply;
    }
    *reply = got;
    return got ? 0 : rt->pid <= 0 ? -EPIPE : -ETIME;
}

void real_qmp_end_all(struct target_real *rt)
{
    while (rt->reqs) {
        struct target_call *call = rt->reqs->call;
        if (call) {
            call->died = call->failed = call->done = true;
        }
        take_first(rt);
    }
}

int64_t real_qmp_oldest_ns(const struct target_real *rt)
{
    return rt->reqs ? MAX(rt->reqs->sent_ns, 1) : 0;
}

bool real_qmp_busy(const struct target_real *rt)
{
    return rt->reqs != NULL;
}
