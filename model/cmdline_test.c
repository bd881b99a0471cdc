/* SPDX-License-Identifier: MIT */
/* Command lines: both dialects of "key=value", and that no bytes make the parsers fall over. */
#include "base/mem.h"
#include "base/text.h"
#include "drivers/registry.h"
#include "model/cmdline_private.h"
#include "model/layer_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct fixture {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    struct strbuf warnings;
};

static void on_warning(void *opaque, const char *text)
{
    struct fixture *f = opaque;
    strbuf_printf(&f->warnings, "%s;", text);
}

static void init(struct fixture *f)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO };
    struct disk_config disk = DISK_CONFIG_INIT;
    f->sim = sim_create(&cfg);
    f->host = host_sim_create(f->sim, &disk);
    f->layer = layer_create(f->sim, f->host, drivers_all);
    f->warnings = (struct strbuf){ 0 };
    layer_on_warning(f->layer, on_warning, f);
}

struct call {
    struct fixture *f;
    const char *option, *value;
    struct error err;
    bool done;
};

static void run_args(void *opaque)
{
    struct call *c = opaque;
    char *argv[] = { (char *)(uintptr_t)c->option, (char *)(uintptr_t)c->value };
    layer_command_line(c->f->layer, 2, argv, &c->err);
    c->done = true;
}

static void run_destroy(void *opaque)
{
    struct call *c = opaque;
    layer_destroy(c->f->layer);
    c->done = true;
}

static void in_coroutine(struct fixture *f, void (*fn)(void *opaque), struct call *c)
{
    co_create(f->sim, "test", 0, fn, c);
    assert_int_equal(sim_run(f->sim, &c->done, SIM_FOREVER, 1000000), SIM_DONE);
}

static void fini(struct fixture *f)
{
    struct call c = { .f = f };
    in_coroutine(f, run_destroy, &c);
    host_destroy(f->host);
    sim_destroy(f->sim);
    strbuf_free(&f->warnings);
}

static void check(json_t *have, const char *want)
{
    char *text;
    assert_non_null(have);
    text = json_dumps(have, JSON_SORT_KEYS | JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
    json_decref(have);
}

static void test_keyval_good(void **state)
{
    (void)state;
    check(keyval_parse("file,a=1,b.c=x,,y,b.d=,a=2", "driver", NULL),
          "{\"a\":\"2\",\"b\":{\"c\":\"x,y\",\"d\":\"\"},\"driver\":\"file\"}");
    check(keyval_parse("", "driver", NULL), "{}");
    check(keyval_parse("a=,,,b=c", NULL, NULL), "{\"a\":\",\",\"b\":\"c\"}");
}

static void test_keyval_bad(void **state)
{
    static const char *const bad[][2] = {
        { "a", "Expected '=' after parameter 'a'" },
        { "a=1,b", "Expected '=' after parameter 'b'" },
        { "a=1,,b=2,c", "Expected '=' after parameter 'c'" },
        { "=1", "Invalid parameter ''" },
        { "a=1,help", "Help is not available for this option" },
        { "?", "Help is not available for this option" },
        { "a=1,a.b=2", "Parameters 'a.*' used inconsistently" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_null(keyval_parse(bad[i][0], NULL, &err));
        assert_string_equal(err.text, bad[i][1]);
    }
}

static void test_options(void **state)
{
    struct fixture f;
    (void)state;
    init(&f);
    check(optstr_parse(f.layer, "file,a.b=1,id=x,id=y,a.b=2,c=1,,2,=e", "driver", NULL),
          "{\"\":\"e\",\"a.b\":\"2\",\"c\":\"1,2\",\"driver\":\"file\",\"id\":\"x\"}");
    assert_int_equal(f.warnings.len, 0);
    check(optstr_parse(f.layer, "a,nob", NULL, NULL), "{\"a\":\"on\",\"b\":\"off\"}");
    assert_non_null(strstr(f.warnings.text, "Please use a=on instead;"));
    assert_non_null(strstr(f.warnings.text, "Please use b=off instead;"));
    fini(&f);
}

/* Pieces of command lines at random: an error or a drive, and the layer goes as it should. */
static void test_random(void **state)
{
    static const char *const options[] = { "-drive", "-blockdev", "-object", "-device" };
    static const char *const pieces[] = {
        "if=none",     ",",         "file=",    "json:{",    "}",
        "driver=",     "null-co",   "raw",      "file.",     "filename",
        "backing",     "=",         "\"a\":1",  "id=d",      "cache=",
        "none",        "throttling.", "bps-total", "1",      "[",
        "]",           "blkdebug:", ":",        "snapshot=on", "size=",
        "1M",          "qom-type",  "iothread", "quorum",    "children.0",
        "\xff",        "x",         "node-name=n", "qcow2",  ".",
        "0",           "stats-intervals.0", "virtio-blk-pci",
    };
    struct fixture f;
    uint64_t x = 88172645463325252ull;
    (void)state;
    init(&f);
    for (int i = 0; i < 4000; i++) {
        struct strbuf value = { 0 };
        for (int n = 0; n < 9; n++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            strbuf_puts(&value, pieces[x % ARRAY_LEN(pieces)]);
        }
        struct call c = { .f = &f, .option = options[x % 4], .value = strbuf_str(&value) };
        in_coroutine(&f, run_args, &c);
        strbuf_free(&value);
    }
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keyval_good), cmocka_unit_test(test_keyval_bad),
        cmocka_unit_test(test_options),     cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("model/cmdline", tests, NULL, NULL);
}
