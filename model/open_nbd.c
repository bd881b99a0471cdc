/* SPDX-License-Identifier: MIT */
/* Names of the nbd driver as options: "nbd:HOST:PORT", "nbd:unix:PATH", each with
 * ":exportname=NAME", and URIs.
 *
 * The driver itself is not needed to understand its names.  (QEMU docs/system/device-url-syntax
 * and the behaviour of the installed 7.2; the NBD project's doc/uri.md.)
 */
#include "base/mem.h"
#include "base/text.h"
#include "model/open_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char default_port[] = "10809";

static void set_text(json_t *flat, const char *key, const char *text, size_t n)
{
    json_object_set_new(flat, key, json_stringn(text, n));
}

/* ---- nbd:HOST:PORT ---- */

enum { HOST_MAX = 64, PORT_MAX = 32 };

static int parse_inet(const char *spec, size_t n, json_t *flat, struct error *err)
{
    const char *end = spec + n, *host = spec, *host_end, *port;
    bool is_v6 = n > 0 && *spec == '[';
    if (is_v6) {
        host = spec + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        port = host_end && host_end + 1 < end && host_end[1] == ':' ? host_end + 2 : NULL;
    } else {
        host_end = memchr(spec, ':', n);
        port = host_end ? host_end + 1 : NULL;
    }
    size_t port_len = port ? (size_t)(end - port) : 0;
    if (!port || port_len == 0 || port_len > PORT_MAX || host_end - host > HOST_MAX ||
        memchr(port, ',', port_len)) {
        return error_set(err, -EINVAL, "error parsing address '%.*s'", (int)n, spec);
    }
    set_text(flat, "server.type", "inet", 4);
    set_text(flat, "server.host", host, (size_t)(host_end - host));
    set_text(flat, "server.port", port, port_len);
    return 0;
}

static int parse_spec(const char *spec, json_t *flat, struct error *err)
{
    static const char tag[] = ":exportname=", unix_prefix[] = "unix:";
    const char *export_tag = strstr(spec, tag);
    size_t n = export_tag ? (size_t)(export_tag - spec) : strlen(spec);
    if (n == 0 || (export_tag && !export_tag[strlen(tag)])) {
        return 0; /* Nothing is said: the driver misses its server. */
    }
    if (export_tag) {
        set_text(flat, "export", export_tag + strlen(tag), strlen(export_tag + strlen(tag)));
    }
    if (strncmp(spec, unix_prefix, strlen(unix_prefix)) == 0) {
        set_text(flat, "server.type", "unix", 4);
        set_text(flat, "server.path", spec + strlen(unix_prefix), n - strlen(unix_prefix));
        return 0;
    }
    return parse_inet(spec, n, flat, err);
}

/* ---- URIs ---- */

struct uri {
    const char *host, *port, *path, *query; /* Each to the next part. */
    size_t host_len, port_len, path_len, query_len;
};

static bool split_uri(const char *rest, struct uri *u)
{
    size_t authority = strcspn(rest, "/?#");
    const char *colon;
    *u = (struct uri){ .host = rest, .host_len = authority };
    if (authority > 0 && *rest == '[') {
        const char *close = memchr(rest, ']', authority);
        if (!close) {
            return false;
        }
        u->host = rest + 1;
        u->host_len = (size_t)(close - u->host);
        colon = close + 1 < rest + authority ? close + 1 : NULL;
        if (colon && *colon != ':') {
            return false;
        }
    } else {
        colon = memchr(rest, ':', authority);
        u->host_len = colon ? (size_t)(colon - rest) : authority;
    }
    if (colon) {
        u->port = colon + 1;
        u->port_len = (size_t)(rest + authority - u->port);
    }
    for (size_t i = 0; i < u->port_len; i++) {
        if (u->port[i] < '0' || u->port[i] > '9') {
            return false;
        }
    }
    u->path = rest + authority;
    u->path_len = strcspn(u->path, "?#");
    u->query = u->path + u->path_len;
    if (*u->query == '?') {
        u->query++;
        u->query_len = strcspn(u->query, "#");
    }
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* %XX resolved, as far as it is one; new. */
static char *unescape(const char *text, size_t n)
{
    struct strbuf out = { 0 };
    for (size_t i = 0; i < n; i++) {
        bool is_code = text[i] == '%' && i + 2 < n && hex(text[i + 1]) >= 0 &&
                       hex(text[i + 2]) >= 0;
        int code = is_code ? hex(text[i + 1]) * 16 + hex(text[i + 2]) : 0;
        strbuf_putc(&out, code > 0 ? (char)code : text[i]);
        i += code > 0 ? 2 : 0;
    }
    return out.text ? out.text : mem_strdup("");
}

static void set_unescaped(json_t *flat, const char *key, const char *text, size_t n)
{
    char *plain = unescape(text, n);
    json_t *value = json_string(plain);
    json_object_set_new(flat, key, value ? value : json_stringn("", 0));
    free(plain);
}

static int parse_uri(const char *name, json_t *flat, struct error *err)
{
    static const char socket_key[] = "socket=";
    const char *rest = strstr(name, "://");
    size_t scheme = (size_t)(rest - name), key_len = strlen(socket_key);
    struct uri u;
    bool is_unix = scheme == 8 && strncmp(name, "nbd+unix", scheme) == 0;
    bool good = split_uri(rest + 3, &u);
    bool has_socket = good && u.query_len > key_len && !memchr(u.query, '&', u.query_len) &&
                      strncmp(u.query, socket_key, key_len) == 0;
    if (good && is_unix) {
        good = u.host_len == 0 && u.port_len == 0 && has_socket;
    } else if (good) {
        good = u.host_len > 0 && u.query_len == 0;
    }
    if (!good) {
        return error_set(err, -EINVAL, "No valid URL specified");
    }
    size_t slashes = strspn(u.path, "/");
    slashes = slashes > u.path_len ? u.path_len : slashes;
    if (u.path_len > slashes) {
        set_unescaped(flat, "export", u.path + slashes, u.path_len - slashes);
    }
    set_text(flat, "server.type", is_unix ? "unix" : "inet", 4);
    if (is_unix) {
        set_unescaped(flat, "server.path", u.query + key_len, u.query_len - key_len);
        return 0;
    }
    set_text(flat, "server.host", u.host, u.host_len);
    bool has_port = strspn(u.port ? u.port : "", "0") < u.port_len;
    set_text(flat, "server.port", has_port ? u.port : default_port,
             has_port ? u.port_len : strlen(default_port));
    return 0;
}

int nbd_parse_name(const char *name, json_t *flat, struct error *err)
{
    static const char *const given[] = { "host", "port", "path" };
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        if (json_object_get(flat, given[i])) {
            return error_set(err, -EINVAL, "Option '%s' cannot be used with a file name",
                             given[i]);
        }
    }
    if (strstr(name, "://")) {
        return parse_uri(name, flat, err);
    }
    if (strncmp(name, "nbd:", 4) != 0) {
        return error_set(err, -EINVAL, "File name string for NBD must start with 'nbd:'");
    }
    return parse_spec(name + 4, flat, err);
}
