/* SPDX-License-Identifier: MIT */
#include "model/job/chain.h"

#include "base/check.h"
#include "base/mem.h"
#include "model/job/filter.h"
#include "model/open.h"
#include "model/reopen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct node *chain_overlay(struct node *from, struct node *n)
{
    struct node *at = node_skip_filters(from);
    n = node_skip_filters(n);
    while (at) {
        struct node *below = node_backing_chain_next(at);
        if (below == n) {
            return at;
        }
        at = below;
    }
    return NULL;
}

/* ---- By name ---- */

/* The same name without its "." and empty parts; new string. */
static char *plain_path(const char *name)
{
    char *out = mem_strdup(name), *to = out;
    for (const char *from = name; *from;) {
        size_t len = strcspn(from, "/");
        bool nothing = len == 0 || (len == 1 && *from == '.');
        bool first = from == name;
        if (!nothing || (first && len == 0)) {
            memcpy(to, from, len);
            to += len;
        }
        from += len;
        if (*from == '/') {
            from++;
            if (!nothing || (first && len == 0)) {
                *to++ = '/';
            }
        }
    }
    *to = '\0';
    return out;
}

static bool is_same_path(const char *a, const char *b)
{
    char *x = plain_path(a), *y = plain_path(b);
    bool same = strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* Name as the image `overlay` would mean it in its header; new string, or NULL. */
static char *relative_to(const struct node *overlay, const char *name)
{
    char *base = node_filename(overlay);
    bool is_json = strncmp(base, "json:", strlen("json:")) == 0;
    char *out = *name == '/' || is_json ? mem_strdup(name) : name_combine(base, name);
    free(base);
    return out;
}

/* Whether the backing file that overlay's header names is called that. */
static bool header_means(const struct node *overlay, const char *name)
{
    const char *header = overlay->backing_file;
    char *full = NULL;
    bool found = false;
    if (name_has_protocol(name) || name_has_protocol(header)) {
        found = strcmp(header, name) == 0;
        if (!found && node_backing_path(overlay, &full, NULL) == 0) {
            found = strcmp(full, name) == 0;
        }
    } else if (node_backing_path(overlay, &full, NULL) == 0) {
        char *meant = relative_to(overlay, name);
        found = is_same_path(full, meant);
        free(meant);
    }
    free(full);
    return found;
}

bool chain_is_called(const struct node *n, const char *name)
{
    char *own = node_filename(n);
    bool same = strcmp(own, name) == 0;
    free(own);
    return same;
}

struct node *chain_find_image(struct node *from, const char *name)
{
    struct node *at = node_skip_filters(from), *below;
    for (; (below = at ? node_backing_chain_next(at) : NULL) != NULL; at = below) {
        bool other = node_backing_is_another(at) || !at->backing_file;
        if (other ? chain_is_called(below, name) : header_means(at, name)) {
            return below;
        }
    }
    return NULL;
}

/* ---- Headers ---- */

int chain_write_backing(struct node *overlay, const char *name, const char *format)
{
    const struct driver_image *ops = overlay->drv->image;
    bool read_only = overlay->flags.read_only;
    int ret = ops && ops->set_backing ? 0 : -ENOTSUP;
    if (ret == 0 && read_only) {
        ret = reopen_set_read_only(overlay, false, NULL);
    }
    if (ret < 0) {
        return ret;
    }
    ret = ops->set_backing(overlay, name, format, NULL);
    if (read_only) {
        reopen_set_read_only(overlay, true, NULL); /* What was written is valid either way. */
    }
    return ret;
}
