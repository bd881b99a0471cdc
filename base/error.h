/* Errors: a class, -errno and a message in the caller's buffer.
 *
 * A function that can fail with a message takes `struct error *err`, which may be NULL when the
 * caller wants only the code.  It returns the code, so that `return error_set(err, ...)` is the
 * usual last line.  The buffer is the caller's, nothing is allocated, and the first error set wins:
 * setting a second one over it is a bug and is checked.
 *
 * Classes and texts are those of QMP (QEMU docs/interop/qmp-spec.txt, section 2.4.2, and
 * qapi/error.json QapiErrorClass).
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

enum error_class {
    ERROR_GENERIC,
    ERROR_COMMAND_NOT_FOUND,
    ERROR_DEVICE_NOT_ACTIVE,
    ERROR_DEVICE_NOT_FOUND,
    ERROR_KVM_MISSING_CAP,
};

enum { ERROR_TEXT_MAX = 1024 };

struct error {
    int code; /* -errno; 0: no error. */
    enum error_class class;
    char text[ERROR_TEXT_MAX];
};

#define ERROR_INIT ((struct error){ .code = 0 })

/* Sets a GenericError.  code: -errno, not 0.  Returns code. */
int error_set(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

int error_set_class(struct error *err, enum error_class class, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Sets "MESSAGE: strerror(-code)", as QEMU's error_setg_errno.  Returns code. */
int error_set_errno(struct error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts text before the message already set.  Nothing happens when err is NULL or unset. */
void error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "GenericError" and so on: the "class" member of a QMP error. */
const char *error_class_name(enum error_class class);

/* strerror() in the C locale, whatever the process locale is.  errnum: positive. */
const char *error_strerror(int errnum);

/* "EIO" to 5 and back.  error_errno_parse also takes a number; returns 0 for what is neither.
 * error_errno_name returns NULL for an unknown number. */
int error_errno_parse(const char *text);
const char *error_errno_name(int errnum);

#endif
