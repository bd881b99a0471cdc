/* SPDX-License-Identifier: MIT */
/* The check of values and the reading of words, over two drivers that exist only here.  The texts
 * are those of qemu-storage-daemon 7.2, given the same mistakes. */
#include "base/mem.h"
#include "model/driver.h"
#include "model/qmp/command.h"
#include "model/schema.h"
#include "sim/sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Two drivers ---- */

static const char *const colour_values[] = { "red", "green", NULL };
static const struct schema_type colour_type = {
    .name = "Colour", .kind = SCHEMA_ENUM, .values = colour_values
};
static const struct schema_type colour_list = {
    .name = "ColourList", .kind = SCHEMA_ARRAY, .element = &colour_type
};

static const struct schema_member rule_members[] = {
    { "event", &schema_str, 0, NULL, "when" },
    { "state", &schema_int, MEMBER_OPTIONAL, "0", "in which state" },
    { "width", &schema_uint16, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};
static const struct schema_type rule_type = {
    .name = "Rule", .kind = SCHEMA_STRUCT, .members = rule_members
};
static const struct schema_type rule_list = {
    .name = "RuleList", .kind = SCHEMA_ARRAY, .element = &rule_type
};
static const struct schema_type ref_list = {
    .name = "BlockdevRefList", .kind = SCHEMA_ARRAY, .element = &schema_blockdev_ref
};

static const struct schema_type *const mixed_alternatives[] = { &schema_int, &schema_bool,
                                                                &rule_list, NULL };
static const struct schema_type mixed_type = {
    .name = "Mixed", .kind = SCHEMA_ALTERNATE, .alternatives = mixed_alternatives
};

static const struct schema_member leaf_options[] = {
    { "size", &schema_size, MEMBER_OPTIONAL, "1M", "how large" },
    { "count", &schema_int, MEMBER_OPTIONAL | MEMBER_MUTABLE, "-7", "how many" },
    { "tiny", &schema_uint8, MEMBER_OPTIONAL, NULL, NULL },
    { "i32", &schema_int32, MEMBER_OPTIONAL, NULL, NULL },
    { "u64", &schema_uint64, MEMBER_OPTIONAL, NULL, NULL },
    { "ratio", &schema_number, MEMBER_OPTIONAL, NULL, NULL },
    { "colours", &colour_list, MEMBER_OPTIONAL, NULL, NULL },
    { "rules", &rule_list, MEMBER_OPTIONAL, NULL, "what to do" },
    { "any", &schema_any, MEMBER_OPTIONAL, NULL, NULL },
    { "nothing", &schema_null, MEMBER_OPTIONAL, NULL, NULL },
    { "mixed", &mixed_type, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct schema_member wrap_options[] = {
    { "file", &schema_blockdev_ref, 0, NULL, "below" },
    { "backing", &schema_blockdev_ref_or_null, MEMBER_OPTIONAL, NULL, NULL },
    { "more", &ref_list, MEMBER_OPTIONAL, NULL, NULL },
    { 0 },
};

static const struct blk_driver leaf = { .name = "leaf", .options = leaf_options };
static const struct blk_driver wrap = { .name = "wrap", .options = wrap_options };
static const struct blk_driver bare = { .name = "raw" };
static const struct blk_driver *const drivers[] = { &leaf, &wrap, &bare, NULL };

/* ---- schema_check ---- */

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    assert_non_null(value);
    return value;
}

/* text: JSON with ' for ".  wanted: "" for a value that is right. */
static void check_type(const struct schema_type *type, const char *path, const char *text,
                       const char *wanted)
{
    struct error err = ERROR_INIT;
    char *json = mem_strdup(text);
    json_t *value;

    for (char *p = json; (p = strchr(p, '\'')); p++) {
        *p = '"';
    }
    value = parse(json);
    assert_int_equal(schema_check(drivers, type, path, value, &err), *wanted ? -EINVAL : 0);
    assert_string_equal(err.text, wanted);
    assert_int_equal(err.class, ERROR_GENERIC);
    json_decref(value);
    free(json);
}

static void check(const char *text, const char *wanted)
{
    check_type(&schema_blockdev_options, "", text, wanted);
}

static void test_base_members(void **state)
{
    (void)state;
    check("{'driver':'leaf'}", "");
    check("{}", "Parameter 'driver' is missing");
    check("{'driver':1}", "Invalid parameter type for 'driver', expected: string");
    check("{'driver':'foo','node-name':1}", "Parameter 'driver' does not accept value 'foo'");
    check("{'driver':'leaf','node-name':1}",
          "Invalid parameter type for 'node-name', expected: string");
    check("{'driver':'leaf','discard':'x'}", "Parameter 'discard' does not accept value 'x'");
    check("{'driver':'leaf','cache':1}", "Invalid parameter type for 'cache', expected: object");
    check("{'driver':'leaf','cache':{'direct':1}}",
          "Invalid parameter type for 'cache.direct', expected: boolean");
    check("{'driver':'leaf','cache':{'x':1}}", "Parameter 'cache.x' is unexpected");
    check("{'driver':'leaf','read-only':'on'}",
          "Invalid parameter type for 'read-only', expected: boolean");
    check("{'driver':'leaf','zz':1}", "Parameter 'zz' is unexpected");
}

/* A driver of QEMU's that is not here is said to be missing: it is not a typing error. */
static void test_missing_driver(void **state)
{
    (void)state;
    check("{'driver':'vmdk'}", "Driver 'vmdk' is not available in blksim");
    check("{'driver':'wrap','file':{'driver':'qcow2'}}",
          "Driver 'qcow2' is not available in blksim");
    check("{'driver':'raw'}", "");
    assert_true(schema_driver_is_known("vvfat"));
    assert_false(schema_driver_is_known("leaf"));
}

/* Of several errors the first in the order of the tables is reported, leftovers last. */
static void test_order(void **state)
{
    (void)state;
    check("{'zz':1,'colours':5,'size':'x','discard':3,'node-name':1}",
          "Parameter 'driver' is missing");
    check("{'zz':1,'colours':5,'discard':3,'driver':'leaf'}",
          "Invalid parameter type for 'discard', expected: string");
    check("{'zz':1,'colours':5,'count':'x','driver':'leaf'}",
          "Invalid parameter type for 'count', expected: integer");
    check("{'zz':1,'colours':5,'driver':'leaf'}",
          "Invalid parameter type for 'colours', expected: array");
    check("{'zz':1,'yy':2,'driver':'leaf'}", "Parameter 'zz' is unexpected");
}

static void test_integers(void **state)
{
    (void)state;
    check("{'driver':'leaf','count':-9223372036854775808}", "");
    check("{'driver':'leaf','count':1.5}",
          "Invalid parameter type for 'count', expected: integer");
    check("{'driver':'leaf','count':9.3e18}",
          "Invalid parameter type for 'count', expected: integer");
    check("{'driver':'leaf','size':'1M'}", "Parameter 'size' expects uint64");
    check("{'driver':'leaf','u64':-5}", "");
    check("{'driver':'leaf','u64':true}", "Parameter 'u64' expects uint64");
    check("{'driver':'leaf','tiny':255}", "");
    check("{'driver':'leaf','tiny':256}", "Parameter 'tiny' expects uint8_t");
    check("{'driver':'leaf','tiny':-1}", "Parameter 'tiny' expects uint8_t");
    check("{'driver':'leaf','tiny':'x'}", "Parameter 'tiny' expects uint64");
    check("{'driver':'leaf','i32':2147483648}", "Parameter 'i32' expects int32_t");
    check("{'driver':'leaf','i32':'x'}",
          "Invalid parameter type for 'i32', expected: integer");
    check("{'driver':'leaf','rules':[{'event':'e','width':65536}]}",
          "Parameter 'width' expects uint16_t");
    check("{'driver':'leaf','rules':[{'event':'e','width':[]}]}",
          "Parameter 'rules[0].width' expects uint64");
    check("{'driver':'leaf','ratio':1}", "");
    check("{'driver':'leaf','ratio':'1'}",
          "Invalid parameter type for 'ratio', expected: number");
}

static void test_arrays(void **state)
{
    (void)state;
    check("{'driver':'leaf','colours':[],'any':[{}],'nothing':null}", "");
    check("{'driver':'leaf','nothing':0}",
          "Invalid parameter type for 'nothing', expected: null");
    check("{'driver':'leaf','colours':'red'}",
          "Invalid parameter type for 'colours', expected: array");
    check("{'driver':'leaf','colours':['red',1]}",
          "Invalid parameter type for 'colours[1]', expected: string");
    check("{'driver':'leaf','colours':['blue']}", "Parameter 'null' does not accept value 'blue'");
    check("{'driver':'leaf','rules':[{}]}", "Parameter 'rules[0].event' is missing");
    check("{'driver':'leaf','rules':[{'event':'x'},7]}",
          "Invalid parameter type for 'rules[1]', expected: object");
    check("{'driver':'leaf','rules':[{'event':'x','foo':1}]}",
          "Parameter 'rules[0].foo' is unexpected");
}

static void test_references(void **state)
{
    (void)state;
    check("{'driver':'wrap','file':'n0','backing':null}", "");
    check("{'driver':'wrap'}", "Parameter 'file' is missing");
    check("{'driver':'wrap','file':null}",
          "Invalid parameter type for 'file', expected: BlockdevRef");
    check("{'driver':'wrap','file':{}}", "Parameter 'file.driver' is missing");
    check("{'driver':'wrap','file':{'driver':'wrap'}}", "Parameter 'file.file' is missing");
    check("{'driver':'wrap','file':{'driver':'wrap','file':1}}",
          "Invalid parameter type for 'file', expected: BlockdevRef");
    check("{'driver':'wrap','file':{'driver':'x'}}",
          "Parameter 'driver' does not accept value 'x'");
    check("{'driver':'wrap','file':{'driver':'leaf','zz':1}}", "Parameter 'file.zz' is unexpected");
    check("{'driver':'wrap','file':'a','backing':1}",
          "Invalid parameter type for 'backing', expected: BlockdevRefOrNull");
    check("{'driver':'wrap','file':'a','more':[1]}",
          "Invalid parameter type for 'null', expected: BlockdevRef");
    check("{'driver':'wrap','file':'a','more':['a',{'driver':'wrap'}]}",
          "Parameter 'more[1].file' is missing");
    check("{'driver':'leaf','mixed':false}", "");
    check("{'driver':'leaf','mixed':'x'}", "Invalid parameter type for 'mixed', expected: Mixed");
}

static void test_path(void **state)
{
    (void)state;
    check_type(&schema_cache, "options.cache", "{'direct':1}",
               "Invalid parameter type for 'options.cache.direct', expected: boolean");
    check_type(&schema_int, "speed", "'x'",
               "Invalid parameter type for 'speed', expected: integer");
    check_type(&schema_bool, "", "1", "Invalid parameter type for '', expected: boolean");
}

/* As deep as the reader lets a request be, on the stack of a coroutine. */
static void check_deep(void *opaque)
{
    enum { DEPTH = 1023 };
    bool *done = opaque;
    struct error err = ERROR_INIT;
    json_t *value = json_string("x");

    for (int i = 0; i < DEPTH; i++) {
        value = json_pack("{s:s, s:o}", "driver", "wrap", "file", value);
    }
    assert_int_equal(schema_check(drivers, &schema_blockdev_options, "", value, &err), 0);
    json_decref(value);
    *done = true;
}

static void test_depth(void **state)
{
    struct sim_config cfg = { .seed = 1, .policy = CHOICE_FIFO };
    struct sim *s = sim_create(&cfg);
    bool done = false;

    (void)state;
    co_create(s, "check", 0, check_deep, &done);
    assert_int_equal(sim_run(s, &done, SIM_FOREVER, 10), SIM_DONE);
    sim_settle(s, 10);
    sim_destroy(s);
}

/* ---- Words ---- */

/* words: "key=value key=value".  wanted: sorted JSON with ' for ", or "!" and an error. */
static void typed_words(const char *text, bool keyval, const char *wanted)
{
    struct error err = ERROR_INIT;
    json_t *object = json_object(), *typed = NULL;
    char *copy = mem_strdup(text), *rest = copy, *word, *got;
    int ret = 0;

    while (ret == 0 && (word = strsep(&rest, " "))) {
        char *value = strchr(word, '=');

        assert_non_null(value);
        *value++ = '\0';
        ret = schema_put_word(object, word, value, &err);
    }
    if (ret == 0) {
        typed = (keyval ? schema_type_keyval : schema_type_words)(
            drivers, &schema_blockdev_options, object, &err);
    }
    got = typed ? json_dumps(typed, JSON_SORT_KEYS | JSON_COMPACT) : mem_printf("!%s", err.text);
    for (char *p = typed ? got : NULL; p && (p = strchr(p, '"')); p++) {
        *p = '\'';
    }
    assert_string_equal(got, wanted);
    assert_true((err.code != 0) == (typed == NULL));
    free(got);
    free(copy);
    json_decref(typed);
    json_decref(object);
}

static void words(const char *text, const char *wanted)
{
    typed_words(text, false, wanted);
}

/* What stands behind -blockdev has no suffixes of integers, and null is a name. */
static void test_keyval(void **state)
{
    (void)state;
    typed_words("driver=leaf count=0x10", true, "{'count':16,'driver':'leaf'}");
    typed_words("driver=leaf size=64k", true, "{'driver':'leaf','size':65536}");
    typed_words("driver=leaf count=1k", true, "!Parameter 'count' expects integer");
    typed_words("driver=wrap file.driver=leaf file.count=1M", true,
                "!Parameter 'file.count' expects integer");
    typed_words("driver=wrap file=n0 backing=null", true,
                "{'backing':'null','driver':'wrap','file':'n0'}");
    typed_words("driver=leaf nothing=null", true, "{'driver':'leaf','nothing':'null'}");
}

static void test_words(void **state)
{
    (void)state;
    words("driver=leaf size=64k count=0x10", "{'count':16,'driver':'leaf','size':65536}");
    words("count=-3 driver=leaf", "{'count':-3,'driver':'leaf'}");
    words("driver=leaf node-name=007 count=010", "{'count':8,'driver':'leaf','node-name':'007'}");
    words("driver=leaf size=1 size=2M", "{'driver':'leaf','size':2097152}");
    words("driver=leaf cache.direct=on cache.no-flush=n",
          "{'cache':{'direct':true,'no-flush':false},'driver':'leaf'}");
    words("driver=leaf ratio=1.5 any=12", "{'any':'12','driver':'leaf','ratio':1.5}");
    words("driver=wrap file=n0 backing=null", "{'backing':null,'driver':'wrap','file':'n0'}");
    words("driver=wrap file=null", "{'driver':'wrap','file':'null'}");
    words("file.driver=leaf driver=wrap file.count=1M",
          "{'driver':'wrap','file':{'count':1048576,'driver':'leaf'}}");
    words("driver=leaf mixed=3", "{'driver':'leaf','mixed':3}");
    words("driver=leaf nothing=null any.b=1", "{'any':{'b':'1'},'driver':'leaf','nothing':null}");
}

static void test_word_arrays(void **state)
{
    (void)state;
    words("driver=leaf colours.1=green colours.0=red",
          "{'colours':['red','green'],'driver':'leaf'}");
    words("driver=leaf rules.0.event=a rules.00.state=7",
          "{'driver':'leaf','rules':[{'event':'a','state':7}]}");
    words("driver=wrap file=a more.0=b more.1.driver=leaf more.1.count=5",
          "{'driver':'wrap','file':'a','more':['b',{'count':5,'driver':'leaf'}]}");
    words("driver=leaf mixed.0.event=a", "{'driver':'leaf','mixed':[{'event':'a'}]}");
    words("driver=leaf colours.1=red", "!Parameter 'colours.0' missing");
    words("zz.a.5=red", "!Parameter 'zz.a.0' missing");
    words("driver=leaf rules.0.event=x rules.x=1", "!Parameters 'rules.*' used inconsistently");
    words("driver=leaf cache.0=on", "{'cache':['on'],'driver':'leaf'}");
    words("driver=leaf rules.0.state=zz", "!Parameter 'rules.0.state' expects integer");
}

/* What the schema cannot place stays, and the check reports it. */
static void test_words_left(void **state)
{
    (void)state;
    words("driver=foo size=1", "{'driver':'foo','size':'1'}");
    words("size=1", "{'size':'1'}");
    words("driver=leaf zz=on cache=x", "{'cache':'x','driver':'leaf','zz':'on'}");
    words("driver=leaf discard=zz", "{'discard':'zz','driver':'leaf'}");
    words("driver=leaf rules.event=e", "{'driver':'leaf','rules':{'event':'e'}}");
}

static void test_long_words(void **state)
{
    char name[129] = { 0 }, *word, *wanted;

    (void)state;
    memset(name, 'x', 128);
    word = mem_printf("a.%s.b=1", name);
    wanted = mem_printf("!Parameter fragment '%s' is too long", name);
    words(word, wanted);
    free(word);
    free(wanted);
    word = mem_printf("%s=1", name);
    wanted = mem_printf("!Parameter '%s' is too long", name);
    words(word, wanted);
    free(word);
    free(wanted);
    name[127] = '\0';
    word = mem_printf("%s=1", name);
    wanted = mem_printf("{'%s':'1'}", name);
    words(word, wanted);
    free(word);
    free(wanted);
}

static void test_word_errors(void **state)
{
    (void)state;
    words("a=1 a.b=2", "!Parameters 'a.*' used inconsistently");
    words("a.b=2 a=1", "!Parameters 'a.*' used inconsistently");
    words("a.b.c=1 a.b=2", "!Parameters 'a.b.*' used inconsistently");
    words("=1", "!Invalid parameter ''");
    words(".a=1", "!Invalid parameter '.a'");
    words("a.=1", "!Invalid parameter 'a.'");
    words("a..b=1", "!Invalid parameter 'a..b'");
    words("1=2", "!Invalid parameter '1'");
    words("x.1a=2", "!Invalid parameter 'x.1a'");
    words("a/b=2", "!Invalid parameter 'a/b'");
    words("_a=2", "!Invalid parameter '_a'");
    words("__com.redhat_x.b=2 a-_b=1", "{'__com.redhat_x':{'b':'2'},'a-_b':'1'}");
    words("driver=leaf size=\377", "!Value of parameter 'size' is not UTF-8");
    words("driver=leaf count=xx", "!Parameter 'count' expects integer");
    words("driver=leaf count=1.5", "!Parameter 'count' expects integer");
    words("driver=leaf count=", "!Parameter 'count' expects integer");
    words("driver=leaf count=99999999999999999999", "!Parameter 'count' expects integer");
    words("driver=leaf size=zz", "!Parameter 'size' expects size");
    words("driver=leaf size=-1", "!Parameter 'size' expects size");
    words("driver=leaf ratio=x", "!Parameter 'ratio' expects number");
    words("driver=leaf read-only=1", "!Parameter 'read-only' expects 'on' or 'off'");
    words("driver=leaf cache.direct.x=on", "!Parameters 'cache.direct.*' are unexpected");
    words("driver.x=1", "!Parameters 'driver.*' are unexpected");
    words("driver=leaf size.x=3", "!Parameters 'size.*' are unexpected");
    words("driver=leaf size.0=3", "!Parameters 'size.*' are unexpected");
}

/* Beyond int64 a number is real, so that the check says what it says of such JSON. */
static void test_large_words(void **state)
{
    struct error err = ERROR_INIT;
    json_t *object = json_pack("{s:s, s:s}", "driver", "leaf", "u64", "18446744073709551615");
    json_t *typed = schema_type_words(drivers, &schema_blockdev_options, object, &err);

    (void)state;
    assert_true(json_is_real(json_object_get(typed, "u64")));
    assert_int_equal(schema_check(drivers, &schema_blockdev_options, "", typed, &err), -EINVAL);
    assert_string_equal(err.text, "Parameter 'u64' expects uint64");
    json_decref(object);
    json_decref(typed);
}

/* Values given as JSON beside words keep their type. */
static void test_json_beside_words(void **state)
{
    struct error err = ERROR_INIT;
    json_t *object = parse("{\"driver\":\"leaf\",\"count\":5,\"cache\":{\"direct\":true},"
                           "\"colours\":[\"red\"],\"size\":null}");
    json_t *typed = schema_type_words(drivers, &schema_blockdev_options, object, &err);

    (void)state;
    assert_true(json_equal(object, typed));
    json_decref(object);
    json_decref(typed);
}

/* ---- Help ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_members), cmocka_unit_test(test_missing_driver),
        cmocka_unit_test(test_order),        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_arrays),       cmocka_unit_test(test_references),
        cmocka_unit_test(test_path),         cmocka_unit_test(test_depth),
        cmocka_unit_test(test_keyval),
        cmocka_unit_test(test_words),        cmocka_unit_test(test_word_arrays),
        cmocka_unit_test(test_words_left),   cmocka_unit_test(test_word_errors),
        cmocka_unit_test(test_long_words),   cmocka_unit_test(test_large_words),
        cmocka_unit_test(test_json_beside_words),
    };

    return cmocka_run_group_tests_name("model/schema", tests, NULL, NULL);
}
