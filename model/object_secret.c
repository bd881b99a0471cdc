/* SPDX-License-Identifier: MIT */
/* secret: bytes that other things refer to by name (passwords, keys).
 *
 * They are given as text or are the contents of a file of the host, plain or in base64.  A secret
 * that is encrypted by another one (keyid, iv) is looked at as far as its key and vector; to
 * decrypt it is not possible here, and is the error that says so.
 * (QEMU qapi/crypto.json: SecretProperties.)
 */
#include "base/check.h"
#include "base/mem.h"
#include "model/layer_state.h"
#include "model/object.h"
#include "sim/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20, KEY_BYTES = 32, IV_BYTES = 16 };

/* A secret's bytes, with a NUL behind them. */
struct bytes {
    char *p;
    size_t n;
};

struct secret {
    struct layer *layer;
    json_t *given; /* Properties as they were given or set later. */
    struct bytes raw;
};

static const char *const format_values[] = { "raw", "base64", NULL };

static const struct schema_type format_type = {
    .name = "QCryptoSecretFormat", .kind = SCHEMA_ENUM, .values = format_values
};

static const struct schema_member properties[] = {
    { "loaded", &schema_bool, MEMBER_OPTIONAL | MEMBER_DEPRECATED, NULL,
      "whether it is there; cannot be set" },
    { "format", &format_type, MEMBER_OPTIONAL, "raw", "how data or the file says it" },
    { "keyid", &schema_str, MEMBER_OPTIONAL, "", "the secret that it is encrypted with" },
    { "iv", &schema_str, MEMBER_OPTIONAL, "", "the initialisation vector of that, in base64" },
    { "data", &schema_str, MEMBER_OPTIONAL, "", "the secret itself" },
    { "file", &schema_str, MEMBER_OPTIONAL, "", "the file that has it" },
    { 0 },
};

/* ---- base64 ---- */

/* The value of a letter; '=' is 0, -1 for none. */
static int sextet(char c)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? (int)(at - letters) : c == '=' ? 0 : -1;
}

/* Four letters at a time; one or two '=' at their end leave that many bytes away, and letters
 * that are left over at the end of all are dropped.  New lines mean nothing. */
static int decode(const char *text, size_t n, struct bytes *out, struct error *err)
{
    char *p = mem_alloc(n + 1);
    size_t len = 0, letters = 0;
    uint32_t group = 0;
    char before = '\0';
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') {
            continue;
        }
        if (sextet(text[i]) < 0) {
            free(p);
            return error_set(err, -EINVAL, "Base64 data contains invalid characters");
        }
        group = group << 6 | (uint32_t)sextet(text[i]);
        if (++letters % 4 == 0) {
            p[len++] = (char)(group >> 16);
            if (before != '=') {
                p[len++] = (char)(group >> 8);
            }
            if (text[i] != '=') {
                p[len++] = (char)group;
            }
        }
        before = text[i];
    }
    p[len] = '\0';
    *out = (struct bytes){ p, len };
    return 0;
}

/* ---- Loading ---- */

static int read_all(struct host_file *f, struct bytes *out)
{
    struct host_info info;
    int ret = f->host->ops->info(f, &info);
    if (ret < 0) {
        return ret;
    }
    if (info.size > FILE_BYTES_MAX) {
        return -EFBIG;
    }
    out->n = (size_t)info.size;
    out->p = mem_zalloc(out->n + 1);
    struct iovec iov;
    struct iobuf buf = iobuf_mem(&iov, out->p, out->n);
    ret = out->n ? f->host->ops->read(f, 0, &buf) : 0;
    if (ret < 0) {
        free(out->p);
        *out = (struct bytes){ 0 };
    }
    return ret;
}

/* [io] */
static int read_file(struct layer *l, const char *name, struct bytes *out, struct error *err)
{
    struct host_file *f;
    int ret = l->host->ops->open(l->host, name, 0, &f);
    if (ret < 0) {
        return error_set(err, ret,
                         "Unable to read %s: Failed to open file \u201c%s\u201d: %s", name, name,
                         error_strerror(-ret));
    }
    ret = read_all(f, out);
    l->host->ops->close(f);
    if (ret < 0) {
        return error_set(err, ret,
                         "Unable to read %s: Error reading file \u201c%s\u201d: %s", name, name,
                         error_strerror(-ret));
    }
    return 0;
}

