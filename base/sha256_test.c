/* SPDX-License-Identifier: MIT */
/* The examples of FIPS 180-4, and each length around a block, in one go and byte by byte. */
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, size_t times, const char *digest)
{
    struct sha256 h;
    char out[SHA256_TEXT];
    sha256_init(&h);
    for (size_t i = 0; i < times; i++) {
        sha256_add(&h, text, strlen(text));
    }
    sha256_text(&h, out);
    assert_string_equal(out, digest);
}

static void published_examples(void **state)
{
    (void)state;
    expect("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void pieces_do_not_matter(void **state)
{
    char text[200], whole[SHA256_TEXT], pieces[SHA256_TEXT];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n < sizeof(text); n++) {
        struct sha256 a, b;
        sha256_init(&a);
        sha256_init(&b);
        sha256_add(&a, text, n);
        for (size_t i = 0; i < n; i++) {
            sha256_add(&b, text + i, 1);
        }
        sha256_text(&a, whole);
        sha256_text(&b, pieces);
        assert_string_equal(whole, pieces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples),
        cmocka_unit_test(pieces_do_not_matter),
    };
    return cmocka_run_group_tests_name("base/sha256", tests, NULL, NULL);
}
