/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include "base/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void memory_is_there(void **state)
{
    (void)state;
    int *zeros = NEW_ARRAY(int, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(zeros[i], 0);
    }
    zeros = mem_resize(zeros, 2000 * sizeof(int));
    assert_int_equal(zeros[999], 0);
    free(zeros);
    free(mem_alloc(0)); /* Nothing is still a pointer. */
    void *aligned = mem_alloc_aligned(4096, 8192);
    assert_int_equal((uintptr_t)aligned % 4096, 0);
    free(aligned);
    free(mem_zalloc(0));
    free(mem_resize(NULL, 0));
}

static void strings_are_copied(void **state)
{
    (void)state;
    char *a = mem_strdup("hello"), *b = mem_strndup("hello", 3), *c = mem_strndup("hi", 10);
    char *d = mem_printf("%s-%d", a, 7), *e = mem_copy("abc", 2);
    assert_string_equal(a, "hello");
    assert_string_equal(b, "hel");
    assert_string_equal(c, "hi");
    assert_string_equal(d, "hello-7");
    assert_memory_equal(e, "ab", 2);
    free(a);
    free(b);
    free(c);
    free(d);
    free(e);
}

/* Runs act in a process of its own: what it wrote to stderr, and how it ended. */
static int status_of(void (*act)(void), char *text, size_t size)
{
    int fds[2], status = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        signal(SIGABRT, SIG_DFL);
        act();
        _exit(0);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void fail_check(void)
{
    volatile int two = 2;
    CHECK(two == 2);
    CHECK(two == 3);
}

static void overflow_array(void)
{
    volatile size_t n = SIZE_MAX / 4;
    free(mem_zalloc_array(n, 8));
}

static void a_failed_check_says_where_and_aborts(void **state)
{
    char text[512];
    (void)state;
    int status = status_of(fail_check, text, sizeof(text));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "blksim: check failed: two == 3 at "));
    assert_non_null(strstr(text, "mem_test.c:"));
}

static void an_impossible_size_ends_the_process(void **state)
{
    char text[512];
    (void)state;
    assert_int_not_equal(status_of(overflow_array, text, sizeof(text)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_there),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(a_failed_check_says_where_and_aborts),
        cmocka_unit_test(an_impossible_size_ends_the_process),
    };
    return cmocka_run_group_tests_name("base/mem", tests, NULL, NULL);
}