/* The text or file contents as given. */
static int load(struct layer *l, const json_t *props, struct bytes *out, struct error *err)
{
    const json_t *data = json_object_get(props, "data");
    const char *file = json_string_value(json_object_get(props, "file"));
    if (data && file) {
        return error_set(err, -EINVAL, "'file' and 'data' are mutually exclusive");
    }
    if (!data && !file) {
        return error_set(err, -EINVAL, "Either 'file' or 'data' must be provided");
    }
    if (file) {
        return read_file(l, file, out, err);
    }
    out->n = json_string_length(data);
    out->p = mem_zalloc(out->n + 1);
    memcpy(out->p, json_string_value(data), out->n);
    return 0;
}

/* Whether the key and vector that an encrypted secret names would do. */
static int check_key(struct layer *l, const char *keyid, const json_t *iv, struct error *err)
{
    const struct secret *key = object_find(l, "secret", keyid);
    struct bytes vector;
    if (!key) {
        return object_exists(l, keyid)
                   ? error_set(err, -EINVAL, "Object with id '%s' is not a secret", keyid)
                   : error_set(err, -ENOENT, "No secret with id '%s'", keyid);
    }
    if (key->raw.n != KEY_BYTES) {
        return error_set(err, -EINVAL, "Key should be %d bytes in length", KEY_BYTES);
    }
    if (!iv) {
        return error_set(err, -EINVAL, "IV is required to decrypt secret");
    }
    int ret = decode(json_string_value(iv), json_string_length(iv), &vector, err);
    if (ret < 0) {
        return ret;
    }
    free(vector.p);
    return vector.n == IV_BYTES ? 0
                                : error_set(err, -EINVAL,
                                            "IV should be %d bytes in length not %zu", IV_BYTES,
                                            vector.n);
}

static int secret_create(struct layer *l, const char *id, const json_t *props, void **state,
                         struct error *err)
{
    (void)id;
    if (json_object_get(props, "loaded")) {
        return object_not_writable(&object_type_secret, "loaded", err);
    }
    struct secret *s = NEW(struct secret);
    s->layer = l;
    s->given = json_deep_copy(props);
    *state = s;
    return 0;
}

static int secret_complete(void *state, struct error *err)
{
    struct secret *s = state;
    const char *keyid = json_string_value(json_object_get(s->given, "keyid"));
    const char *format = json_string_value(json_object_get(s->given, "format"));
    struct bytes given = { 0 };
    int ret = load(s->layer, s->given, &given, err);
    if (ret == 0 && keyid) {
        ret = check_key(s->layer, keyid, json_object_get(s->given, "iv"), err);
        if (ret == 0) {
            ret = error_set(err, -ENOTSUP, "Encrypted secrets are not available in blksim");
        }
    }
    if (ret == 0 && format && strcmp(format, "base64") == 0) {
        ret = decode(given.p, given.n, &s->raw, err);
    } else if (ret == 0) {
        s->raw = given;
        return 0;
    }
    free(given.p);
    return ret;
}

static void secret_destroy(void *state)
{
    struct secret *s = state;
    json_decref(s->given);
    free(s->raw.p);
    free(s);
}

static json_t *secret_get(const void *state, const char *property)
{
    const struct secret *s = state;
    json_t *value = json_object_get(s->given, property);
    if (strcmp(property, "loaded") == 0) {
        return json_boolean(s->raw.p != NULL);
    }
    return value ? json_incref(value)
                 : json_string(strcmp(property, "format") == 0 ? format_values[0] : "");
}

/* What is set later is shown, and changes nothing: the secret was loaded before. */
static int secret_set(void *state, const char *property, const json_t *value, struct error *err)
{
    struct secret *s = state;
    if (strcmp(property, "loaded") == 0) {
        return object_not_writable(&object_type_secret, property, err);
    }
    int ret = object_check_value(s->layer, &object_type_secret, property, value, err);
    if (ret == 0) {
        json_object_set_new(s->given, property, json_deep_copy(value));
    }
    return ret;
}

const struct object_type object_type_secret = {
    .name = "secret",
    .parent = "secret_common",
    .help = "bytes that others refer to by name",
    .properties = properties,
    .create = secret_create,
    .complete = secret_complete,
    .destroy = secret_destroy,
    .get = secret_get,
    .set = secret_set,
};
