/* Text: sizes, durations, nearest matches and a growing string. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "64k", "1.5M", "0x200", "7": bytes, suffixes b k M G T P E in either case, powers of 1024, as
 * QEMU's qemu_strtosz accepts them.  Errors: -EINVAL (not a size), -ERANGE (over 2^63-1). */
int text_parse_size(const char *text, int64_t *bytes);

/* "2ms", "10us", "1s", "500ns", "60s": nanoseconds.  A unit is required except for "0".
 * Errors: -EINVAL, -ERANGE. */
int text_parse_duration(const char *text, int64_t *ns);

/* A whole decimal or 0x number, nothing after it.  Errors: -EINVAL, -ERANGE. */
int text_parse_u64(const char *text, uint64_t *value);

/* Whether it can be the name of something, as QEMU has it: a letter, then letters, digits, '-', '.'
 * and '_'. */
bool text_is_identifier(const char *text);

/* The candidate closest to word by edit distance, or NULL when none is close enough to be a
 * typing error (more than a third of the letters differ).  list ends with NULL. */
const char *text_nearest(const char *word, const char *const *list);

/* The same over n names given by a callback; name(opaque, i) may return NULL to skip. */
const char *text_nearest_of(const char *word, size_t n,
                            const char *(*name)(const void *opaque, size_t i),
                            const void *opaque);

/* A growing string, always NUL-terminated; free with strbuf_free, or take `text` over. */
struct strbuf {
    char *text; /* NULL until the first append. */
    size_t len, cap;
};

void strbuf_add(struct strbuf *b, const char *bytes, size_t n);
/* Room for n bytes more, and a NUL behind them: where they go.  Who writes there adds to len. */
char *strbuf_room(struct strbuf *b, size_t n);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_putc(struct strbuf *b, char c);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The text, "" when nothing was added; valid until the next append. */
const char *strbuf_str(const struct strbuf *b);
void strbuf_free(struct strbuf *b);

#endif
