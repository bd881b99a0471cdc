/* SPDX-License-Identifier: MIT */
/* The generator of random sequences: chance, the statements' weights, and how they are written.
 *
 *   random_script -> make_world (disks, images, a controller)
 *                 -> make_statement, again and again: a kind by its weight, its arguments, now and
 *                    then one of them spoiled; what a rule excludes is thrown away and drawn again
 *
 * Weights vary with the seed (swarm testing): many sequences leave kinds and drivers out
 * altogether, so that others meet more often than in an even mix.
 *
 * The text goes through the parser and the formatter of the scenario language, so it is canonical
 * and valid by construction.
 */
#include "scenarios/diff/random.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/diff/random_private.h"
#include "scenarios/script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct rand_kind *const kind_tables[] = { rand_node_kinds, rand_snapshot_kinds,
                                                       rand_device_kinds, rand_object_kinds,
                                                       rand_io_kinds };

/* ---- Chance ---- */

/* The generator is not part of a run: no choice of sim/choice.h hangs on it. */
static uint64_t next_random(struct rand_gen *g)
{
    uint64_t z = g->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t rand_below(struct rand_gen *g, uint64_t n)
{
    CHECK(n >= 1);
    return (next_random(g) >> 16) % n;
}

bool rand_chance(struct rand_gen *g, unsigned permille)
{
    return rand_below(g, 1000) < permille;
}

char *rand_word(struct rand_gen *g, const char *words)
{
    size_t n = 1;
    for (const char *p = words; *p; p++) {
        n += *p == ' ';
    }
    for (uint64_t skip = rand_below(g, n); skip > 0; skip--) {
        words = strchr(words, ' ') + 1;
    }
    return mem_strndup(words, strcspn(words, " "));
}

int64_t rand_size(struct rand_gen *g, const char *sizes)
{
    int64_t bytes = 0;
    char *word = rand_word(g, sizes);
    bool negative = *word == '-';
    int ret = text_parse_size(word + negative, &bytes);
    CHECK(ret == 0);
    free(word);
    return negative ? -bytes : bytes;
}

const char *rand_name(struct rand_gen *g, const struct rand_names *names)
{
    return names->len > 0 ? names->at[rand_below(g, names->len)] : NULL;
}

void rand_names_add(struct rand_names *names, const char *name)
{
    names->at = mem_grow(names->at, names->len, &names->cap, sizeof(*names->at));
    names->at[names->len++] = mem_strdup(name);
}

void rand_names_drop(struct rand_names *names, const char *name)
{
    for (size_t i = 0; name && i < names->len; i++) {
        if (strcmp(names->at[i], name) == 0) {
            free(names->at[i]);
            names->at[i] = names->at[--names->len];
            return;
        }
    }
}

void rand_names_free(struct rand_names *names)
{
    for (size_t i = 0; i < names->len; i++) {
        free(names->at[i]);
    }
    free(names->at);
}

/* ---- Kinds ---- */

/* The i-th of all kinds, or NULL. */
static const struct rand_kind *kind_at(size_t i)
{
    for (size_t t = 0; t < ARRAY_LEN(kind_tables); t++) {
        for (const struct rand_kind *k = kind_tables[t]; k->name; k++) {
            if (i-- == 0) {
                return k;
            }
        }
    }
    return NULL;
}

static unsigned swarm_weight(struct rand_gen *g, unsigned weight)
{
    static const unsigned factors[] = { 0, 1, 2, 4, 4, 4, 8 };
    return weight * factors[rand_below(g, ARRAY_LEN(factors))];
}

static void draw_weights(struct rand_gen *g)
{
    for (size_t i = 0; kind_at(i); i++) {
        CHECK(i < RAND_KINDS_MAX);
        g->weight[i] = swarm_weight(g, kind_at(i)->weight);
    }
    g->weight[0] = kind_at(0)->weight * 4; /* Without nodes there is nothing. */
    for (size_t i = 0; schema_enum_value(g->drivers, schema_blockdev_options.members[0].type, i);
         i++) {
        CHECK(i < RAND_DRIVERS_MAX);
        g->driver_weight[i] = swarm_weight(g, 4);
    }
    g->option_permille = 20 + (unsigned)rand_below(g, 180);
    g->spoil_permille = (unsigned)rand_below(g, 200);
    g->any_permille = 20 + (unsigned)rand_below(g, 200);
}

static const struct rand_kind *pick_kind(struct rand_gen *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; kind_at(i); i++) {
        sum += g->weight[i];
    }
    uint64_t at = rand_below(g, sum);
    size_t i = 0;
    while (at >= g->weight[i]) {
        at -= g->weight[i++];
    }
    return kind_at(i);
}

/* ---- Writing ---- */

/* Whether text stands for itself behind "key=". */
static bool is_plain_word(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char more[] = "0123456789-._/";
    static const char *const not_text[] = { "true", "false", "on", "off", "null", NULL };
    if (!*text || !strchr(letters, *text)) {
        return false;
    }
    for (size_t i = 0; not_text[i]; i++) {
        if (strcmp(text, not_text[i]) == 0) {
            return false;
        }
    }
    for (const char *p = text; *p; p++) {
        if (!strchr(letters, *p) && !strchr(more, *p)) {
            return false;
        }
    }
    return true;
}

static void write_json(const json_t *value, size_t flags, struct strbuf *out)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | flags);
    CHECK(text != NULL);
    strbuf_puts(out, text);
    free(text);
}

