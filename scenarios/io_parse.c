/* SPDX-License-Identifier: MIT */
/* Options and numbers of qemu-io's commands, with the messages of the C library's getopt. */
#include "scenarios/io_cmd.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void ioc_getopt_init(struct ioc_getopt *g, int argc, char **argv)
{
    *g = (struct ioc_getopt){ .argc = argc, .next = 1, .argv = argv };
    g->args = NEW_ARRAY(char *, (size_t)argc + 1);
}

void ioc_getopt_fini(struct ioc_getopt *g)
{
    free(g->args);
    g->args = NULL;
}

/* Collects words up to the next option.  False at the end. */
static bool next_cluster(struct ioc_getopt *g)
{
    while (g->next < g->argc) {
        char *word = g->argv[g->next++];
        if (strcmp(word, "--") == 0) {
            while (g->next < g->argc) {
                g->args[g->args_len++] = g->argv[g->next++];
            }
            return false;
        }
        if (word[0] == '-' && word[1] != '\0') {
            g->cluster = word + 1;
            return true;
        }
        g->args[g->args_len++] = word;
    }
    return false;
}

int ioc_getopt_next(struct ioc_ctx *c, struct ioc_getopt *g, const char *spec)
{
    if ((!g->cluster || !*g->cluster) && !next_cluster(g)) {
        return 0;
    }
    char letter = *g->cluster++;
    const char *known = letter == ':' ? NULL : strchr(spec, letter);
    if (!known) {
        ioc_fail(c, -EINVAL, "%s: invalid option -- '%c'", c->name, letter);
        ioc_usage(c);
        return '?';
    }
    g->value = NULL;
    if (known[1] == ':') {
        if (*g->cluster) {
            g->value = g->cluster;
        } else if (g->next < g->argc) {
            g->value = g->argv[g->next++];
        } else {
            ioc_fail(c, -EINVAL, "%s: option requires an argument -- '%c'", c->name, letter);
            ioc_usage(c);
            return '?';
        }
        g->cluster = NULL;
    }
    return letter;
}

int ioc_parse_size(struct ioc_ctx *c, const char *text, int64_t *out)
{
    int ret = text_parse_size(text, out);
    if (ret == -ERANGE) {
        return ioc_fail(c, ret, "Parsing error: argument too large -- %s", text);
    }
    if (ret < 0) {
        return ioc_fail(c, ret,
                       "Parsing error: non-numeric argument, or extraneous/unrecognized suffix"
                       " -- %s", text);
    }
    return 0;
}

int ioc_parse_range(struct ioc_ctx *c, const struct ioc_getopt *g, int64_t *offset,
                    int64_t *bytes)
{
    if (g->args_len != 2) {
        return ioc_usage(c);
    }
    int ret = ioc_parse_size(c, g->args[0], offset);
    if (ret == 0) {
        ret = ioc_parse_size(c, g->args[1], bytes);
    }
    if (ret == 0 && *bytes > IO_MAX_BYTES) {
        ret = ioc_fail(c, -EINVAL, "length cannot exceed %" PRId64 ", given %s", IO_MAX_BYTES,
                       g->args[1]);
    }
    return ret;
}

int ioc_parse_pattern(struct ioc_ctx *c, const char *text, int *out)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 0);
    if (errno || end == text || *end || value < 0 || value > 255) {
        return ioc_fail(c, -EINVAL, "%s is not a valid pattern byte", text);
    }
    *out = (int)value;
    return 0;
}
