/* SPDX-License-Identifier: MIT */
/* The sparse page map against a plain array, over small, wide and clustered page numbers. */
#include "base/mem.h"
#include "sim/disk_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGES = 2048, ROUNDS = 20000 };

/* The page number of slot i of the array. */
typedef uint64_t number_fn(uint64_t i);

static uint64_t dense(uint64_t i)
{
    return i;
}

static uint64_t wide(uint64_t i)
{
    return i * UINT64_C(0xfffffffff3); /* Up to 2^51. */
}

static uint64_t clusters(uint64_t i)
{
    return i / 100 * (UINT64_C(1) << 30) + i % 100 + 30;
}

static uint64_t next_of(const bool *has, uint64_t i, number_fn *number)
{
    while (i < PAGES && !has[i]) {
        i++;
    }
    return i < PAGES ? number(i) : PAGE_NONE;
}

static void check_all(const struct pagemap *m, const bool *has, number_fn *number)
{
    uint64_t n = 0, len = 0;
    for (uint64_t i = 0; i < PAGES; i++) {
        const struct page *p = pagemap_find(m, number(i));
        assert_int_equal(p != NULL, has[i]);
        if (p) {
            assert_true(p->fill.tag == number(i));
        }
        assert_true(pagemap_next(m, number(i)) == next_of(has, i, number));
        assert_true(pagemap_next(m, number(i) + 1) == next_of(has, i + 1, number));
        len += has[i];
    }
    for (n = pagemap_next(m, 0); n != PAGE_NONE; n = pagemap_next(m, n + 1)) {
        len--;
    }
    assert_int_equal(len, 0);
}

static void stress(number_fn *number)
{
    struct pagemap m = { 0 };
    bool has[PAGES] = { false };
    assert_true(pagemap_next(&m, 0) == PAGE_NONE);
    assert_null(pagemap_find(&m, 0));
    for (uint64_t k = 0; k < ROUNDS; k++) {
        uint64_t r = fill_word(1, k), i = r % PAGES;
        /* Full and empty in turns. */
        bool want = (r >> 32) % 8 < (k / 3000 % 2 ? 1u : 7u);
        if (want && !has[i]) {
            struct page p = page_make(number(i), PAGE_FILL);
            p.fill = fill_stream(number(i));
            pagemap_add(&m, p);
            has[i] = true;
        } else if (!want && has[i]) {
            pagemap_remove(&m, number(i));
            has[i] = false;
        }
        if (k % 500 == 0) {
            check_all(&m, has, number);
        }
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        if (has[i]) {
            pagemap_remove(&m, number(i));
            has[i] = false;
        }
    }
    check_all(&m, has, number);
    assert_int_equal(m.len, 0);
    assert_int_equal(m.words_len, 0);
    pagemap_fini(&m);
}

static void test_dense_pages(void **state)
{
    (void)state;
    stress(dense);
}

static void test_pages_all_over_eight_exbibytes(void **state)
{
    (void)state;
    stress(wide);
}

static void test_clusters_of_pages(void **state)
{
    (void)state;
    stress(clusters);
}

static void test_runs(void **state)
{
    (void)state;
    struct pagemap m = { 0 };
    for (uint64_t n = 10; n < 500; n++) {
        pagemap_add(&m, page_make(n, PAGE_ZEROED));
    }
    assert_int_equal(pagemap_run(&m, 10, 1000), 490);
    assert_int_equal(pagemap_run(&m, 100, 1000), 400);
    assert_int_equal(pagemap_run(&m, 100, 50), 50);
    assert_int_equal(pagemap_run(&m, 9, 50), 0);
    assert_int_equal(pagemap_run(&m, 500, 50), 0);
    pagemap_remove(&m, 128);
    assert_int_equal(pagemap_run(&m, 10, 1000), 118);
    assert_int_equal(pagemap_run(&m, 129, 1000), 371);
    pagemap_fini(&m);
}

static void test_blocks_are_used_again(void **state)
{
    (void)state;
    struct block_pool *pool = block_pool_create();
    struct block *b[200];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(b); i++) {
            b[i] = block_new(pool);
            memset(b[i]->bytes, (int)i, DISK_PAGE);
        }
        assert_int_equal(pool->used, ARRAY_LEN(b));
        for (size_t i = 0; i < ARRAY_LEN(b); i++) {
            assert_int_equal(b[i]->bytes[4095], (uint8_t)i);
            block_free(pool, b[i]);
        }
    }
    size_t slabs = 0;
    for (const struct block_slab *s = pool->slabs; s; s = s->next) {
        slabs++;
    }
    assert_int_equal(slabs, 4);
    block_pool_unref(pool);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense_pages),
        cmocka_unit_test(test_pages_all_over_eight_exbibytes),
        cmocka_unit_test(test_clusters_of_pages),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_blocks_are_used_again),
    };
    return cmocka_run_group_tests_name("sim/disk_page", tests, NULL, NULL);
}
