/* SPDX-License-Identifier: MIT */
/* blkdebug: a filter that injects errors, stops requests at breakpoints and narrows limits.
 *
 *   blkdebug.c   options, limits, permissions, the data path, driver commands
 *   rules.c      the engine: states, active rules, breakpoints
 *   config.c     the rules file
 *   tables.c     events, I/O types, option tables
 *
 * The node stands between a parent and `image`.  The parent's I/O path raises events on it
 * (driver event); rules of these events decide what becomes of the requests that follow.
 *
 * Invariants:
 *  1. A request that no rule speaks about goes to image unchanged.
 *  2. Without rules an event costs one comparison, and a request one more.
 *  3. Permissions named in take- and unshare-child-perms are known before image is attached, as
 *     attaching asks for them.
 * (QEMU docs/devel/blkdebug.txt; qapi/block-core.json, BlockdevOptionsBlkdebug.)
 */
#include "drivers/blkdebug/blkdebug.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/open.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct blkdebug_state {
    struct engine engine;
    struct child *image;
    uint32_t take, unshare; /* Permissions. */
    int64_t align, max_transfer, opt_write_zero, max_write_zero, opt_discard, max_discard;
};

static const struct child_desc children[] = {
    { "image", ROLE_FILTERED | ROLE_PRIMARY, true },
    { 0 },
};

/* Sizes that must be 0 or more before anything else is looked at, in the order of the check. */
static int read_sizes(struct blkdebug_state *s, const struct opts *opts, struct error *err)
{
    static const char *const names[] = { "align",          "max-transfer", "opt-write-zero",
                                         "max-write-zero", "opt-discard",  "max-discard" };
    int64_t *const to[] = { &s->align,          &s->max_transfer, &s->opt_write_zero,
                            &s->max_write_zero, &s->opt_discard,  &s->max_discard };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        *to[i] = opts_given(opts, names[i]) ? opts_int(opts, names[i]) : 0;
        if (*to[i] < 0) {
            return error_set(err, -EINVAL,
                             "Parameter '%s' expects a non-negative number below 2^64", names[i]);
        }
    }
    return 0;
}

static int64_t int_or(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *v = json_object_get(object, key);
    return v ? (int64_t)json_integer_value(v) : otherwise;
}

static struct rule inline_rule(const json_t *o, enum rule_action action)
{
    struct rule r = { .action = action };
    r.event = event_find(json_string_value(json_object_get(o, "event")));
    r.state = (int32_t)int_or(o, "state", 0);
    r.new_state = (int32_t)int_or(o, "new_state", 0);
    r.error = (int32_t)int_or(o, "errno", EIO);
    r.sector = int_or(o, "sector", -1);
    r.once = json_is_true(json_object_get(o, "once"));
    r.immediately = json_is_true(json_object_get(o, "immediately"));
    const json_t *type = json_object_get(o, "iotype");
    r.iotypes = type ? iotype_find(json_string_value(type)) : (uint32_t)IOTYPE_DEFAULT;
    CHECK(r.event >= 0 && r.iotypes != 0);
    return r;
}

static void add_inline_rules(struct engine *e, const json_t *list, enum rule_action action)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o) {
        struct rule r = inline_rule(o, action);
        engine_add(e, &r);
    }
}

static int load_rules(struct node *n, struct engine *e, const struct opts *opts,
                      struct error *err)
{
    const char *config = opts_str(opts, "config");
    int ret = config ? config_load(e, node_host(n), config, err) : 0;
    if (ret == 0) {
        add_inline_rules(e, opts_get(opts, "inject-error"), RULE_INJECT);
        add_inline_rules(e, opts_get(opts, "set-state"), RULE_SET_STATE);
    }
    return ret;
}

static uint32_t read_perms(const json_t *list)
{
    uint32_t perms = 0;
    size_t i;
    json_t *name;
    json_array_foreach(list, i, name) {
        perms |= perm_parse(json_string_value(name));
    }
    return perms;
}

static int meet(const char *name, int64_t value, bool fits, struct error *err)
{
    return value == 0 || fits ? 0
                              : error_set(err, -EINVAL, "Cannot meet constraints with %s %" PRId64,
                                          name, value);
}

