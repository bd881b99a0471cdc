/* SPDX-License-Identifier: MIT */
/* The descriptor tables of a host: see host_fd.h.
 *
 * Invariants:
 *   1. A set without descriptors has duplicates; else it is gone.
 *   2. A descriptor's open file lives as long as the descriptor or one duplicate of it does.
 */
#include "sim/host_fd.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct descriptor {
    int64_t fd;
    char *label;     /* Opaque text of a set's member, or the name that getfd gave; may be NULL. */
    uint32_t flags;  /* As opened: HOST_WRITE or not. */
    struct host_file *file;
    struct descriptor *next;
};

struct fdset {
    int64_t id;
    struct descriptor *fds; /* In order of addition. */
    uint32_t dups;          /* Open files that came from the set. */
    struct fdset *next;     /* In order of ids, highest first. */
};

struct host_fds {
    struct descriptor *passed; /* One or none. */
    struct descriptor *named;
    struct fdset *sets;
    uint32_t count;
};

static const char set_prefix[] = "/dev/fdset/";

static struct host_fds *tables(struct host *h)
{
    if (!h->fds) {
        h->fds = NEW(struct host_fds);
    }
    return h->fds;
}

/* ---- open files ---- */

/* One more user of an open file. */
static struct host_file *file_share(struct host_file *f)
{
    f->shares++;
    return f;
}

static void file_drop(struct host_file *f)
{
    if (f->shares > 0) {
        f->shares--;
    } else {
        f->host->ops->close(f);
    }
}

/* ---- descriptors ---- */

static bool list_has(const struct descriptor *d, int64_t fd)
{
    while (d && d->fd != fd) {
        d = d->next;
    }
    return d != NULL;
}

static bool number_is_used(const struct host_fds *t, int64_t fd)
{
    bool used = list_has(t->passed, fd) || list_has(t->named, fd);
    for (const struct fdset *s = t->sets; s && !used; s = s->next) {
        used = list_has(s->fds, fd);
    }
    return used;
}

static void descriptor_free(struct host_fds *t, struct descriptor *d)
{
    CHECK(t->count > 0);
    t->count--;
    file_drop(d->file);
    free(d->label);
    free(d);
}

static void list_free(struct host_fds *t, struct descriptor *d)
{
    while (d) {
        struct descriptor *next = d->next;
        descriptor_free(t, d);
        d = next;
    }
}

int host_fd_pass(struct host *h, const char *path, uint32_t flags)
{
    struct host_fds *t = tables(h);
    struct host_file *f;
    if (t->count >= HOST_FDS_MAX) {
        return -EMFILE;
    }
    int ret = h->ops->open(h, path, flags, &f);
    if (ret < 0) {
        return ret;
    }
    struct descriptor *old = t->passed;
    struct descriptor *d = NEW(struct descriptor);
    d->fd = HOST_FD_FIRST;
    while (number_is_used(t, d->fd)) {
        d->fd++;
    }
    d->flags = flags;
    d->file = f;
    t->passed = d;
    t->count++;
    list_free(t, old);
    return 0;
}

static struct descriptor *take_passed(struct host_fds *t, struct error *err)
{
    struct descriptor *d = t->passed;
    if (!d) {
        error_set(err, -EINVAL, "No file descriptor supplied via SCM_RIGHTS");
        return NULL;
    }
    t->passed = NULL;
    return d;
}

/* ---- sets ---- */

static struct fdset *set_find(const struct host *h, int64_t id)
{
    struct fdset *s = h->fds ? h->fds->sets : NULL;
    while (s && s->id != id) {
        s = s->next;
    }
    return s;
}

/* Ends a set that nothing is left of. */
static void set_clean(struct host_fds *t, struct fdset *s)
{
    if (s->fds || s->dups > 0) {
        return;
    }
    struct fdset **p = &t->sets;
    while (*p != s) {
        CHECK(*p != NULL);
        p = &(*p)->next;
    }
    *p = s->next;
    free(s);
}

static struct fdset *set_get(struct host *h, int64_t id)
{
    struct fdset *s = set_find(h, id);
    if (s) {
        return s;
    }
    struct fdset **p = &h->fds->sets;
    while (*p && (*p)->id > id) {
        p = &(*p)->next;
    }
    s = NEW(struct fdset);
    *s = (struct fdset){ .id = id, .next = *p };
    *p = s;
    return s;
}

int host_fdset_add(struct host *h, int64_t *id, const char *opaque, int64_t *fd,
                   struct error *err)
{
    struct host_fds *t = tables(h);
    struct descriptor *d = take_passed(t, err);
    if (!d) {
        return -EINVAL;
    }
    if (*id < -1) {
        list_free(t, d);
        return error_set(err, -EINVAL, "Parameter 'fdset-id' expects a non-negative value");
    }
    if (*id == -1) {
        *id = 0;
        while (set_find(h, *id)) {
            ++*id;
        }
    }
    struct fdset *s = set_get(h, *id);
    struct descriptor **p = &s->fds;
    while (*p) {
        p = &(*p)->next;
    }
    d->label = opaque ? mem_strdup(opaque) : NULL;
    *p = d;
    *fd = d->fd;
    return 0;
}

