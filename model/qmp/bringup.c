/* SPDX-License-Identifier: MIT */
#include "model/layer_state.h"
#include "model/qmp/command.h"
#include "base/mem.h"
#include "base/check.h"
#include <string.h>
#include <stdlib.h>
#include <errno.h>
#define T(id, n, k) const struct schema_type id = { .name = n, .kind = k }
T(schema_str, "str", SCHEMA_STR); T(schema_bool, "bool", SCHEMA_BOOL); T(schema_int, "int", SCHEMA_INT);
T(schema_size, "size", SCHEMA_SIZE); T(schema_number, "number", SCHEMA_NUMBER); T(schema_null, "null", SCHEMA_NULL);
T(schema_any, "any", SCHEMA_ANY); T(schema_uint8, "uint8", SCHEMA_INT); T(schema_uint16, "uint16", SCHEMA_INT);
T(schema_uint32, "uint32", SCHEMA_INT); T(schema_uint64, "uint64", SCHEMA_INT); T(schema_int64, "int64", SCHEMA_INT);
T(schema_int32, "int32", SCHEMA_INT);
T(schema_blockdev_options, "BlockdevOptions", SCHEMA_UNION);
T(schema_blockdev_ref, "BlockdevRef", SCHEMA_ALTERNATE);
T(schema_blockdev_ref_or_null, "BlockdevRefOrNull", SCHEMA_ALTERNATE);
T(schema_on_off_auto, "OnOffAuto", SCHEMA_ENUM);
T(schema_detect_zeroes, "BlockdevDetectZeroesOptions", SCHEMA_ENUM);
T(schema_discard, "BlockdevDiscardOptions", SCHEMA_ENUM);
T(schema_cache, "BlockdevCacheOptions", SCHEMA_STRUCT);
T(schema_prealloc, "PreallocMode", SCHEMA_ENUM);
void schema_describe(const struct schema_member *m, struct strbuf *out);
void schema_describe(const struct schema_member *m, struct strbuf *out) { for (; m && m->name; m++) strbuf_printf(out, "%s\n", m->name); }
int schema_put_word(json_t *object, const char *key, const char *value, struct error *err)
{
    (void)err;
    const char *dot;
    while ((dot = strchr(key, '.'))) {
        char *k = mem_strndup(key, (size_t)(dot - key));
        json_t *sub = json_object_get(object, k);
        if (!sub) { sub = json_object(); json_object_set_new(object, k, sub); }
        free(k);
        object = sub; key = dot + 1;
    }
    json_object_set_new(object, key, json_string(value));
    return 0;
}
static json_t *typed(const json_t *v)
{
    if (json_is_object(v)) {
        json_t *out = json_object(); const char *k; json_t *e;
        json_object_foreach((json_t *)(uintptr_t)v, k, e) {
            if (!strcmp(k, "inject-error") || !strcmp(k, "set-state") || !strcmp(k, "take-child-perms") || !strcmp(k, "unshare-child-perms")) {
                json_t *a = json_array(); const char *k2; json_t *e2;
                json_object_foreach(e, k2, e2) json_array_append_new(a, typed(e2));
                json_object_set_new(out, k, a);
            } else if (!strcmp(k, "node-name") || !strcmp(k, "filename")) json_object_set(out, k, e);
            else json_object_set_new(out, k, typed(e));
        }
        return out;
    }
    if (!json_is_string(v)) return json_deep_copy(v);
    const char *s = json_string_value(v); int64_t n;
    if (!strcmp(s, "on") || !strcmp(s, "true")) return json_true();
    if (!strcmp(s, "off") || !strcmp(s, "false")) return json_false();
    if (s[0] && strchr("-0123456789", s[0]) && text_parse_size(s, &n) == 0) return json_integer(n);
    return json_string(s);
}
json_t *schema_type_words(const struct blk_driver *const *d, const struct schema_type *t, const json_t *o, struct error *err)
{ (void)d; (void)t; (void)err; return typed(o); }
static const struct schema_type args_any = { .name = "any", .kind = SCHEMA_STRUCT };
const struct schema_type *layer_command_args(const struct layer *l, const char *name, bool *known)
{ (void)l; *known = layer_command_name(0) && (!strcmp(name, "blockdev-add") || !strcmp(name, "blockdev-del")); return &args_any; }
const char *layer_command_name(size_t i) { static const char *const n[] = { "blockdev-add", "blockdev-del", NULL }; return n[i]; }
json_t *layer_qmp(struct layer *l, const json_t *r)
{
    struct error err = ERROR_INIT; struct node *n; int ret = 0;
    const json_t *a = json_object_get(r, "arguments"); const char *x = json_string_value(json_object_get(r, "execute"));
    if (!strcmp(x, "blockdev-add")) { ret = node_open(l, a, NULL, 0, &n, &err); if (!ret) n->monitor_owned = true; }
    else if (!strcmp(x, "blockdev-del")) {
        n = layer_find_node(l, json_string_value(json_object_get(a, "node-name")));
        if (!n) ret = error_set(&err, -ENOENT, "Failed to find node with node-name='%s'", json_string_value(json_object_get(a, "node-name")));
        else if (n->refs > 1) ret = error_set(&err, -EBUSY, "Node %s is in use", n->name);
        else { n->monitor_owned = false; node_unref(n); }
    } else ret = error_set_class(&err, ERROR_COMMAND_NOT_FOUND, -ENOENT, "The command %s has not been found", x);
    return ret ? json_pack("{s:{s:s,s:s}}", "error", "class", error_class_name(err.class), "desc", err.text) : json_pack("{s:{}}", "return");
}
json_t *layer_qmp_text(struct layer *l, const char *b, size_t n)
{
    char *t = mem_strndup(b, n); for (char *p = t; *p; p++) if (*p == '\'') *p = '"';
    json_t *r = json_loads(t, 0, NULL); CHECK(r); free(t);
    json_t *out = layer_qmp(l, r); json_decref(r); return out;
}
