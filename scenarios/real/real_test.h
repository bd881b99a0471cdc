/* What the tests of real targets share: a target in a folder of its own, and that nothing is
 * left of it. */
#ifndef SCENARIOS_REAL_REAL_TEST_H
#define SCENARIOS_REAL_REAL_TEST_H

#include "base/mem.h"
#include "scenarios/real/target.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct target *t;
    char dir[64];
    struct strbuf late;
};

static inline void on_late(void *opaque, const char *node, const char *text)
{
    struct fixture *f = opaque;
    strbuf_printf(&f->late, "%s: %s", node, text);
}

/* Skips the test when there is no such program. */
static inline void start_kind(struct fixture *f, enum real_kind kind, const char *prefix,
                              int64_t reply_ns)
{
    struct target_real_config cfg = { .kind = kind, .prefix = prefix, .dir = f->dir,
                                      .script_dir = f->dir, .reply_ns = reply_ns,
                                      .late = on_late, .opaque = f };
    struct error err = ERROR_INIT;
    f->t = target_real_create(&cfg, &err);
    if (!f->t) {
        print_message("skipped: %s\n", err.text);
        skip();
    }
}

static inline int set_up(void **state)
{
    struct fixture *f = NEW(struct fixture);
    strcpy(f->dir, "/tmp/blksim-real-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static inline void remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->t) {
        f->t->ops->destroy(f->t);
    }
    remove_files(f->dir);
    assert_int_equal(rmdir(f->dir), 0);
    strbuf_free(&f->late);
    free(f);
    return 0;
}

#endif
