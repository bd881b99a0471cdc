/* SPDX-License-Identifier: MIT */
/* Records gather in a batch that is hashed when it is full, so the cost on the request path is one
 * 32-byte store.  Streaming XXH3 gives the same hash however the batches fall; a text is hashed
 * after the record that announces it, with its length in the record. */
#include "sim/trace.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/choice.h"
#include "sim/fault.h"

#include <inttypes.h>
#include <stdlib.h>

void trace_init(struct trace *t, bool keep)
{
    *t = (struct trace){ .hashing = true, .keep = keep };
    t->xxh = XXH3_createState();
    CHECK(t->xxh != NULL);
    CHECK(XXH3_64bits_reset(t->xxh) == XXH_OK);
}

void trace_fini(struct trace *t)
{
    XXH3_freeState(t->xxh);
    free(t->recs);
    free(t->text_at);
    strbuf_free(&t->texts);
}

static void keep_records(struct trace *t)
{
    size_t need = t->len + t->used;
    if (need > t->cap) {
        t->cap = MAX(need, 2 * t->cap);
        t->recs = mem_resize(t->recs, t->cap * sizeof(*t->recs));
        t->text_at = mem_resize(t->text_at, t->cap * sizeof(*t->text_at));
    }
    memcpy(t->recs + t->len, t->batch, t->used * sizeof(*t->recs));
    memset(t->text_at + t->len, 0, t->used * sizeof(*t->text_at));
    t->len = need;
}

void trace_flush(struct trace *t)
{
    if (t->hashing && t->used > 0) {
        XXH3_64bits_update(t->xxh, t->batch, t->used * sizeof(t->batch[0]));
    }
    if (t->keep) {
        keep_records(t);
    }
    t->count += t->used;
    t->used = 0;
}

void trace_emit_text(struct trace *t, int64_t time_ns, enum trace_type type, uint32_t id,
                     const char *text, size_t n)
{
    trace_emit(t, time_ns, type, 0, id, (int64_t)n, 0);
    trace_flush(t);
    if (t->hashing) {
        XXH3_64bits_update(t->xxh, text, n);
    }
    if (t->keep) {
        t->text_at[t->len - 1] = (uint32_t)t->texts.len + 1;
        strbuf_add(&t->texts, text, n);
        strbuf_putc(&t->texts, '\0');
    }
}

uint64_t trace_hash(struct trace *t)
{
    trace_flush(t);
    return XXH3_64bits_digest(t->xxh);
}

const char *trace_type_name(enum trace_type type)
{
    static const char *const names[TRACE_TYPES] = {
        [TRACE_STATEMENT] = "statement", [TRACE_REQUEST] = "request",
        [TRACE_COMPLETE] = "complete",   [TRACE_DISK] = "disk",
        [TRACE_FAULT] = "fault",         [TRACE_CHOICE] = "choice",
        [TRACE_GRAPH] = "graph",         [TRACE_EVENT] = "event",
        [TRACE_REPLY] = "reply",         [TRACE_POWER] = "power",
        [TRACE_DRAIN] = "drain",
    };
    CHECK((unsigned)type < TRACE_TYPES);
    return names[type];
}

/* Operations in the order of enum io_op (model/io.h) and enum disk_op (sim/disk.h). */
static const char *op_name(const struct trace_rec *r)
{
    static const char *const io[] = { "read",  "write",    "write-zeroes", "discard",
                                      "flush", "truncate", "status" };
    static const char *const disk[] = { "read", "write", "flush", "discard", "zero", "resize" };
    if (r->type == TRACE_DISK) {
        return r->op < ARRAY_LEN(disk) ? disk[r->op] : "?";
    }
    return r->op < ARRAY_LEN(io) ? io[r->op] : "?";
}

static void print_power(const struct trace_rec *r, struct strbuf *out)
{
    if (r->op == TRACE_POWER_KEPT && r->a < 0) {
        strbuf_printf(out, "%-12s actor=%u size=%" PRId64, "kept", r->id, r->b);
    } else if (r->op == TRACE_POWER_KEPT) {
        strbuf_printf(out, "%-12s actor=%u %" PRId64 "+%" PRId64, "kept", r->id, r->a, r->b);
    } else if (r->op == TRACE_POWER_NAMES) {
        strbuf_printf(out, "%-12s %" PRId64 " of %" PRId64 " changes", "names kept", r->a, r->b);
    } else {
        strbuf_puts(out, r->op == TRACE_POWER_ON ? "on" : "cut");
    }
}

static void print_record(const struct trace_rec *r, const char *text, struct strbuf *out)
{
    strbuf_printf(out, "[%13" PRId64 ".%03uus] %-9s ", r->time_ns / 1000,
                  (unsigned)(r->time_ns % 1000), trace_type_name(r->type));
    switch (r->type) {
    case TRACE_STATEMENT:
        strbuf_printf(out, "%u", r->id);
        break;
    case TRACE_REQUEST:
        strbuf_printf(out, "%-12s actor=%u %" PRId64 "+%" PRId64, op_name(r), r->id, r->a, r->b);
        break;
    case TRACE_COMPLETE:
        strbuf_printf(out, "%-12s actor=%u %" PRId64 " ret=%" PRId64, op_name(r), r->id, r->a,
                      r->b);
        break;
    case TRACE_DISK:
        strbuf_printf(out, "%-12s actor=%u %" PRId64 " %s=%" PRId64, op_name(r), r->id, r->a,
                      r->b < 0 ? "ret" : "bytes", r->b);
        break;
    case TRACE_CHOICE:
        strbuf_printf(out, "%-12s actor=%u %" PRId64 " %" PRId64,
                      r->op == CHOICE_TEAR ? "tear" : "damage", r->id, r->a, r->b);
        break;
    case TRACE_FAULT:
        strbuf_printf(out, "%-12s actor=%u %" PRId64 " rule=%" PRId64,
                      r->op < FAULT_KINDS ? fault_kind_name(r->op) : "?", r->id, r->a, r->b);
        break;
    case TRACE_POWER:
        print_power(r, out);
        break;
    default:
        if (text) {
            strbuf_add(out, text, strlen(text) - (size_t)(*text && text[strlen(text) - 1] == '\n'));
        } else {
            strbuf_printf(out, "op=%u id=%u a=%" PRId64 " b=%" PRId64, r->op, r->id, r->a, r->b);
        }
    }
    strbuf_putc(out, '\n');
}

void trace_print(struct trace *t, struct strbuf *out)
{
    CHECK(t->keep);
    trace_flush(t);
    for (size_t i = 0; i < t->len; i++) {
        print_record(&t->recs[i], t->text_at[i] ? t->texts.text + t->text_at[i] - 1 : NULL, out);
    }
}
