/* SPDX-License-Identifier: MIT */
#include "reports/replay_id.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 5, ID_MAX_BYTES = 1 << 20 };

enum field_form {
    FORM_PLAIN,   /* ',' is escaped. */
    FORM_PARAMS,  /* ' ' is written ','. */
    FORM_CHOICES, /* ',' stays. */
};

static bool is_safe(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._/+=@-", c));
}

static void put_field(struct strbuf *out, const char *text, enum field_form form)
{
    for (; *text; text++) {
        if (*text == ' ' && form == FORM_PARAMS) {
            strbuf_putc(out, ',');
        } else if (is_safe(*text) || (*text == ',' && form == FORM_CHOICES)) {
            strbuf_putc(out, *text);
        } else {
            strbuf_printf(out, "%%%02X", (unsigned char)*text);
        }
    }
}

void replay_id_format(const struct replay_id *id, struct strbuf *out)
{
    CHECK(id->case_id[0] != '\0');
    struct strbuf b = { .text = NULL };
    bool dash = id->path[0] == '-'; /* The word must not look like an option. */
    strbuf_puts(&b, dash ? "%2D" : "");
    put_field(&b, id->path + dash, FORM_PLAIN);
    strbuf_putc(&b, ':');
    put_field(&b, id->case_id, FORM_PLAIN);
    strbuf_putc(&b, ':');
    put_field(&b, id->params, FORM_PARAMS);
    strbuf_putc(&b, ':');
    if (id->seeded) {
        strbuf_printf(&b, "%" PRIu64, id->seed);
    }
    strbuf_putc(&b, ':');
    put_field(&b, id->choices, FORM_CHOICES);
    while (b.text[b.len - 1] == ':') {
        b.len--;
    }
    strbuf_add(out, b.text, b.len);
    strbuf_free(&b);
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    if (c >= 'a' && c <= 'f') {
        c = (char)(c - 'a' + 'A');
    }
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* The field of n bytes at text, unescaped, or NULL and an error. */
static char *get_field(const char *text, size_t n, enum field_form form, struct error *err)
{
    struct strbuf b = { .text = NULL };
    strbuf_puts(&b, "");
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == ',' && form == FORM_PARAMS) {
            c = ' ';
        } else if (c == '%') {
            bool whole = n - i > 2;
            int high = whole ? hex_value(text[i + 1]) : -1;
            int low = whole ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                error_set(err, -EINVAL, "Bad %% escape in replay id at '%.*s'",
                          (int)MIN(n - i, (size_t)20), text + i);
                strbuf_free(&b);
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        strbuf_putc(&b, c);
    }
    return b.text;
}

static int parse_seed(struct replay_id *id, const char *text, struct error *err)
{
    id->seeded = text[0] != '\0';
    id->seed = 0;
    if (id->seeded && text_parse_u64(text, &id->seed)) {
        return error_set(err, -EINVAL, "Bad seed '%.40s' in replay id", text);
    }
    return 0;
}

int replay_id_parse(struct replay_id *id, const char *text, struct error *err)
{
    static const enum field_form forms[FIELDS] = { FORM_PLAIN, FORM_PLAIN, FORM_PARAMS, FORM_PLAIN,
                                                   FORM_CHOICES };
    char *field[FIELDS] = { NULL };
    int ret = 0;
    if (strlen(text) > ID_MAX_BYTES) {
        return error_set(err, -EINVAL, "Replay id is longer than %d bytes", ID_MAX_BYTES);
    }
    for (size_t i = 0; i < FIELDS && !ret; i++) {
        size_t n = i == FIELDS - 1 ? strlen(text) : strcspn(text, ":");
        field[i] = get_field(text, n, forms[i], err);
        ret = field[i] ? 0 : -EINVAL;
        text += n + (text[n] == ':');
    }
    if (!ret && (!field[0][0] || !field[1][0])) {
        ret = error_set(err, -EINVAL, "A replay id is PATH:CASE[:PARAMS[:SEED[:CHOICES]]]");
    }
    ret = ret ? ret : parse_seed(id, field[3], err);
    free(field[3]);
    id->path = field[0];
    id->case_id = field[1];
    id->params = field[2];
    id->choices = field[4];
    if (ret) {
        replay_id_fini(id);
    }
    return ret;
}

void replay_id_fini(struct replay_id *id)
{
    free(id->path);
    free(id->case_id);
    free(id->params);
    free(id->choices);
    *id = (struct replay_id){ .path = NULL };
}
