/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_text(struct error *err, enum error_class class, int code, int errnum,
                    const char *fmt, va_list ap)
{
    CHECK(code < 0);
    if (!err) {
        return code;
    }
    CHECK(err->code == 0);
    err->code = code;
    err->class = class;
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    CHECK(n >= 0);
    if (errnum && (size_t)n < sizeof(err->text)) {
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", error_strerror(errnum));
    }
    return code;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(err, ERROR_GENERIC, code, 0, fmt, ap);
    va_end(ap);
    return code;
}

int error_set_class(struct error *err, enum error_class class, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(err, class, code, 0, fmt, ap);
    va_end(ap);
    return code;
}

int error_set_errno(struct error *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(err, ERROR_GENERIC, code, -code, fmt, ap);
    va_end(ap);
    return code;
}

void error_prefix(struct error *err, const char *fmt, ...)
{
    if (!err || !err->code) {
        return;
    }
    char old[ERROR_TEXT_MAX];
    memcpy(old, err->text, sizeof(old));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    if ((size_t)n < sizeof(err->text)) {
        size_t room = sizeof(err->text) - (size_t)n - 1;
        size_t len = strnlen(old, room);
        memcpy(err->text + n, old, len);
        err->text[(size_t)n + len] = '\0';
    }
}

const char *error_class_name(enum error_class class)
{
    static const char *const names[] = {
        [ERROR_GENERIC] = "GenericError",
        [ERROR_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_DEVICE_NOT_FOUND] = "DeviceNotFound",
        [ERROR_KVM_MISSING_CAP] = "KVMMissingCap",
    };
    CHECK((unsigned)class < sizeof(names) / sizeof(names[0]));
    return names[class];
}

const char *error_strerror(int errnum)
{
    const char *text = strerrordesc_np(errnum);
    return text ? text : "Unknown error";
}

enum { ERRNUM_MAX = 133 };

int error_errno_parse(const char *text)
{
    if (text[0] >= '0' && text[0] <= '9') {
        char *end;
        long n = strtol(text, &end, 10);
        return *end == '\0' && n > 0 && n <= ERRNUM_MAX ? (int)n : 0;
    }
    for (int n = 1; n <= ERRNUM_MAX; n++) {
        const char *name = strerrorname_np(n);
        if (name && strcmp(name, text) == 0) {
            return n;
        }
    }
    return 0;
}

const char *error_errno_name(int errnum)
{
    return strerrorname_np(errnum);
}
