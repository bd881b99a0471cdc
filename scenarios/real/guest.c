/* SPDX-License-Identifier: MIT */
/* What the guest would do, as there is none: when the machine asks it to let go of a PCI device, it
 * does at once, if the machine runs, by the registers of the ACPI hot-plug controller.
 *
 * Registers of the pc machine (docs/specs/acpi_pci_hotplug of QEMU): 0xae10 selects a bus, reading
 * 0xae04 tells the slots that are asked for, writing a slot's bit to 0xae08 ejects it.  They are
 * written by way of qtest, beside the processor.
 */
#include "scenarios/real/real_private.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define QTEST_LIMIT_NS NS_PER_S
#define DELETED_LIMIT_NS (NS_PER_S / 2)

struct real_guest {
    char *id;       /* Of the device; NULL: whatever is asked for. */
    bool adds;      /* It is a device_add, of the harness. */
    uint32_t asked; /* Slots that were asked for before. */
    size_t seen;    /* Events there were before. */
    struct target_call *call;
    struct real_guest *next;
};

/* ---- qtest ---- */

/* A line of qtest's answer in text; false: there is none. */
static bool qtest(struct target_real *rt, const char *line, char *text, size_t size)
{
    int64_t until_ns = real_clock_ns() + QTEST_LIMIT_NS;
    size_t n = 0;
    CHECK(size > 1);
    if (rt->qtest < 0 || send(rt->qtest, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        return false;
    }
    while (n < size - 1 && (n == 0 || text[n - 1] != '\n') && real_clock_ns() < until_ns) {
        struct pollfd p = { .fd = rt->qtest, .events = POLLIN };
        if (poll(&p, 1, 50) <= 0) {
            continue;
        }
        ssize_t got = recv(rt->qtest, text + n, size - 1 - n, MSG_DONTWAIT);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
    }
    text[n] = '\0';
    return n >= 2 && memcmp(text, "OK", 2) == 0;
}

uint32_t real_guest_slots(struct target_real *rt)
{
    char text[64];
    if (!qtest(rt, "outl 0xae10 0x0\n", text, sizeof(text)) ||
        !qtest(rt, "inl 0xae04\n", text, sizeof(text))) {
        return 0;
    }
    return (uint32_t)strtoul(text + 2, NULL, 16);
}

int real_guest_eject(struct target_real *rt, uint32_t slots)
{
    int n = 0;
    for (int i = 0; i < 32; i++) {
        if (slots >> i & 1) {
            char text[64];
            char *line = mem_printf("outl 0xae08 0x%x\n", 1u << i);
            n += qtest(rt, line, text, sizeof(text));
            free(line);
        }
    }
    return n;
}

/* ---- one device_del or cont ---- */

static bool is_running(struct target_real *rt)
{
    json_t *reply = NULL;
    real_exchange(rt, "query-status", NULL, &reply);
    bool yes = json_is_true(json_object_get(json_object_get(reply, "return"), "running"));
    json_decref(reply);
    return yes;
}

/* Devices that are gone, of all events from `from`; with id, that one alone. */
static int deleted(const struct target_real *rt, size_t from, const char *id)
{
    int n = 0;
    for (size_t i = from; i < json_array_size(rt->base.events); i++) {
        const json_t *e = json_array_get(rt->base.events, i);
        const char *name = json_string_value(json_object_get(e, "event"));
        const json_t *data = json_object_get(e, "data");
        const char *device = json_string_value(json_object_get(data, "device"));
        const char *path = json_string_value(json_object_get(data, "path"));
        if (name && strcmp(name, "DEVICE_DELETED") == 0) {
            n += id ? device && strcmp(device, id) == 0
                    : path && !strstr(path, "/virtio-backend");
        }
    }
    return n;
}

/* After a device_del that was granted, or a cont. */
static void let_go(struct target_real *rt, const struct real_guest *g)
{
    size_t from = MIN(g->seen, json_array_size(rt->base.events));
    uint32_t slots = real_guest_slots(rt);
    bool own = real_is_own(g->id), lets_go = own || is_running(rt);
    int want = lets_go ? real_guest_eject(rt, own ? slots & ~g->asked : slots) : 0;
    if (g->id) {
        want = slots && !lets_go ? 0 : 1; /* Other devices need no guest. */
    }
    int64_t until_ns = real_clock_ns() + DELETED_LIMIT_NS;
    while (deleted(rt, from, g->id) < want && real_clock_ns() < until_ns) {
        if (!real_poll(rt, NS_PER_MS)) {
            return;
        }
    }
}

static void play(struct target_real *rt, const struct real_guest *g, bool granted)
{
    if (granted && !g->adds) {
        let_go(rt, g);
    }
    if (real_is_own(g->id) && granted != g->adds) {
        real_bus_put(rt); /* It is gone, or has never been there. */
    }
}

struct real_guest *real_guest_for(struct target_real *rt, const json_t *request)
{
    const char *command = json_string_value(json_object_get(request, "execute"));
    const json_t *args = json_object_get(request, "arguments");
    const char *id = json_string_value(json_object_get(args, "id"));
    bool del = command && strcmp(command, "device_del") == 0;
    bool add = command && strcmp(command, "device_add") == 0 && real_is_own(id);
    bool cont = command && strcmp(command, "cont") == 0;
    if (rt->kind != REAL_QEMU || (!del && !add && !cont)) {
        return NULL;
    }
    struct real_guest *g = NEW(struct real_guest);
    *g = (struct real_guest){ .adds = add, .id = !cont && id ? mem_strdup(id) : NULL,
                              .asked = del && real_is_own(id) ? real_guest_slots(rt) : 0,
                              .seen = json_array_size(rt->base.events) };
    return g;
}

void real_guest_free(struct real_guest *g)
{
    if (g) {
        free(g->id);
        free(g);
    }
}

void real_guest_replied(struct target_real *rt, struct real_guest *g, struct target_call *call)
{
    struct real_guest **p = &rt->guests;
    while (*p) {
        p = &(*p)->next;
    }
    *p = g;
    g->call = call;
}

void real_guest_run(struct target_real *rt)
{
    while (rt->guests) {
        struct real_guest *g = rt->guests;
        rt->guests = g->next;
        g->next = NULL;
        play(rt, g, json_object_get(g->call->reply, "return") != NULL);
        g->call->done = true;
        real_guest_free(g);
    }
}

void real_guest_end_all(struct target_real *rt)
{
    while (rt->guests) {
        struct real_guest *g = rt->guests;
        rt->guests = g->next;
        g->call->done = true; /* It has its reply. */
        real_guest_free(g);
    }
}