static void write_words(const struct rand_cmd *c, struct strbuf *out)
{
    const char *key;
    json_t *value;
    strbuf_puts(out, c->verb);
    json_object_foreach(c->args, key, value) {
        if (json_is_string(value) && is_plain_word(json_string_value(value))) {
            strbuf_printf(out, " %s=%s", key, json_string_value(value));
        } else {
            strbuf_printf(out, " %s:=", key);
            write_json(value, 0, out);
        }
    }
}

static void write_command(const struct rand_cmd *c, struct strbuf *out)
{
    if (c->prop.len > 0) {
        strbuf_printf(out, "%s ", strbuf_str(&c->prop));
    }
    if (!c->args) {
        strbuf_printf(out, "%s %s", c->verb, strbuf_str(&c->io));
    } else if (c->exact) {
        strbuf_printf(out, "qmp {\"execute\": \"%s\", \"arguments\": ", c->verb);
        write_json(c->args, 0, out);
        strbuf_putc(out, '}');
    } else {
        write_words(c, out);
    }
    strbuf_putc(out, '\n');
}

static void cmd_fini(struct rand_cmd *c)
{
    json_decref(c->args);
    strbuf_free(&c->io);
    strbuf_free(&c->prop);
}

/* ---- A case ---- */

static void make_world(struct rand_gen *g, struct strbuf *out)
{
    enum { SMALL_MAX = 4 << 20 }; /* Of images with small clusters: each table takes its time. */
    static const char disk_sizes[] = "1M 4M 16M 64M 64k";
    static const char image_sizes[] = "1M 4M 64M 1G 100k";
    size_t disks = 2 + rand_below(g, 3), images = 2 + rand_below(g, 4);
    for (size_t i = 0; i < disks; i++) {
        char *name = mem_printf("d%zu", i);
        int64_t size = rand_size(g, disk_sizes);
        strbuf_printf(out, "disk %s size=%" PRId64 "\n", name, size);
        rand_add_file(g, name, false, size, NULL);
        free(name);
    }
    for (size_t i = 0; i < images; i++) {
        char *name = mem_printf("q%zu.qcow2", i);
        int64_t size = rand_size(g, image_sizes);
        struct rand_file *below = NULL;
        strbuf_printf(out, "image qcow2 %s %" PRId64, name, size);
        char *cluster = rand_word(g, "64k 64k 64k 64k 64k 2M 4k");
        bool small = strcmp(cluster, "4k") == 0;
        if (!(small && size > SMALL_MAX) && rand_chance(g, 700)) {
            strbuf_printf(out, " cluster_size=%s", cluster);
        } else {
            small = false;
        }
        free(cluster);
        if (rand_chance(g, 150)) {
            strbuf_puts(out, rand_chance(g, 500) ? " lazy_refcounts=on" : " compat=0.10");
        }
        if (rand_chance(g, 250)) {
            below = &g->files[rand_below(g, g->files_len)];
            strbuf_printf(out, " backing_file=%s backing_fmt=%s", below->name,
                          below->qcow2 ? "qcow2" : "raw");
        }
        strbuf_putc(out, '\n');
        rand_add_file(g, name, true, size, below ? below->name : NULL);
        g->files[g->files_len - 1].small_clusters = small;
        free(name);
    }
    g->world_files = g->files_len;
    strbuf_puts(out, "device_add driver=virtio-scsi-pci id=vs0\n");
}

/* One that was not excluded is written, and true returned. */
static bool make_statement(struct rand_gen *g, struct strbuf *out)
{
    const struct rand_kind *k = pick_kind(g);
    struct rand_cmd c = { .verb = k->name };
    bool made = k->make(g, &c);
    if (made && c.args && !c.spoiled && rand_chance(g, g->spoil_permille)) {
        made = rand_spoil(g, &c);
    }
    made = made && !rand_is_excluded(g, &c);
    if (made) {
        write_command(&c, out);
        if (k->took && !c.spoiled) {
            k->took(g, &c);
        }
    }
    cmd_fini(&c);
    return made;
}

static void gen_fini(struct rand_gen *g)
{
    while (g->nodes_len > 0) {
        rand_forget_node(g, g->nodes[0].name);
    }
    free(g->nodes);
    for (size_t i = 0; i < g->files_len; i++) {
        free(g->files[i].name);
        free(g->files[i].backing);
    }
    free(g->files);
    for (size_t i = 0; i < g->devices_len; i++) {
        free(g->devices[i].id);
        free(g->devices[i].drive);
    }
    free(g->devices);
    rand_names_free(&g->groups);
    rand_names_free(&g->iothreads);
    rand_names_free(&g->exports);
    rand_names_free(&g->fdsets);
    rand_names_free(&g->threaded);
}

void random_script(const struct blk_driver *const *drivers, uint64_t seed, unsigned statements,
                   struct strbuf *out)
{
    enum { TRIES = 100 };
    struct strbuf text = { 0 }, errors = { 0 };
    struct rand_gen g = { .drivers = drivers, .state = seed * UINT64_C(0xd1342543de82ef95) + 1 };

    CHECK(statements <= RANDOM_STATEMENTS_MAX);
    next_random(&g);
    draw_weights(&g);
    strbuf_printf(&text, "case random/%" PRIu64 "\n", seed);
    make_world(&g, &text);
    for (unsigned i = 0, tries = 0; i < statements && tries < statements * TRIES + TRIES; tries++) {
        i += make_statement(&g, &text);
    }
    struct script *s = script_parse("random", text.text, text.len, &errors);
    CHECK(s != NULL);
    script_format(s, out);
    script_free(s);
    strbuf_free(&text);
    strbuf_free(&errors);
    gen_fini(&g);
}
