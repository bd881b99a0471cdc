/* SPDX-License-Identifier: MIT */
/* Examples of FIPS 180-4, in one go and in pieces. */
#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, size_t times, const char *want)
{
    char out[DIGEST_TEXT];
    if (!digest_is_there()) {
        skip();
    }
    struct digest *d = digest_begin();
    for (size_t i = 0; i < times; i++) {
        digest_add(d, text, strlen(text));
    }
    digest_end(d, out);
    assert_string_equal(out, want);
}

static void published_examples(void **state)
{
    (void)state;
    expect("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(published_examples) };
    return cmocka_run_group_tests_name("base/digest", tests, NULL, NULL);
}