/* Each size against the alignment in force. */
static int check_sizes(const struct blkdebug_state *s, struct error *err)
{
    const int64_t max = INT32_MAX;
    int ret = meet("align", s->align, s->align < max && (s->align & (s->align - 1)) == 0, err);
    if (ret < 0) {
        return ret;
    }
    int64_t align = MAX(s->align, (int64_t)s->image->node->limits.request_alignment);
    int64_t zero = MAX(align, s->opt_write_zero), discard = MAX(align, s->opt_discard);
    const struct {
        const char *name;
        int64_t value, multiple_of;
    } sizes[] = {
        { "max-transfer", s->max_transfer, align },
        { "opt-write-zero", s->opt_write_zero, align },
        { "max-write-zero", s->max_write_zero, zero },
        { "opt-discard", s->opt_discard, align },
        { "max-discard", s->max_discard, discard },
    };
    for (size_t i = 0; i < ARRAY_LEN(sizes) && ret == 0; i++) {
        int64_t v = sizes[i].value;
        ret = meet(sizes[i].name, v, v < max && v % sizes[i].multiple_of == 0, err);
    }
    return ret;
}

static int open_with_rules(struct node *n, const struct opts *opts, struct error *err)
{
    struct blkdebug_state *s = node_state(n);
    int ret = load_rules(n, &s->engine, opts, err);
    if (ret < 0) {
        return ret;
    }
    engine_event(&s->engine, event_find("none"));
    s->take = read_perms(opts_get(opts, "take-child-perms"));
    s->unshare = read_perms(opts_get(opts, "unshare-child-perms"));
    ret = node_open_child(n, opts, children, &s->image, err);
    if (ret == 0) {
        ret = check_sizes(s, err);
    }
    return ret;
}

static int blkdebug_open(struct node *n, const struct opts *opts, struct error *err)
{
    struct blkdebug_state *s = node_state(n);
    engine_init(&s->engine, n->sim);
    int ret = read_sizes(s, opts, err);
    if (ret == 0) {
        ret = open_with_rules(n, opts, err);
    }
    if (ret < 0) {
        engine_fini(&s->engine);
    }
    return ret;
}

static void blkdebug_close(struct node *n)
{
    struct blkdebug_state *s = node_state(n);
    engine_fini(&s->engine);
}

static void blkdebug_limits(const struct node *n, struct io_limits *limits)
{
    const struct blkdebug_state *s = node_state(n);
    if (s->align) {
        limits->request_alignment = (uint32_t)s->align;
    }
    if (s->max_transfer) {
        limits->max_transfer = s->max_transfer;
    }
    if (s->opt_write_zero) {
        limits->pwrite_zeroes_alignment = (uint32_t)s->opt_write_zero;
    }
    if (s->max_write_zero) {
        limits->max_pwrite_zeroes = s->max_write_zero;
    }
    if (s->opt_discard) {
        limits->pdiscard_alignment = (uint32_t)s->opt_discard;
    }
    if (s->max_discard) {
        limits->max_pdiscard = s->max_discard;
    }
}

/* Rules first, then image. */
static inline int pass(struct node *n, struct io_req *req, enum iotype type)
{
    struct blkdebug_state *s = node_state(n);
    if (s->engine.active) {
        int ret = engine_check(&s->engine, type, req->offset, req->bytes);
        if (ret != 0) {
            return MIN(ret, 0);
        }
    }
    return io_child(s->image, req);
}

static int blkdebug_read(struct node *n, struct io_req *req)
{
    return pass(n, req, IOTYPE_READ);
}

static int blkdebug_write(struct node *n, struct io_req *req)
{
    return pass(n, req, IOTYPE_WRITE);
}

/* What is shorter than the zeroing alignment is for the block layer to write. */
static int blkdebug_write_zeroes(struct node *n, struct io_req *req)
{
    const struct blkdebug_state *s = node_state(n);
    int64_t least = MAX((int64_t)n->limits.request_alignment, s->opt_write_zero);
    return req->bytes < least ? -ENOTSUP : pass(n, req, IOTYPE_WRITE_ZEROES);
}

static int blkdebug_discard(struct node *n, struct io_req *req)
{
    return req->bytes < n->limits.request_alignment ? -ENOTSUP : pass(n, req, IOTYPE_DISCARD);
}

/* The children are flushed by the block layer. */
static int blkdebug_sync(struct node *n)
{
    struct blkdebug_state *s = node_state(n);
    int ret = engine_check(&s->engine, IOTYPE_FLUSH, 0, 0); /* MIN would ask twice. */
    return MIN(ret, 0);
}

static int blkdebug_block_status(struct node *n, struct io_req *req, struct io_extent *out)
{
    struct blkdebug_state *s = node_state(n);
    int ret = engine_check(&s->engine, IOTYPE_BLOCK_STATUS, req->offset, req->bytes);
    *out = (struct io_extent){ .flags = STATUS_RAW | STATUS_OFFSET_VALID,
                               .bytes = req->bytes,
                               .map = req->offset,
                               .file = s->image->node };
    return MIN(ret, 0);
}

