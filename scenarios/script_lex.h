/* Lines and words of a scenario file; the lower half of the parser.
 *
 * The lexer stands at a place in a text that script_text_check has passed: UTF-8 without control
 * characters but tab, lines that end with LF.  It never leaves a logical line by itself: one that
 * ends with a backslash goes on in the next line.
 */
#ifndef SCENARIOS_SCRIPT_LEX_H
#define SCENARIOS_SCRIPT_LEX_H

#include "scenarios/script.h"

/* Collects "path:line:col: message" lines, SCRIPT_MAX_ERRORS at most. */
struct diag {
    const char *path;
    struct strbuf *out;
    int count;
};

void diag_add(struct diag *d, int line, int col, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool diag_full(const struct diag *d);

/* Bytes, lines and characters of a whole file.  False when the text cannot be parsed at all. */
bool script_text_check(struct diag *d, const char *text, size_t n);

/* Length of the UTF-8 character at p, which has n >= 1 bytes; 0 when it is none. */
size_t lex_utf8_len(const char *p, size_t n);

struct lex {
    struct diag *diag;
    const char *text; /* NUL at text[n]. */
    size_t n, pos;
    int line;         /* 1 first. */
    size_t line_from; /* Where it begins. */
    char *tail;       /* Comment at the end of the logical line, or NULL; the caller takes it. */
};

enum lex_mode {
    LEX_WORD,
    LEX_REGEX, /* A word that begins with '/' is a regular expression. */
    LEX_JSON,  /* The word is JSON. */
};

enum lex_token {
    LEX_TOKEN_WORD,
    LEX_TOKEN_ARROW, /* => */
    LEX_TOKEN_END,   /* Of the logical line. */
    LEX_TOKEN_BAD,   /* Reported; the rest of the logical line has been skipped. */
};

int lex_col(const struct lex *lx);
/* Skips blanks and continuations.  False at the end of the logical line (comment skipped, kept in
 * tail). */
bool lex_blanks(struct lex *lx);
/* The next word, filled only for LEX_TOKEN_WORD: the caller's then. */
enum lex_token lex_next(struct lex *lx, enum lex_mode mode, struct script_word *w);
/* A "key=value,value" word of a matrix header; word gets its text and place too. */
enum lex_token lex_axis(struct lex *lx, struct script_axis *axis, struct script_word *w);
/* "@name" or "@name(arg)"; the lexer stands at the '@'. */
enum lex_token lex_prop(struct lex *lx, struct script_prop *prop);
/* The rest of the physical line as it stands but for blanks before it, in a new string. */
char *lex_rest(struct lex *lx, size_t *n);
/* Goes to the end of the logical line, and behind its newline. */
void lex_skip_line(struct lex *lx);
void lex_next_line(struct lex *lx);

void script_word_fini(struct script_word *w);

/* Whether c may stand in the name of a key. */
bool lex_key_char(char c);
/* Length of the key of "key=..." or "key:=...", 0 when the text is neither; *json tells which, and
 * *value points behind the '='. */
size_t lex_key(const char *text, bool *json, const char **value);

/* Arrays that grow by doubling without a cap member: room for one more after len. */
void *array_grow(void *at, size_t len, size_t size);

#endif
