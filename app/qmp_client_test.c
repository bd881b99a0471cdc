/* SPDX-License-Identifier: MIT */
/* A monitor's client on a real socket: bytes both ways, descriptors, going away. */
#include "app/qmp_client.h"
#include "app/host.h"
#include "base/check.h"
#include "base/mem.h"
#include "drivers/registry.h"
#include "model/layer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct sim *sim;
    struct host *host;
    struct layer *layer;
    char *dir, *path;
    struct qmp_client client;
    int peer; /* The other side. */
    int fds[4];
    size_t fds_len;
};

static void take_fd(void *opaque, int fd)
{
    struct world *w = opaque;
    CHECK(w->fds_len < ARRAY_LEN(w->fds));
    w->fds[w->fds_len++] = fd;
}

static int connect_peer(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && strlen(path) < sizeof(addr.sun_path));
    strcpy(addr.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static int open_world(void **state)
{
    struct world *w = NEW(struct world);
    struct error err = ERROR_INIT;
    struct disk_config cfg = DISK_CONFIG_INIT;
    w->sim = sim_create(&(struct sim_config){ .seed = 0 });
    w->host = host_sim_create(w->sim, &cfg);
    w->layer = layer_create(w->sim, w->host, drivers_all);
    w->dir = host_temp_create(&err);
    w->path = mem_printf("%s/qmp", w->dir);
    w->client = (struct qmp_client){ .listen_fd = -1, .in_fd = -1, .out_fd = -1,
                                     .take_fd = take_fd, .opaque = w };
    w->client.monitor = monitor_create(&(struct monitor_config){
        .layer = w->layer, .send = qmp_client_send, .opaque = &w->client });
    assert_int_equal(qmp_client_listen(&w->client, w->path, &err), 0);
    w->peer = connect_peer(w->path);
    qmp_client_accept(&w->client);
    *state = w;
    return 0;
}

static void end(void *opaque)
{
    layer_destroy(opaque);
}

static int close_world(void **state)
{
    struct world *w = *state;
    struct stat st;
    qmp_client_fini(&w->client);
    assert_int_not_equal(lstat(w->path, &st), 0);
    monitor_destroy(w->client.monitor);
    co_create(w->sim, "end", 0, end, w->layer);
    sim_run(w->sim, NULL, SIM_FOREVER, 0);
    for (size_t i = 0; i < w->fds_len; i++) {
        close(w->fds[i]);
    }
    close(w->peer);
    host_destroy(w->host);
    sim_destroy(w->sim);
    host_remove_tree(w->dir);
    free(w->path);
    free(w->dir);
    free(w);
    return 0;
}

/* What the peer has got so far. */
static void expect_got(struct world *w, const char *wanted)
{
    char bytes[4096];
    ssize_t n = recv(w->peer, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);
    assert_true(n >= 0);
    bytes[n] = '\0';
    assert_non_null(strstr(bytes, wanted));
}

static void test_greeting_and_reply(void **state)
{
    static const char request[] = "{'execute':'qmp_capabilities','id':1}";
    struct world *w = *state;
    qmp_client_flush(&w->client);
    expect_got(w, "{\"QMP\": ");
    assert_true(qmp_client_wants(&w->client));
    assert_int_equal(send(w->peer, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    qmp_client_read(&w->client);
    assert_false(qmp_client_wants(&w->client));
    assert_true(qmp_client_feed(&w->client));
    sim_settle(w->sim, 0);
    qmp_client_flush(&w->client);
    expect_got(w, "{\"return\": {}, \"id\": 1}\r\n");
    assert_false(qmp_client_feed(&w->client));
}

/* A client that reads nothing is not read from either, and loses nothing. */
static void test_client_that_only_writes(void **state)
{
    enum { BYTES = 4 << 20 };
    struct world *w = *state;
    char *bytes = mem_alloc(BYTES);
    size_t got = 0;
    memset(bytes, 'x', BYTES);
    qmp_client_flush(&w->client);
    expect_got(w, "QMP");
    qmp_client_send(&w->client, bytes, BYTES);
    qmp_client_flush(&w->client);
    assert_true(qmp_client_unsent(&w->client) > 0);
    assert_false(qmp_client_wants(&w->client));
    for (ssize_t n = 1; n > 0;) {
        n = recv(w->peer, bytes, BYTES, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        qmp_client_flush(&w->client);
    }
    assert_int_equal(got, BYTES);
    assert_true(qmp_client_wants(&w->client));
    free(bytes);
}

/* Descriptors come with the bytes that they were sent with. */
static void test_descriptors(void **state)
{
    struct world *w = *state;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    char byte = ' ';
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    *h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(sizeof(int)) };
    memcpy(CMSG_DATA(h), &fd, sizeof(int));
    assert_int_equal(sendmsg(w->peer, &msg, 0), 1);
    close(fd);
    qmp_client_read(&w->client);
    assert_int_equal(w->fds_len, 1);
    assert_int_equal(read(w->fds[0], &byte, 1), 1);
    assert_int_equal(byte, 0);
}

static void test_going_away(void **state)
{
    struct world *w = *state;
    assert_int_equal(shutdown(w->peer, SHUT_RDWR), 0);
    qmp_client_read(&w->client);
    assert_false(qmp_client_connected(&w->client));
    close(w->peer);
    w->peer = connect_peer(w->path);
    qmp_client_accept(&w->client);
    qmp_client_flush(&w->client);
    expect_got(w, "{\"QMP\": ");
}

/* A socket that somebody left is replaced; anything else is not. */
static void test_addresses(void **state)
{
    struct world *w = *state;
    struct qmp_client other = { .listen_fd = -1, .in_fd = -1, .out_fd = -1 };
    struct error err = ERROR_INIT;
    char *file = mem_printf("%s/file", w->dir), *lost = mem_printf("%s/lost", w->dir);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    strcpy(addr.sun_path, lost);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
    assert_int_equal(qmp_client_listen(&other, lost, &err), 0);
    qmp_client_fini(&other);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    assert_true(qmp_client_listen(&other, file, &err) < 0);
    assert_non_null(strstr(err.text, "Address already in use"));
    free(lost);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_greeting_and_reply, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_client_that_only_writes, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_descriptors, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_going_away, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_addresses, open_world, close_world),
    };
    return cmocka_run_group_tests_name("app/qmp_client", tests, NULL, NULL);
}
