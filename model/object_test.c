/* SPDX-License-Identifier: MIT */
/* Objects: the table of types, what the schema says of it, and the life of objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"
#include "model/object.h"
#include "model/qmp/command.h"
#include "sim/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    const char *request;
    json_t *reply;
};

static int set_up(void **state)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO };
    struct disk_config disk = DISK_CONFIG_INIT;
    struct fixture *f = NEW(struct fixture);
    f->sim = sim_create(&cfg);
    f->host = host_sim_create(f->sim, &disk);
    f->layer = layer_create(f->sim, f->host, drivers_all);
    *state = f;
    return 0;
}

static void destroy(void *opaque)
{
    layer_destroy(opaque);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    co_create(f->sim, "end", 0, destroy, f->layer);
    sim_run(f->sim, NULL, SIM_FOREVER, 0);
    host_destroy(f->host);
    sim_destroy(f->sim);
    free(f);
    return 0;
}

static void run_request(void *opaque)
{
    struct fixture *f = opaque;
    f->reply = layer_qmp_text(f->layer, f->request, strlen(f->request));
}

/* "return" of the reply, or the text of its error as a string; new. */
static json_t *qmp(struct fixture *f, const char *request)
{
    f->request = request;
    co_create(f->sim, "request", 0, run_request, f);
    sim_run(f->sim, NULL, SIM_FOREVER, 0);
    json_t *error = json_object_get(f->reply, "error");
    json_t *result = error ? json_object_get(error, "desc") : json_object_get(f->reply, "return");
    json_incref(result);
    json_decref(f->reply);
    return result;
}

static void qmp_is(struct fixture *f, const char *request, const char *want)
{
    json_t *got = qmp(f, request);
    char *text = json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT);
    assert_string_equal(text, want);
    free(text);
    json_decref(got);
}

/* ---- The schema ---- */

static const json_t *entry(const json_t *schema, const char *name)
{
    for (size_t i = 0; i < json_array_size(schema); i++) {
        const json_t *e = json_array_get(schema, i);
        if (strcmp(json_string_value(json_object_get(e, "name")), name) == 0) {
            return e;
        }
    }
    fail_msg("query-qmp-schema has no '%s'", name);
    return NULL;
}

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The type of a member; with "default" when it is optional. */
static const json_t *member_of(const json_t *type, const char *name)
{
    const json_t *members = json_object_get(type, "members");
    for (size_t i = 0; i < json_array_size(members); i++) {
        if (strcmp(text(json_array_get(members, i), "name"), name) == 0) {
            return json_array_get(members, i);
        }
    }
    fail_msg("'%s' has no member '%s'", text(type, "name"), name);
    return NULL;
}

/* The branch of a union for a value. */
static const json_t *branch_of(const json_t *schema, const json_t *type, const char *value)
{
    const json_t *variants = json_object_get(type, "variants");
    for (size_t i = 0; i < json_array_size(variants); i++) {
        const json_t *v = json_array_get(variants, i);
        if (strcmp(text(v, "case"), value) == 0) {
            return entry(schema, text(v, "type"));
        }
    }
    fail_msg("'%s' has no branch '%s'", text(type, "name"), value);
    return NULL;
}

/* What query-qmp-schema of QEMU 7.2 says of the three types: every member in its order, all
 * optional.  A '*' stands for limits, and '%' for the enum of formats. */
static const struct {
    const char *type;
    const char *members[32];
} qemu_types[] = {
    { "iothread",
      { "aio-max-batch", "thread-pool-min", "thread-pool-max", "poll-max-ns", "poll-grow",
        "poll-shrink" } },
    { "secret", { "loaded", "format", "keyid", "iv", "data", "file" } },
    { "throttle-group",
      { "limits", "x-iops-total", "x-iops-total-max", "x-iops-total-max-length", "x-iops-read",
        "x-iops-read-max", "x-iops-read-max-length", "x-iops-write", "x-iops-write-max",
        "x-iops-write-max-length", "x-bps-total", "x-bps-total-max", "x-bps-total-max-length",
        "x-bps-read", "x-bps-read-max", "x-bps-read-max-length", "x-bps-write",
        "x-bps-write-max", "x-bps-write-max-length", "x-iops-size" } },
};

static void check_members(const json_t *type, const char *const *names, size_t skip)
{
    const json_t *members = json_object_get(type, "members");
    size_t n = 0;
    for (; names[n]; n++) {
        const json_t *m = json_array_get(members, n);
        assert_non_null(m);
        assert_string_equal(text(m, "name"), names[n] + skip);
        assert_non_null(json_object_get(m, "default"));
    }
    assert_int_equal(json_array_size(members), n);
}

