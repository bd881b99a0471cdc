/* SPDX-License-Identifier: MIT */
/* Exports of a storage daemon, and the server that they need.
 *
 *                first nbd_export_add                last nbd_export_del
 *   no server ------------------------> our server ---------------------> no server
 *
 * A daemon has one server.  Ours runs only while an export of ours is there, so a script that
 * starts its own finds the place free; while that one runs, our exports are on it.
 *
 * An export takes more permissions than qemu-io: it reads consistently, and lets nobody resize.  A
 * refusal for one of these is no answer of qemu-io's: -ENOTSUP. */
#include "scenarios/real/nbd_private.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char id_prefix[] = "blksim-io-";
static const char socket_name[] = "blksim-nbd.sock";

enum { GONE_LIMIT_MS = 5000, LOST_LIMIT_MS = 1000, GONE_STEP_MS = 20 };

bool nbd_io_lost(struct nbd_io *n)
{
    uint64_t deaths = n->deaths;
    for (int i = 0; n->deaths == deaths && i < LOST_LIMIT_MS / GONE_STEP_MS; i++) {
        n->cfg.wait(n->cfg.opaque, GONE_STEP_MS * NS_PER_MS);
    }
    return n->deaths != deaths;
}

/* Sends a command.  Errors: of the way there; a refusal: -EINVAL with its text. */
static int command(struct nbd_io *n, const char *name, json_t *args, struct error *err)
{
    json_t *reply = NULL;
    int ret = n->cfg.exchange(n->cfg.opaque, name, args, &reply);
    const json_t *error = json_object_get(reply, "error");
    const char *text = json_string_value(json_object_get(error, "desc"));
    if (ret < 0) {
        error_set(err, ret, "the daemon does not answer");
    } else if (error) {
        ret = error_set(err, -EINVAL, "%s", text ? text : "");
    }
    json_decref(reply);
    return ret;
}

/* ---- the server ---- */

static bool is_theirs(struct nbd_io *n, const struct error *err)
{
    return strstr(err->text, "already running") && json_array_size(n->theirs) > 0;
}

static int server_start(struct nbd_io *n, struct error *err)
{
    struct error refusal = ERROR_INIT;
    if (n->address) {
        return 0;
    }
    json_t *address = json_pack("{s:s, s:{s:s}}", "type", "unix", "data", "path", socket_name);
    CHECK(address != NULL);
    int ret = command(n, "nbd-server-start", json_pack("{s:O}", "addr", address), &refusal);
    if (ret == 0) {
        n->address = n->own = address;
        json_array_clear(n->theirs); /* None of them runs. */
        return 0;
    }
    json_decref(address);
    if (!is_theirs(n, &refusal)) {
        return error_set(err, ret, "%s", refusal.text);
    }
    n->address = json_array_get(n->theirs, 0);
    return 0;
}

static void server_stop(struct nbd_io *n)
{
    if (n->own) {
        command(n, "nbd-server-stop", NULL, NULL);
        json_decref(n->own);
    }
    n->own = n->address = NULL;
}

void nbd_io_note(struct nbd_io *n, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "execute"));
    const json_t *args = json_object_get(request, "arguments");
    json_t *address = json_object_get(args, "addr");
    if (name && strcmp(name, "nbd-server-stop") == 0) {
        json_array_clear(n->theirs);
    } else if (name && strcmp(name, "nbd-server-start") == 0 && address &&
               json_array_size(n->theirs) < NBD_SERVERS_MAX) {
        json_array_append_new(n->theirs, json_deep_copy(address));
    }
}

/* ---- exports ---- */

static bool is_conflict(const char *text)
{
    return strncmp(text, "Permission conflict", strlen("Permission conflict")) == 0;
}