static void blkdebug_child_perm(const struct node *n, const struct child *c,
                                struct perm_pair parents, struct perm_pair *out)
{
    const struct blkdebug_state *s = node_state(n);
    perm_default(n, c, parents, out);
    out->used |= s->take;
    out->shared &= ~s->unshare;
}

static void blkdebug_event(struct node *n, const char *event)
{
    struct blkdebug_state *s = node_state(n);
    if (s->engine.count == 0) {
        return;
    }
    int index = event_find(event);
    CHECK(index >= 0);
    engine_event(&s->engine, index);
}

static const char *word(const json_t *args, const char *key)
{
    const char *text = json_string_value(json_object_get(args, key));
    return text ? text : "";
}

static int blkdebug_command(struct node *n, const char *name, const json_t *args, json_t *reply)
{
    struct blkdebug_state *s = node_state(n);
    const char *tag = word(args, "tag");
    if (strcmp(name, "breakpoint") == 0) {
        return engine_break(&s->engine, word(args, "event"), tag);
    }
    if (strcmp(name, "resume") == 0) {
        return engine_resume(&s->engine, tag);
    }
    if (strcmp(name, "remove_breakpoint") == 0) {
        return engine_remove_break(&s->engine, tag);
    }
    if (strcmp(name, "is_suspended") == 0) {
        if (reply) {
            json_object_set_new(reply, "suspended",
                                json_boolean(engine_is_suspended(&s->engine, tag)));
        }
        return 0;
    }
    return -ENOTSUP;
}

/* "blkdebug:CONFIG:IMAGE", when there is nothing else to say. */
static char *blkdebug_filename(const struct node *n)
{
    const struct blkdebug_state *s = node_state(n);
    static const char *const more[] = { "align",         "max-transfer", "opt-write-zero",
                                        "max-write-zero", "opt-discard",  "max-discard",
                                        "inject-error",  "set-state" };
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        if (json_object_get(n->options, more[i])) {
            return NULL;
        }
    }
    char *image = node_filename(s->image->node);
    const json_t *config = json_object_get(n->options, "config");
    char *name = NULL;
    if (strncmp(image, "json:", 5) != 0) {
        name = mem_printf("blkdebug:%s:%s", config ? json_string_value(config) : "", image);
    }
    free(image);
    return name;
}

/* "blkdebug:CONFIG:IMAGE", where IMAGE is a name again.  Without the prefix all else is among the
 * options. */
static int blkdebug_parse_filename(const char *name, json_t *options, struct error *err)
{
    static const char prefix[] = "blkdebug:";
    if (strncmp(name, prefix, strlen(prefix)) != 0) {
        json_object_set_new(options, "image." OPEN_NAME_KEY, json_string(name));
        return 0;
    }
    name += strlen(prefix);
    const char *colon = strchr(name, ':');
    if (!colon) {
        return error_set(err, -EINVAL, "blkdebug requires both config file and image path");
    }
    if (colon > name) {
        json_object_set_new(options, "config", json_stringn(name, (size_t)(colon - name)));
    }
    json_object_set_new(options, "image." OPEN_NAME_KEY, json_string(colon + 1));
    return 0;
}

static int64_t blkdebug_allocated_size(struct node *n)
{
    (void)n;
    return -ENOTSUP;
}

static const struct driver_io blkdebug_io = {
    .read = blkdebug_read,
    .write = blkdebug_write,
    .write_zeroes = blkdebug_write_zeroes,
    .discard = blkdebug_discard,
    .sync = blkdebug_sync,
    .block_status = blkdebug_block_status,
};

/* Rules and limits stay; only what every node has may change. */
static int blkdebug_reopen(struct node *n, const struct node_reopen *r, struct error *err)
{
    (void)n;
    (void)r;
    (void)err;
    return 0;
}

static const struct driver_graph blkdebug_graph = { .child_perm = blkdebug_child_perm,
                                                    .reopen = blkdebug_reopen };

extern const struct blk_driver driver_blkdebug;

const struct blk_driver driver_blkdebug = {
    .name = "blkdebug",
    .help = "injects errors and stops requests, by rules",
    .traits = DRV_FILTER,
    .state_size = sizeof(struct blkdebug_state),
    .options = blkdebug_options,
    .children = children,
    .open = blkdebug_open,
    .close = blkdebug_close,
    .limits = blkdebug_limits,
    .filename = blkdebug_filename,
    .allocated_size = blkdebug_allocated_size,
    .prefix = "blkdebug",
    .parse_filename = blkdebug_parse_filename,
    .command = blkdebug_command,
    .event = blkdebug_event,
    .io = &blkdebug_io,
    .graph = &blkdebug_graph,
};
