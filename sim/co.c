/* SPDX-License-Identifier: MIT */
/* Stacks and the switch between them.
 *
 * co_switch saves the callee-saved registers of the running side on its stack and takes up the
 * other's: hand-written for x86-64 and aarch64, ucontext elsewhere (and with -DCO_UCONTEXT).  A
 * coroutine whose function has returned goes to the pool with its stack and its loop in co_main, so
 * starting the next one costs one switch and no system call.
 */
#include "sim/co.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/sim.h"

#include <stdlib.h>
#include <sys/mman.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#if defined(__SANITIZE_ADDRESS__)
#define CO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CO_ASAN 1
#endif
#endif

#ifdef CO_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(CO_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define CO_UCONTEXT 1
#endif

/* Requests recurse through graphs of NODE_HEIGHT_MAX levels; what is not touched costs nothing.
 * The frames of sanitizers are larger. */
#ifdef CO_ASAN
enum { STACK_BYTES = 32 << 20, GUARD_BYTES = 4096 };
#else
enum { STACK_BYTES = 8 << 20, GUARD_BYTES = 4096 };
#endif

static void co_main(struct co *co);

#ifdef CO_UCONTEXT
#include <ucontext.h>

static void uc_entry(unsigned hi, unsigned lo)
{
    co_main((struct co *)((uintptr_t)hi << 32 | lo));
}

static void stack_prepare(struct co *co)
{
    ucontext_t *uc = NEW(ucontext_t);
    uintptr_t p = (uintptr_t)co;
    CHECK(getcontext(uc) == 0);
    uc->uc_stack.ss_sp = co->stack + GUARD_BYTES;
    uc->uc_stack.ss_size = STACK_BYTES;
    makecontext(uc, (void (*)(void))uc_entry, 2, (unsigned)(p >> 32), (unsigned)p);
    co->sp = uc;
}

static void co_switch(void **save, void *to)
{
    if (!*save) {
        *save = NEW(ucontext_t); /* The scheduler's own; freed by co_pool_fini. */
    }
    CHECK(swapcontext(*save, to) == 0);
}

static void stack_release(struct co *co)
{
    free(co->sp);
}

static void main_release(struct sim *s)
{
    free(s->sched.main_sp);
}
#else

/* Saves the caller's registers and stack pointer in *save and goes on at `to`. */
void co_switch(void **save, void *to);
/* First instruction of a new stack: the coroutine stands in a callee-saved register. */
void co_entry(void);

#if defined(__x86_64__)
__asm__(".text\n"
        ".p2align 4\n"
        ".globl co_switch\n"
        ".type co_switch,@function\n"
        "co_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size co_switch,.-co_switch\n"
        ".globl co_entry\n"
        ".type co_entry,@function\n"
        "co_entry:\n"
        "    movq %r12, %rdi\n"
        "    callq *%r13\n"
        "    ud2\n"
        ".size co_entry,.-co_entry\n");

static void stack_prepare(struct co *co)
{
    void **sp = (void **)(void *)(co->stack + GUARD_BYTES + STACK_BYTES);
    *--sp = NULL;               /* Two words keep the stack aligned at co_entry's call. */
    *--sp = NULL;
    *--sp = (void *)(uintptr_t)co_entry; /* Return address of the first switch. */
    *--sp = NULL;               /* rbp */
    *--sp = NULL;               /* rbx */
    *--sp = co;                 /* r12 */
    *--sp = (void *)(uintptr_t)co_main; /* r13 */
    *--sp = NULL;               /* r14 */
    *--sp = NULL;               /* r15 */
    co->sp = sp;
}
#else
__asm__(".text\n"
        ".p2align 4\n"
        ".globl co_switch\n"
        ".type co_switch,%function\n"
        "co_switch:\n"
        "    sub sp, sp, #176\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        ".size co_switch,.-co_switch\n"
        ".globl co_entry\n"
        ".type co_entry,%function\n"
        "co_entry:\n"
        "    mov x0, x19\n"
        "    blr x20\n"
        "    brk #0\n"
        ".size co_entry,.-co_entry\n");

static void stack_prepare(struct co *co)
{
    void **sp = (void **)(void *)(co->stack + GUARD_BYTES + STACK_BYTES - 176);
    sp[0] = co;               /* x19 */
    sp[1] = (void *)(uintptr_t)co_main; /* x20 */
    sp[10] = NULL;            /* x29 */
    sp[11] = (void *)(uintptr_t)co_entry; /* x30 */
    co->sp = sp;
}
#endif

static void stack_release(struct co *co)
{
    (void)co;
}

static void main_release(struct sim *s)
{
    (void)s;
}
#endif