static void the_schema_has_every_object_and_member(void **state)
{
    struct fixture *f = *state;
    json_t *schema = qmp(f, "{'execute':'query-qmp-schema'}");
    const json_t *add = entry(schema, text(entry(schema, "object-add"), "arg-type"));
    assert_string_equal(text(add, "tag"), "qom-type");
    assert_null(json_object_get(member_of(add, "id"), "default"));
    assert_null(json_object_get(member_of(add, "qom-type"), "default"));
    const json_t *tag = entry(schema, text(member_of(add, "qom-type"), "type"));
    assert_int_equal(json_array_size(json_object_get(tag, "values")), ARRAY_LEN(qemu_types));
    assert_int_equal(json_array_size(json_object_get(add, "variants")), ARRAY_LEN(qemu_types));
    for (size_t i = 0; i < ARRAY_LEN(qemu_types); i++) {
        check_members(branch_of(schema, add, qemu_types[i].type), qemu_types[i].members, 0);
    }
    /* The members of limits are the x- properties without their x-. */
    const json_t *group = branch_of(schema, add, "throttle-group");
    const json_t *limits = entry(schema, text(member_of(group, "limits"), "type"));
    assert_string_equal(text(limits, "name"), "ThrottleLimits");
    check_members(limits, qemu_types[2].members + 1, 2);
    const json_t *format = entry(schema, text(member_of(branch_of(schema, add, "secret"),
                                                        "format"), "type"));
    char *values = json_dumps(json_object_get(format, "values"), JSON_COMPACT);
    assert_string_equal(values, "[\"raw\",\"base64\"]");
    free(values);
    json_decref(schema);
}

/* Each row of the table can do what the callers rely on, and qom-list shows all of it. */
static void the_table_is_whole(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; object_types[i]; i++) {
        const struct object_type *t = object_types[i];
        assert_true(t->name && t->parent && t->help && t->properties);
        assert_true(t->create && t->destroy && t->get && t->set);
        assert_true(object_type_is_known(t->name));
        char *request = mem_printf("{'execute':'object-add','arguments':{'qom-type':'%s','id':'o'"
                                   "%s}}", t->name,
                                   strcmp(t->name, "secret") ? "" : ",'data':'x'");
        qmp_is(f, request, "{}");
        free(request);
        for (const struct schema_member *m = t->properties; m->name; m++) {
            char *get = mem_printf("{'execute':'qom-get','arguments':{'path':'o','property':'%s'}}",
                                   m->name);
            json_t *value = qmp(f, get);
            struct error err = ERROR_INIT;
            schema_check(drivers_all, m->type, m->name, value, &err);
            assert_string_equal(err.text, "");
            json_decref(value);
            free(get);
        }
        qmp_is(f, "{'execute':'object-del','arguments':{'id':'o'}}", "{}");
    }
}

/* ---- Life ---- */

/* Objects are found by type and id, in order of creation, and are gone when deleted. */
static void objects_are_found(void **state)
{
    struct fixture *f = *state;
    const struct object_type *type;
    const char *id;
    void *found;
    qmp_is(f, "{'execute':'object-add','arguments':{'qom-type':'secret','id':'b','data':'x'}}",
           "{}");
    qmp_is(f, "{'execute':'object-add','arguments':{'qom-type':'iothread','id':'a'}}", "{}");
    assert_non_null(object_find(f->layer, "secret", "b"));
    assert_null(object_find(f->layer, "iothread", "b"));
    assert_null(object_find(f->layer, "iothread", "c"));
    assert_true(object_exists(f->layer, "b") && !object_exists(f->layer, "c"));
    assert_true(object_at(f->layer, 0, &id, &type, &found));
    assert_string_equal(id, "b");
    assert_true(object_at(f->layer, 1, &id, &type, &found));
    assert_ptr_equal(type, &object_type_iothread);
    assert_false(object_at(f->layer, 2, &id, &type, &found));
    qmp_is(f, "{'execute':'object-del','arguments':{'id':'b'}}", "{}");
    assert_true(object_at(f->layer, 0, &id, &type, &found));
    assert_string_equal(id, "a");
    assert_false(object_at(f->layer, 1, &id, &type, &found));
}

/* The number of an iothread that is gone serves the next one, but not before the last coroutine in
 * it has ended. */
static void nothing(void *opaque)
{
    (void)opaque;
}

static void numbers_of_iothreads_come_back(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(layer_add_iothread(f->layer, "a", &err), 0);
    assert_int_equal(layer_add_iothread(f->layer, "b", &err), 0);
    assert_int_equal(object_iothread_number(f->layer, "b"), 2);
    co_create(f->sim, "busy", 1, nothing, NULL);
    assert_int_equal(object_del(f->layer, "a", &err), -EBUSY);
    assert_string_equal(err.text, "object 'a' is in use, can not be deleted");
    sim_iothread_remove(f->sim, 2);
    assert_int_equal(sim_iothread_find(f->sim, "b"), -ENOENT);
    assert_int_equal(sim_iothread_add(f->sim, "b"), 2);
    sim_settle(f->sim, 0);
    assert_int_equal(object_del(f->layer, "a", NULL), 0);
    assert_int_equal(layer_add_iothread(f->layer, "c", NULL), 0);
    assert_int_equal(object_iothread_number(f->layer, "c"), 1);
    assert_int_equal(object_iothread_number(f->layer, "a"), -ENOENT);
    err = ERROR_INIT;
    assert_int_equal(layer_add_iothread(f->layer, "c", &err), -EEXIST);
    assert_string_equal(err.text, "Duplicate ID 'c' for object");
}

#define STORY(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(the_schema_has_every_object_and_member),
        STORY(the_table_is_whole),
        STORY(objects_are_found),
        STORY(numbers_of_iothreads_come_back),
    };
    return cmocka_run_group_tests_name("model/object", tests, NULL, NULL);
}
