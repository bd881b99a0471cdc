/* SPDX-License-Identifier: MIT */
/* Scripts as values: reading a file, look-up, and freeing. */
#include "scenarios/script.h"

#include "base/check.h"
#include "base/mem.h"
#include "scenarios/script_lex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads at most SCRIPT_MAX_BYTES + 1 bytes.  Errors: -errno. */
static int read_all(int fd, struct strbuf *out)
{
    char buf[65536];
    while (out->len <= SCRIPT_MAX_BYTES) {
        ssize_t n = read(fd, buf, MIN(sizeof(buf), SCRIPT_MAX_BYTES + 1 - out->len));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return 0;
        }
        strbuf_add(out, buf, (size_t)n);
    }
    return 0;
}

static int read_file(const char *path, struct strbuf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    struct stat st;
    int ret = fstat(fd, &st) != 0 ? -errno : 0;
    if (ret == 0) {
        ret = S_ISDIR(st.st_mode) ? -EISDIR : read_all(fd, out);
    }
    close(fd);
    return ret;
}

struct script *script_load(const char *path, struct strbuf *errors)
{
    struct strbuf text = { 0 };
    struct script *s = NULL;
    int ret = read_file(path, &text);
    if (ret != 0) {
        strbuf_printf(errors, "%s: %s\n", path, error_strerror(-ret));
    } else {
        s = script_parse(path, strbuf_str(&text), text.len, errors);
    }
    strbuf_free(&text);
    return s;
}

bool script_expect_is_outcome(enum expect_kind kind)
{
    return kind == EXPECT_OK || kind == EXPECT_ERROR || kind == EXPECT_RETURN ||
           kind == EXPECT_OUTPUT || kind == EXPECT_ABORTS;
}

const struct script_prop *script_prop_find(const struct script_stmt *stmt, const char *name)
{
    for (size_t i = 0; i < stmt->props_len; i++) {
        if (strcmp(stmt->props[i].name, name) == 0) {
            return &stmt->props[i];
        }
    }
    return NULL;
}

const struct script_header *script_header_find(const struct script_case *c, const char *name)
{
    for (size_t i = 0; i < c->headers_len; i++) {
        if (strcmp(c->headers[i].name, name) == 0) {
            return &c->headers[i];
        }
    }
    return NULL;
}

/* ---- freeing ---- */

static void comments_free(char **comments)
{
    for (size_t i = 0; comments != NULL && comments[i] != NULL; i++) {
        free(comments[i]);
    }
    free(comments);
}

static void words_fini(struct script_words *words)
{
    for (size_t i = 0; i < words->len; i++) {
        script_word_fini(&words->at[i]);
    }
    free(words->at);
}

static void stmt_fini(struct script_stmt *stmt)
{
    for (size_t i = 0; i < stmt->props_len; i++) {
        free(stmt->props[i].name);
        free(stmt->props[i].arg);
    }
    for (size_t i = 0; i < stmt->expects_len; i++) {
        words_fini(&stmt->expects[i].words);
        comments_free(stmt->expects[i].comments);
        free(stmt->expects[i].tail);
        free(stmt->expects[i].quirk);
    }
    words_fini(&stmt->words);
    comments_free(stmt->comments);
    free(stmt->props);
    free(stmt->expects);
    free(stmt->qmp_raw);
    free(stmt->tail);
}

static void axis_fini(struct script_axis *axis)
{
    for (size_t i = 0; i < axis->len; i++) {
        free(axis->values[i]);
    }
    free(axis->values);
    free(axis->key);
}

static void header_fini(struct script_header *h)
{
    words_fini(&h->words);
    comments_free(h->comments);
    free(h->name);
    free(h->tail);
}

static void case_fini(struct script_case *c)
{
    for (size_t i = 0; i < c->headers_len; i++) {
        header_fini(&c->headers[i]);
    }
    for (size_t i = 0; i < c->stmts_len; i++) {
        stmt_fini(&c->stmts[i]);
    }
    for (size_t i = 0; i < c->axes_len; i++) {
        axis_fini(&c->axes[i]);
    }
    comments_free(c->comments);
    comments_free(c->end_comments);
    free(c->headers);
    free(c->stmts);
    free(c->axes);
    free(c->name);
    free(c->tail);
    free(c->end_tail);
}

void script_free(struct script *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->cases_len; i++) {
        case_fini(&s->cases[i]);
    }
    comments_free(s->comments);
    free(s->cases);
    if (s->lines != NULL) {
        free(s->lines[0]); /* One block holds all of them. */
    }
    free(s->lines);
    free(s->path);
    free(s);
}
