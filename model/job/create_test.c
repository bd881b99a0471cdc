/* SPDX-License-Identifier: MIT */
/* Images made by a job: requests in, and which jobs and files there are then. */
#include "model/job/create.h"

#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    const char *request;
    json_t *reply;
};

static void ask_layer(void *opaque)
{
    struct world *w = opaque;
    w->reply = layer_qmp_text(w->layer, w->request, strlen(w->request));
}

static void end_layer(void *opaque)
{
    struct world *w = opaque;
    layer_destroy(w->layer);
    w->layer = NULL;
}

static void in_coroutine(struct world *w, void (*fn)(void *opaque))
{
    co_create(w->sim, "test", 0, fn, w);
    assert_int_equal(sim_run(w->sim, NULL, SIM_FOREVER, 1000000), SIM_IDLE);
}

/* The reply has to be that, with its keys in order. */
static void ask(struct world *w, const char *request, const char *reply)
{
    w->request = request;
    w->reply = NULL;
    in_coroutine(w, ask_layer);
    char *text = json_dumps(w->reply, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, reply);
    free(text);
    json_decref(w->reply);
}

static int set_up(void **state)
{
    struct disk_config disks = DISK_CONFIG_INIT;
    struct world *w = NEW(struct world);
    w->sim = sim_create(&(struct sim_config){ .seed = 1 });
    w->host = host_sim_create(w->sim, &disks);
    w->layer = layer_create(w->sim, w->host, drivers_all);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    in_coroutine(w, end_layer);
    assert_null(w->layer);
    host_destroy(w->host);
    sim_destroy(w->sim);
    free(w);
    return 0;
}

#define CREATE(id, options)                                                                        \
    "{'execute':'blockdev-create','arguments':{'job-id':'" id "','options':{" options "}}}"
#define OK "{\"return\":{}}"
#define QUERY "{'execute':'query-jobs'}"

static void a_file_and_a_format_in_it(void **state)
{
    struct world *w = *state;
    ask(w, CREATE("f", "'driver':'file','filename':'a','size':1000"), OK);
    assert_int_equal(disk_size(host_sim_disk(w->host, "a")), 1000);
    ask(w, CREATE("q", "'driver':'qcow2','size':65536,"
                       "'file':{'driver':'file','filename':'a'}"), OK);
    ask(w, QUERY, "{\"return\":[{\"current-progress\":1,\"id\":\"q\",\"status\":\"concluded\","
                  "\"total-progress\":1,\"type\":\"create\"},{\"current-progress\":1,\"id\":\"f\","
                  "\"status\":\"concluded\",\"total-progress\":1,\"type\":\"create\"}]}");
    ask(w, "{'execute':'query-named-block-nodes'}", "{\"return\":[]}");
    ask(w, "{'execute':'blockdev-add','arguments':{'driver':'qcow2','node-name':'q',"
           "'file':{'driver':'file','filename':'a'}}}", OK);
}

/* A job that fails keeps its text, and lets go of everything else. */
static void a_file_that_cannot_be_made(void **state)
{
    struct world *w = *state;
    ask(w, CREATE("f", "'driver':'file','filename':'x/a','size':1000"), OK);
    ask(w, QUERY, "{\"return\":[{\"current-progress\":1,\"error\":\"Could not create 'x/a': "
                  "No such file or directory\",\"id\":\"f\",\"status\":\"concluded\","
                  "\"total-progress\":1,\"type\":\"create\"}]}");
    assert_null(host_sim_disk(w->host, "x/a"));
    ask(w, "{'execute':'job-dismiss','arguments':{'id':'f'}}", OK);
    ask(w, QUERY, "{\"return\":[]}");
}

/* An amend job holds its node from its start to its dismissal. */
static void amending(void **state)
{
    struct world *w = *state;
    ask(w, CREATE("q", "'driver':'file','filename':'a','size':0"), OK);
    ask(w, CREATE("r", "'driver':'qcow2','size':65536,"
                       "'file':{'driver':'file','filename':'a'}"), OK);
    ask(w, "{'execute':'blockdev-add','arguments':{'driver':'qcow2','node-name':'n',"
           "'file':{'driver':'file','filename':'a'}}}", OK);
    ask(w, "{'execute':'x-blockdev-amend','arguments':{'job-id':'a','node-name':'n',"
           "'options':{'driver':'qcow2'}}}", OK);
    ask(w, "{'execute':'blockdev-del','arguments':{'node-name':'n'}}",
        "{\"error\":{\"class\":\"GenericError\",\"desc\":\"Block device n is in use\"}}");
    ask(w, "{'execute':'job-dismiss','arguments':{'id':'a'}}", OK);
    ask(w, "{'execute':'blockdev-del','arguments':{'node-name':'n'}}", OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_and_a_format_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(amending, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("model/job/create", tests, NULL, NULL);
}
