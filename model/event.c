/* SPDX-License-Identifier: MIT */
/* Events on their way out: written once, for the trace, for who listens and for logs alike; a value
 * is made of the text by who wants one (event_value).
 *
 *   {"timestamp": {"seconds": 0, "microseconds": 0}, "event": "NAME", "data": {...}}
 *   |--------------- written by event_head ------------------------|
 */
#include "base/check.h"
#include "model/layer_state.h"

/* The text of an event as far as its name. */
static void event_head(struct strbuf *out, const struct layer *l, const char *name)
{
    int64_t us = sim_now_ns(l->sim) / NS_PER_US;
    strbuf_puts(out, "{\"timestamp\": {\"seconds\": ");
    qmp_write_integer(out, us / 1000000);
    strbuf_puts(out, ", \"microseconds\": ");
    qmp_write_integer(out, us % 1000000);
    strbuf_puts(out, "}, \"event\": ");
    qmp_write_text(out, name);
}

static const char data_key[] = ", \"data\": ";

static void trace(const struct layer *l, const struct event *e, struct strbuf *scratch)
{
    scratch->len = 0;
    strbuf_puts(scratch, e->name);
    strbuf_putc(scratch, ' ');
    strbuf_add(scratch, e->text + e->data, e->len - e->data - (e->data > 0));
    trace_emit_text(&l->sim->trace, sim_now_ns(l->sim), TRACE_EVENT, 0, scratch->text,
                    scratch->len);
}

void layer_deliver(struct layer *l, const struct event *e)
{
    struct strbuf scratch = l->event_trace;
    l->event_trace = (struct strbuf){ 0 };
    trace(l, e, &scratch);
    strbuf_free(&l->event_trace); /* Of an event that this one has caused. */
    l->event_trace = scratch;
    if (l->event) {
        l->event(l->event_opaque, e);
    }
}

void layer_emit(struct layer *l, const char *name, json_t *data)
{
    struct strbuf text = l->event_text;
    struct event e = { .name = name };
    l->event_text = (struct strbuf){ 0 };
    text.len = 0;
    event_head(&text, l, name);
    if (data) {
        strbuf_puts(&text, data_key);
        e.data = text.len;
        qmp_write(&text, data);
    }
    strbuf_putc(&text, '}');
    e.text = text.text;
    e.len = text.len;
    if (!event_limit_hold(l, &e, data)) {
        layer_deliver(l, &e);
    }
    json_decref(data);
    strbuf_free(&l->event_text);
    l->event_text = text;
}

void layer_emit_members(struct layer *l, const char *name, const struct event_member *members,
                        size_t n)
{
    struct strbuf text = l->event_text;
    struct event e = { .name = name };
    l->event_text = (struct strbuf){ 0 };
    text.len = 0;
    event_head(&text, l, name);
    strbuf_puts(&text, data_key);
    e.data = text.len;
    strbuf_putc(&text, '{');
    for (size_t i = 0; i < n; i++) {
        qmp_write_key(&text, members[i].key);
        if (members[i].text) {
            qmp_write_text(&text, members[i].text);
        } else {
            qmp_write_integer(&text, members[i].number);
        }
    }
    strbuf_puts(&text, "}}");
    e.text = text.text;
    e.len = text.len;
    layer_deliver(l, &e);
    strbuf_free(&l->event_text);
    l->event_text = text;
}

void layer_on_event(struct layer *l, void (*fn)(void *opaque, const struct event *event),
                    void *opaque)
{
    l->event = fn;
    l->event_opaque = opaque;
}

json_t *event_value(const char *text)
{
    json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
    CHECK(json_is_object(value));
    return value;
}
