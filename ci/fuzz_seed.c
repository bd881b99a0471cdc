/* SPDX-License-Identifier: MIT */
/* fuzz_seed CORPUS DICT: what `make fuzz` begins with, made from the schema.
 *
 * For each command a request with what it must have and one with everything, as JSON and as words;
 * for each driver the same of blockdev-add; names and lines that belong to the other doors of
 * ci/fuzz_qmp.c; and the names of all members and values for the dictionary.
 */
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"
#include "model/qmp/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 4 };

struct seeds {
    const char *dir;
    FILE *dict;
    unsigned count;
};

static void put_file(struct seeds *s, char door, const char *text)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/seed-%04u", s->dir, s->count++);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fprintf(f, "%c%s", door, text);
    CHECK(fclose(f) == 0);
}

static void put_word(struct seeds *s, const char *word)
{
    fprintf(s->dict, "\"%s\"\n", word);
}

static json_t *example(struct seeds *s, const struct schema_type *t, bool all, int depth);

static void put_members(struct seeds *s, const struct schema_member *m, bool all, int depth,
                        json_t *out)
{
    for (; m && m->name; m++) {
        put_word(s, m->name);
        if ((all && depth < DEPTH_MAX) || !(m->flags & MEMBER_OPTIONAL)) {
            if (!json_object_get(out, m->name)) {
                json_object_set_new(out, m->name, example(s, m->type, all, depth + 1));
            }
        }
    }
}

/* A union with that value of its discriminator. */
static json_t *example_branch(struct seeds *s, const struct schema_type *t, const char *value,
                              bool all, int depth)
{
    json_t *out = json_object();
    json_object_set_new(out, t->discriminator, json_string(value));
    put_members(s, t->members, all, depth, out);
    put_members(s, t->branch ? t->branch(drivers_all, value) : NULL, all, depth, out);
    return out;
}

static json_t *example(struct seeds *s, const struct schema_type *t, bool all, int depth)
{
    const char *value;
    json_t *out;
    switch (t->kind) {
    case SCHEMA_STR:
        return json_string("f0");
    case SCHEMA_BOOL:
        return json_true();
    case SCHEMA_INT:
    case SCHEMA_SIZE:
    case SCHEMA_NUMBER:
        return json_integer(65536);
    case SCHEMA_NULL:
        return json_null();
    case SCHEMA_ENUM:
        for (size_t i = 0; (value = schema_enum_value(drivers_all, t, i)) != NULL; i++) {
            put_word(s, value);
        }
        value = schema_enum_value(drivers_all, t, 0);
        return json_string(value ? value : "");
    case SCHEMA_ARRAY:
        out = json_array();
        if (depth < DEPTH_MAX) {
            json_array_append_new(out, example(s, t->element, all, depth + 1));
        }
        return out;
    case SCHEMA_ALTERNATE:
        return depth < DEPTH_MAX ? example(s, t->alternatives[0], all, depth + 1)
                                 : json_string("n0");
    case SCHEMA_UNION: {
        for (const struct schema_member *m = t->members; m && m->name; m++) {
            if (strcmp(m->name, t->discriminator) == 0) {
                value = schema_enum_value(drivers_all, m->type, 0);
                return depth < DEPTH_MAX && value ? example_branch(s, t, value, all, depth)
                                                  : json_object();
            }
        }
        return json_object();
    }
    case SCHEMA_STRUCT:
        out = json_object();
        put_members(s, t->members, all, depth, out);
        return out;
    default:
        return json_string("any");
    }
}

static void put_words(struct strbuf *out, const char *path, const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, member) {
            char *below = mem_printf("%s%s%s", path, *path ? "." : "", key);
            put_words(out, below, member);
            free(below);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, member) {
            char *below = mem_printf("%s.%zu", path, i);
            put_words(out, below, member);
            free(below);
        }
    } else if (json_is_string(value)) {
        strbuf_printf(out, "\n%s=%s", path, json_string_value(value));
    } else if (json_is_integer(value)) {
        strbuf_printf(out, "\n%s=%" JSON_INTEGER_FORMAT, path, json_integer_value(value));
    } else {
        strbuf_printf(out, "\n%s=%s", path, json_is_true(value) ? "on" : "off");
    }
}

/* args: taken. */
static void put_command(struct seeds *s, const char *name, json_t *args)
{
    struct strbuf words = { .text = NULL };
    json_t *request = json_pack("{s:s, s:O, s:s}", "execute", name, "arguments", args, "id", "1");
    char *text = json_dumps(request, 0);
    CHECK(text != NULL);
    put_file(s, 'q', text);
    strbuf_puts(&words, name);
    put_words(&words, "", args);
    put_file(s, 'w', strbuf_str(&words));
    strbuf_free(&words);
    free(text);
    json_decref(request);
    json_decref(args);
}

static void put_driver(struct seeds *s, const char *driver)
{
    for (int all = 0; all < 2; all++) {
        json_t *args = example_branch(s, &schema_blockdev_options, driver, all, 0);
        json_object_set_new(args, "node-name", json_string("new"));
        put_command(s, "blockdev-add", args);
    }
}

int main(int argc, char **argv)
{
    static const char *const others[] = {
        "njson:{\"driver\":\"null-co\",\"size\":\"64k\"}\njson:{'driver':'raw','file.driver':"
        "'null-co'}\nblkdebug::d0\nblkverify:d0:d0\nnbd:host:10809\nfile:d0\nnull-co://",
        "c-blockdev\ndriver=raw,node-name=x,file.driver=file,file.filename=d0\n-drive\n"
        "if=none,id=d,file=d0,format=raw,cache=none,readonly=on,bps=1000,snapshot=off",
        "c-object\nthrottle-group,id=tg,x-iops-total=100\n-device\nvirtio-scsi-pci\n-drive\n"
        "if=none,id=e\n-device\nscsi-hd,drive=e,id=s,werror=stop\n-iothread\nx",
        "c-blockdev\n{'driver':'null-co','node-name':'j','size':65536}\n-drive\nblkdebug::d0",
        "hhelp\ninfo block -n -v\ninfo block-graph\ninfo blockstats\ninfo version\nhelp info block",
        "hqemu-io n0 \"read 0 512\"\nqemu-io -d x \"a\\\"b\"\ninfo block-jobs\nquit",
        "q{\"exec-oob\": \"yank\", \"arguments\": {\"instances\": []}}{'execute': 'quit'}",
        "q{'execute': 'query-version', 'id': [1.5e3, -0, 18446744073709551615, "
        "\"\\ud83d\\ude00\"]}",
        "q]]{\"a\"\n\t{\"execute\": \"nope\"} {\"execute\": \"query-block\"}",
    };
    struct seeds s = { .dir = argc == 3 ? argv[1] : NULL };
    if (argc != 3 || !(s.dict = fopen(argv[2], "w"))) {
        fprintf(stderr, "usage: fuzz_seed CORPUS DICT\n");
        return 2;
    }
    json_object_seed(1);
    for (size_t i = 0; qmp_commands[i]; i++) {
        const struct qmp_command *c = qmp_commands[i];
        put_word(&s, c->name);
        for (int all = 0; all < 2; all++) {
            put_command(&s, c->name, c->args ? example(&s, c->args, all, 0) : json_object());
        }
    }
    for (size_t i = 0; drivers_all[i]; i++) {
        put_driver(&s, drivers_all[i]->name);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        put_file(&s, others[i][0], others[i] + 1);
    }
    printf("%u seeds\n", s.count);
    return fclose(s.dict) == 0 ? 0 : 1;
}