/* From the scheduler into co, and back when it yields or ends. */
static void switch_to(struct co *co)
{
    struct sched *d = &co->sim->sched;
#ifdef CO_ASAN
    void *fake;
    __sanitizer_start_switch_fiber(&fake, co->stack + GUARD_BYTES, STACK_BYTES);
#endif
    co_switch(&d->main_sp, co->sp);
#ifdef CO_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

static void switch_back(struct co *co)
{
    struct sched *d = &co->sim->sched;
#ifdef CO_ASAN
    __sanitizer_start_switch_fiber(&co->asan_stack, d->main_stack, d->main_stack_size);
#endif
    co_switch(&co->sp, d->main_sp);
#ifdef CO_ASAN
    __sanitizer_finish_switch_fiber(co->asan_stack, &d->main_stack, &d->main_stack_size);
#endif
}

/* The life of a stack: one function after another. */
static void co_main(struct co *co)
{
#ifdef CO_ASAN
    struct sched *d = &co->sim->sched;
    __sanitizer_finish_switch_fiber(NULL, &d->main_stack, &d->main_stack_size);
#endif
    for (;;) {
        co->fn(co->opaque);
        co->state = CO_DONE;
        switch_back(co);
    }
}

static struct co *co_new(struct sim *s)
{
    struct co *co = NEW(struct co);
    co->sim = s;
    co->stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    CHECK(co->stack != MAP_FAILED);
    CHECK(mprotect(co->stack, GUARD_BYTES, PROT_NONE) == 0);
    co->valgrind_id = VALGRIND_STACK_REGISTER(co->stack + GUARD_BYTES,
                                              co->stack + GUARD_BYTES + STACK_BYTES);
    stack_prepare(co);
    return co;
}

struct co *co_create(struct sim *s, const char *name, uint32_t iothread, co_fn *fn, void *opaque)
{
    struct sched *d = &s->sched;
    CHECK(iothread < d->queues);
    struct co *co = d->pool;
    if (co) {
        d->pool = co->next;
    } else {
        co = co_new(s);
    }
    co->name = name;
    co->iothread = iothread;
    co->fn = fn;
    co->opaque = opaque;
    co->id = ++d->ids;
    co->all_next = NULL;
    co->all_prev = d->all_tail;
    if (d->all_tail) {
        d->all_tail->all_next = co;
    } else {
        d->all_head = co;
    }
    d->all_tail = co;
    d->live++;
    co->state = CO_READY;
    sched_ready(s, co);
    return co;
}

static void co_retire(struct sched *d, struct co *co)
{
    if (co->all_prev) {
        co->all_prev->all_next = co->all_next;
    } else {
        d->all_head = co->all_next;
    }
    if (co->all_next) {
        co->all_next->all_prev = co->all_prev;
    } else {
        d->all_tail = co->all_prev;
    }
    d->live--;
    co->next = d->pool;
    d->pool = co;
}

void co_run(struct co *co)
{
    struct sched *d = &co->sim->sched;
    CHECK(co->state == CO_READY && d->current == NULL);
    d->current = co;
    co->state = CO_RUNNING;
    switch_to(co);
    d->current = NULL;
    if (co->state == CO_DONE) {
        co_retire(d, co);
    }
}

struct co *co_self(const struct sim *s)
{
    return s->sched.current;
}

void co_yield(struct sim *s, const char *what, const void *on)
{
    struct co *co = s->sched.current;
    CHECK(co != NULL);
    co->state = CO_WAITING;
    co->wait_what = what;
    co->wait_on = on;
    switch_back(co);
}

void co_wake(struct co *co)
{
    CHECK(co->state == CO_WAITING);
    co->state = CO_READY;
    sched_ready(co->sim, co);
}

void co_pass(struct sim *s)
{
    struct co *co = s->sched.current;
    CHECK(co != NULL);
    co->state = CO_READY;
    sched_ready(s, co);
    switch_back(co);
}

static void wake_sleeper(void *opaque)
{
    co_wake(opaque);
}

void co_sleep(struct sim *s, int64_t ns)
{
    CHECK(ns >= 0);
    struct timer t;
    timer_init(&t, wake_sleeper, co_self(s));
    timer_set(&s->clock, &t, sim_now_ns(s) + ns);
    co_yield(s, "sleep", NULL);
}

void co_move(struct sim *s, uint32_t iothread)
{
    CHECK(iothread < s->sched.queues);
    struct co *co = s->sched.current;
    CHECK(co != NULL);
    if (co->iothread != iothread) {
        co->iothread = iothread;
        co_pass(s);
    }
}

void co_pool_fini(struct sim *s)
{
    CHECK(s->sched.live == 0);
    while (s->sched.pool) {
        struct co *co = s->sched.pool;
        s->sched.pool = co->next;
        VALGRIND_STACK_DEREGISTER(co->valgrind_id);
        CHECK(munmap(co->stack, GUARD_BYTES + STACK_BYTES) == 0);
        stack_release(co);
        free(co);
    }
    main_release(s);
}