/* What qemu-io would say instead. */
static int translate(const struct error *refusal, struct error *err)
{
    static const char *const of_ours[] = {
        "consistent read", "permissions 'resize'", "unshared by an unnamed block device",
    };
    bool ours = strstr(refusal->text, "without 'resize'") != NULL;
    for (size_t i = 0; i < ARRAY_LEN(of_ours); i++) {
        ours |= is_conflict(refusal->text) && strstr(refusal->text, of_ours[i]);
    }
    if (strstr(refusal->text, "export's length: No medium found")) {
        return error_set(err, -ENOMEDIUM, "%s", refusal->text);
    }
    if (ours) {
        return error_set(err, -ENOTSUP, "%s", refusal->text);
    }
    if (strcmp(refusal->text, "Cannot export read-only node as writable") == 0) {
        return error_set(err, -EACCES, "Block node is read-only");
    }
    if (strncmp(refusal->text, "Cannot find device", 18) == 0) {
        return error_set(err, -ENODEV, "%s", refusal->text);
    }
    int code = is_conflict(refusal->text) ? -EPERM : refusal->code;
    return error_set(err, code, "%s", refusal->text);
}

int nbd_export_add(struct nbd_io *n, const char *node, bool writable, struct nbd_export **out,
                   struct error *err)
{
    struct error refusal = ERROR_INIT;
    int ret = server_start(n, err);
    if (ret < 0) {
        return ret;
    }
    char *id = mem_printf("%s%" PRIu64, id_prefix, n->next_id++);
    json_t *args = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "type", "nbd", "id", id,
                             "node-name", node, "name", id, "writable", writable,
                             "allocation-depth", true);
    CHECK(args != NULL);
    ret = command(n, "block-export-add", args, &refusal);
    if (ret < 0) {
        free(id);
        if (!n->exports) {
            server_stop(n);
        }
        return ret == -EINVAL ? translate(&refusal, err) : error_set(err, ret, "%s", refusal.text);
    }
    struct nbd_export *e = NEW(struct nbd_export);
    *e = (struct nbd_export){ .id = id, .writable = writable, .next = n->exports };
    n->exports = e;
    *out = e;
    return 0;
}

void nbd_export_del(struct nbd_io *n, struct nbd_export *e)
{
    int ret = e->gone ? -ENOENT
                      : command(n, "block-export-del",
                                json_pack("{s:s, s:s}", "id", e->id, "mode", "hard"), NULL);
    for (int i = 0; ret == 0 && !e->gone && i < GONE_LIMIT_MS / GONE_STEP_MS; i++) {
        n->cfg.wait(n->cfg.opaque, GONE_STEP_MS * NS_PER_MS);
    }
    struct nbd_export **p = &n->exports;
    while (*p != e) {
        p = &(*p)->next;
    }
    *p = e->next;
    free(e->id);
    free(e);
    if (!n->exports) {
        server_stop(n);
    }
}

bool nbd_io_event(struct nbd_io *n, const json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "event"));
    const char *id = json_string_value(json_object_get(json_object_get(event, "data"), "id"));
    if (!name || !id || strcmp(name, "BLOCK_EXPORT_DELETED") != 0 ||
        strncmp(id, id_prefix, sizeof(id_prefix) - 1) != 0) {
        return false;
    }
    for (struct nbd_export *e = n->exports; e; e = e->next) {
        e->gone |= strcmp(e->id, id) == 0;
    }
    return true;
}

struct nbd_link *nbd_export_connect(struct nbd_io *n, const struct nbd_export *e,
                                    struct error *err)
{
    size_t tries = n->own ? 1 : json_array_size(n->theirs);
    struct error why = ERROR_INIT;
    struct nbd_link *l = NULL;
    for (size_t i = 0; !l && i < tries; i++) {
        const json_t *address = n->own ? n->own : json_array_get(n->theirs, i);
        why = ERROR_INIT;
        l = n->net->open(address, n->cfg.dir, e->id, n->cfg.limit_ns, &why);
    }
    if (!l) {
        error_set(err, why.code ? why.code : -ECONNREFUSED, "%s",
                  why.code ? why.text : "the export's server is not known");
    }
    return l;
}
