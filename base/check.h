/* Always-on checks.
 *
 * CHECK is for what cannot happen: it is never compiled out.  What a user, a disk or a client can
 * cause is returned as an error instead (base/error.h).  A failed check prints one line
 * "blksim: check failed: EXPR at FILE:LINE" to stderr and aborts; the worker that dies of it
 * becomes a verdict (app/worker.h).
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define CHECK(expr)                                                                                \
    (__builtin_expect(!!(expr), 1) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))
#define UNREACHABLE() check_failed("unreachable", __FILE__, __LINE__)

_Noreturn void check_failed(const char *expr, const char *file, int line);

#endif
