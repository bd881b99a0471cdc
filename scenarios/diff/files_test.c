/* SPDX-License-Identifier: MIT */
/* Two folders of image files: which files are as good as the same, and which are not.  The images
 * are made by the installed qemu-img and qemu-io; without them those stories are skipped. */
#include "scenarios/diff/files.h"

#include "base/mem.h"
#include "scenarios/real/target.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { OURS, THEIRS };

struct folders {
    char dir[32];
    struct record at[2];
    struct result r;
    struct error err;
};

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *words = mem_vprintf(fmt, ap), *line = mem_printf("{ %s; } >/dev/null 2>&1", words);
    va_end(ap);
    if (system(line) != 0) {
        fail_msg("%s", words);
    }
    free(line);
    free(words);
}

static bool have_qemu(void)
{
    return system("qemu-img --version >/dev/null 2>&1 && qemu-io --version >/dev/null 2>&1") == 0;
}

static int set_up(void **state)
{
    struct folders *f = NEW(struct folders);
    strcpy(f->dir, "/tmp/files_test.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    record_init(&f->at[OURS], "sim");
    record_init(&f->at[THEIRS], "qemu");
    f->at[OURS].files = mem_printf("%s/sim", f->dir);
    f->at[THEIRS].files = mem_printf("%s/qemu", f->dir);
    shell("mkdir %s %s", f->at[OURS].files, f->at[THEIRS].files);
    result_init(&f->r);
    f->err = ERROR_INIT;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct folders *f = *state;
    shell("rm -r %s", f->dir);
    record_fini(&f->at[OURS]);
    record_fini(&f->at[THEIRS]);
    result_fini(&f->r);
    free(f);
    return 0;
}

/* Runs a command in one folder. */
static void in(struct folders *f, int who, const char *command)
{
    shell("cd %s && %s", f->at[who].files, command);
}

static void in_both(struct folders *f, const char *command)
{
    in(f, OURS, command);
    in(f, THEIRS, command);
}

static int compare(struct folders *f)
{
    char *path = real_find_program(NULL, "qemu-img", &f->err);
    int ret = path ? files_compare(&f->at[OURS], &f->at[THEIRS], path, &f->r, &f->err) : -1;
    free(path);
    return ret;
}

static void assert_same(struct folders *f)
{
    int rows = compare(f);
    assert_string_equal(f->r.message, "");
    assert_int_equal(rows, 0);
    assert_int_equal(f->r.verdict, VERDICT_PASS);
}

static void assert_differs(struct folders *f, const char *driver, const char *detail)
{
    assert_int_equal(compare(f), 1);
    assert_int_equal(f->r.verdict, VERDICT_FAIL);
    assert_int_equal(f->r.diff_len, 1);
    assert_int_equal(f->r.diff[0].verdict, DIFF_DIFFERS);
    assert_string_equal(f->r.diff[0].command, "files");
    assert_string_equal(f->r.diff[0].driver, driver);
    if (!strstr(f->r.diff[0].detail, detail)) {
        fail_msg("%s", f->r.diff[0].detail);
    }
    assert_int_equal(strncmp(f->r.signature, "qemu:files:", 11), 0);
}

static void equal_files(void **state)
{
    struct folders *f = *state;
    in_both(f, "truncate -s 1T a; printf x >b; : >c");
    /* Holes are the file system's business. */
    in(f, THEIRS, "dd if=/dev/zero of=a bs=64k count=4 conv=notrunc");
    /* What a program has of its own, and names that nothing leads to. */
    in(f, THEIRS, "printf rom >bios.bin; mkdir d");
    in(f, OURS, "printf x >vl.000001");
    assert_same(*state);
}

static void another_byte(void **state)
{
    struct folders *f = *state;
    in_both(f, "truncate -s 8G a");
    in(f, THEIRS, "printf AB | dd of=a bs=1 seek=5000000000 conv=notrunc");
    assert_differs(f, "raw", "a\nbytes at 5000000000\n  model: 00 00 00 00 00 00 00 00 00 00 00 00 "
                             "00 00 00 00\n  qemu:  41 42 00");
}

static void another_length(void **state)
{
    struct folders *f = *state;
    in(f, OURS, "truncate -s 512 a");
    in(f, THEIRS, "truncate -s 1024 a");
    assert_differs(f, "raw", "a\nlength\n  model: 512\n  qemu:  1024\n");
}

static void a_file_too_many(void **state)
{
    struct folders *f = *state;
    in(f, OURS, "printf x >a");
    assert_differs(f, "raw", "a\nfile\n  model: there\n  qemu:  (not there)\n");
}

/* A byte that belongs to nothing. */
static void bytes_that_nobody_sees(void **state)
{
    struct folders *f = *state;
    if (!have_qemu()) {
        skip();
    }
    in_both(f, "qemu-img create -q -f qcow2 a 1M; qemu-io -f qcow2 -c 'write -P 1 0 64k' a");
    in(f, THEIRS, "printf x | dd of=a bs=1 seek=600 conv=notrunc"); /* Behind the header. */
    assert_same(f);
}

static void another_place(void **state)
{
    struct folders *f = *state;
    if (!have_qemu()) {
        skip();
    }
    in_both(f, "qemu-img create -q -f qcow2 a 1M");
    in(f, OURS, "qemu-io -f qcow2 -c 'write -P 1 0 64k' -c 'write -P 2 512k 64k' a");
    in(f, THEIRS, "qemu-io -f qcow2 -c 'write -P 2 512k 64k' -c 'write -P 1 0 64k' a");
    assert_differs(f, "qcow2", "a\nmap.0.offset\n  model: 327680\n  qemu:  393216\n");
}

static void another_content(void **state)
{
    struct folders *f = *state;
    if (!have_qemu()) {
        skip();
    }
    in_both(f, "qemu-img create -q -f qcow2 a 1M");
    in(f, OURS, "qemu-io -f qcow2 -c 'write -P 1 0 64k' a");
    in(f, THEIRS, "qemu-io -f qcow2 -c 'write -P 2 0 64k' a");
    assert_differs(f, "qcow2", "a\ncompare\n  model: (not there)\n"
                               "  qemu:  Content mismatch at offset 0!");
}

/* A cluster that nothing refers to. */
static void a_leak(void **state)
{
    struct folders *f = *state;
    if (!have_qemu()) {
        skip();
    }
    in_both(f, "qemu-img create -q -f qcow2 a 1M; qemu-io -f qcow2 -c 'write 0 64k' a; "
               "truncate -s 1M a");
    in(f, THEIRS, "printf '\\000\\001' | dd of=a bs=1 seek=131092 conv=notrunc");
    assert_differs(f, "qcow2", "check.leaks\n  model: (not there)\n  qemu:  1\n");
}

static void another_backing_file(void **state)
{
    struct folders *f = *state;
    if (!have_qemu()) {
        skip();
    }
    in_both(f, "qemu-img create -q -f qcow2 base 1M");
    in(f, OURS, "qemu-img create -q -f qcow2 -b base -F qcow2 a");
    in(f, THEIRS, "qemu-img create -q -f qcow2 -b ./base -F qcow2 a");
    assert_differs(f, "qcow2", "info.backing-filename\n  model: \"base\"\n  qemu:  \"./base\"\n");
}

/* The overlay is looked at alone. */
static void a_backing_file_that_is_not_there(void **state)
{
    struct folders *f = *state;
    if (!have_qemu()) {
        skip();
    }
    in_both(f, "qemu-img create -q -u -f qcow2 -b gone -F raw a 1M");
    in(f, OURS, "printf x | dd of=a bs=1 seek=700 conv=notrunc");
    assert_same(f);
    in(f, OURS, "qemu-io -c 'write -P 1 0 64k' 'json:{\"driver\":\"qcow2\",\"backing\":null,"
                "\"file\":{\"driver\":\"file\",\"filename\":\"a\"}}'");
    assert_differs(f, "qcow2", "map.0");
}

static void program_that_is_not_there(void **state)
{
    struct folders *f = *state;
    if (!have_qemu()) {
        skip();
    }
    in_both(f, "qemu-img create -q -f qcow2 a 1M");
    in(f, THEIRS, "printf x | dd of=a bs=1 seek=600 conv=notrunc");
    int ret = files_compare(&f->at[OURS], &f->at[THEIRS], "/nowhere/qemu-img", &f->r, &f->err);
    assert_int_equal(ret, -ENOENT);
    assert_string_equal(f->err.text, "cannot run /nowhere/qemu-img");
}

/* A write that only one side made: what they leave is not comparable. */
static void ways_that_parted(void **state)
{
    struct folders *f = *state;
    for (int w = OURS; w <= THEIRS; w++) {
        record_add(&f->at[w], 1, 10, "io", "io n write 0 512")->counted = true;
    }
    f->at[THEIRS].at[0].end = RECORD_SKIPPED;
    in(f, OURS, "printf x >a");
    assert_same(f);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(equal_files), STORY(another_byte), STORY(another_length), STORY(a_file_too_many),
        STORY(bytes_that_nobody_sees), STORY(another_place), STORY(another_content), STORY(a_leak),
        STORY(another_backing_file), STORY(a_backing_file_that_is_not_there),
        STORY(program_that_is_not_there), STORY(ways_that_parted),
    };
    return cmocka_run_group_tests_name("scenarios/diff/files", tests, NULL, NULL);
}
