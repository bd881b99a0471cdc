/* From tokens to a JSON value: the inner half of the reader (model/qmp/reader.c). */
#ifndef MODEL_QMP_BUILD_H
#define MODEL_QMP_BUILD_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum qmp_token {
    QMP_TOKEN_LBRACE,
    QMP_TOKEN_RBRACE,
    QMP_TOKEN_LBRACKET,
    QMP_TOKEN_RBRACKET,
    QMP_TOKEN_COLON,
    QMP_TOKEN_COMMA,
    QMP_TOKEN_KEYWORD,
    QMP_TOKEN_INTEGER,
    QMP_TOKEN_FLOAT,
    QMP_TOKEN_STRING, /* Quotes included. */
};

struct qmp_build;

struct qmp_build *qmp_build_create(void);
void qmp_build_destroy(struct qmp_build *b);
void qmp_build_reset(struct qmp_build *b);

/* Takes one token; text: n bytes and a NUL.  The first error is remembered, and what follows is
 * ignored until qmp_build_take or qmp_build_reset. */
void qmp_build_token(struct qmp_build *b, enum qmp_token type, const char *text, size_t n);

/* The value is complete, and there is no error. */
bool qmp_build_has_value(const struct qmp_build *b);

/* The value (a new reference), or NULL with err set: the first error, or "premature EOI" when the
 * value is not complete. */
json_t *qmp_build_take(struct qmp_build *b, struct error *err);

/* A copy of text in which each byte sequence that is not UTF-8 is U+FFFD. */
char *qmp_utf8_clean(const char *text);

#endif