int host_fdset_remove(struct host *h, int64_t id, int64_t fd, struct error *err)
{
    struct fdset *s = set_find(h, id);
    bool found = false;
    for (struct descriptor **p = s ? &s->fds : NULL; p && *p;) {
        struct descriptor *d = *p;
        if (fd != -1 && d->fd != fd) {
            p = &d->next;
            continue;
        }
        *p = d->next;
        descriptor_free(h->fds, d);
        found = true;
    }
    if (s && (found || fd == -1)) {
        set_clean(h->fds, s);
        return 0;
    }
    if (fd == -1) {
        return error_set(err, -ENOENT, "File descriptor named 'fdset-id:%" PRId64 "' not found",
                         id);
    }
    return error_set(err, -ENOENT,
                     "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64 "' not found", id,
                     fd);
}

bool host_fdset_at(const struct host *h, size_t i, int64_t *id)
{
    const struct fdset *s = h->fds ? h->fds->sets : NULL;
    for (; s && i > 0; i--) {
        s = s->next;
    }
    *id = s ? s->id : -1;
    return s != NULL;
}

bool host_fdset_fd(const struct host *h, int64_t id, size_t k, int64_t *fd, const char **opaque)
{
    const struct fdset *s = set_find(h, id);
    const struct descriptor *d = s ? s->fds : NULL;
    for (; d && k > 0; k--) {
        d = d->next;
    }
    if (!d) {
        return false;
    }
    *fd = d->fd;
    *opaque = d->label;
    return true;
}

/* ---- names ---- */

static struct descriptor **named_find(struct host_fds *t, const char *name)
{
    struct descriptor **p = &t->named;
    while (*p && strcmp((*p)->label, name) != 0) {
        p = &(*p)->next;
    }
    return p;
}

int host_fd_name(struct host *h, const char *name, struct error *err)
{
    struct host_fds *t = tables(h);
    struct descriptor *d = take_passed(t, err);
    if (!d) {
        return -EINVAL;
    }
    if (*name >= '0' && *name <= '9') {
        list_free(t, d);
        return error_set(err, -EINVAL,
                         "Parameter 'fdname' expects a name not starting with a digit");
    }
    struct descriptor **p = named_find(t, name);
    if (*p) {
        struct descriptor *old = *p;
        *p = old->next;
        descriptor_free(t, old);
    }
    d->label = mem_strdup(name);
    d->next = t->named;
    t->named = d;
    return 0;
}

int host_fd_close(struct host *h, const char *name, struct error *err)
{
    struct host_fds *t = tables(h);
    struct descriptor **p = named_find(t, name);
    struct descriptor *d = *p;
    if (!d) {
        return error_set(err, -ENOENT, "File descriptor named '%s' not found", name);
    }
    *p = d->next;
    descriptor_free(t, d);
    return 0;
}

void host_fds_reset(struct host *h)
{
    struct host_fds *t = h->fds;
    if (!t) {
        return;
    }
    list_free(t, t->passed);
    list_free(t, t->named);
    while (t->sets) {
        struct fdset *s = t->sets;
        CHECK(s->dups == 0);
        t->sets = s->next;
        list_free(t, s->fds);
        free(s);
    }
    CHECK(t->count == 0);
    free(t);
    h->fds = NULL;
}

/* ---- files by path ---- */

bool host_is_fdset(const char *path)
{
    return strncmp(path, set_prefix, strlen(set_prefix)) == 0;
}

/* The number behind the prefix; -1 when it is none. */
static int64_t set_number(const char *path)
{
    const char *s = path + strlen(set_prefix);
    int64_t id = 0;
    if (!*s) {
        return -1;
    }
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || id > INT32_MAX / 10) {
            return -1;
        }
        id = id * 10 + (*s - '0');
    }
    return id <= INT32_MAX ? id : -1;
}

/* What open(2) would be given, for the message. */
static unsigned posix_flags(uint32_t flags)
{
    return (flags & HOST_WRITE ? 2u : 0u) | (flags & HOST_DIRECT ? 0x4000u : 0u);
}

static int open_in_set(struct host *h, const char *path, uint32_t flags, struct host_file **out,
                       struct error *err)
{
    int64_t id = set_number(path);
    if (id < 0) {
        return error_set(err, -EINVAL, "Could not parse fdset %s", path);
    }
    struct fdset *s = set_find(h, id);
    struct descriptor *d = NULL; /* The youngest that fits. */
    for (struct descriptor *at = s ? s->fds : NULL; at; at = at->next) {
        d = (at->flags & HOST_WRITE) == (flags & HOST_WRITE) ? at : d;
    }
    int ret = d ? h->ops->reflag(d->file, flags) : s ? -EACCES : -ENOENT;
    if (ret < 0) {
        return error_set_errno(err, ret, "Could not dup FD for %s flags %x", path,
                               posix_flags(flags));
    }
    s->dups++;
    *out = file_share(d->file);
    return 0;
}

int host_open(struct host *h, const char *path, uint32_t flags, struct host_file **out,
              struct error *err)
{
    return host_is_fdset(path) ? open_in_set(h, path, flags, out, err)
                               : h->ops->open(h, path, flags, out);
}

void host_close(struct host *h, const char *path, struct host_file *f)
{
    if (!host_is_fdset(path)) {
        h->ops->close(f);
        return;
    }
    struct fdset *s = set_find(h, set_number(path));
    CHECK(s && s->dups > 0);
    s->dups--;
    file_drop(f);
    set_clean(h->fds, s);
}

int host_reflag(struct host *h, const char *path, struct host_file **f, uint32_t flags,
                struct error *err)
{
    if (!host_is_fdset(path)) {
        return h->ops->reflag(*f, flags);
    }
    struct host_file *other;
    int ret = open_in_set(h, path, flags, &other, err);
    if (ret == 0) {
        host_close(h, path, *f);
        *f = other;
    }
    return ret;
}
