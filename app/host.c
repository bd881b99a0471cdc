/* SPDX-License-Identifier: MIT */
#include "app/host.h"

#include "base/check.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { TREE_FDS = 16, COLUMNS_DEFAULT = 80, COLUMNS_MAX = 1000 };

int64_t host_now_ns(void)
{
    struct timespec ts;
    int ret = clock_gettime(CLOCK_MONOTONIC, &ts);
    CHECK(ret == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t host_wall_us(void)
{
    struct timespec ts;
    int ret = clock_gettime(CLOCK_REALTIME, &ts);
    CHECK(ret == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

unsigned host_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) {
        return (unsigned)CPU_COUNT(&set);
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

bool host_is_live(FILE *f)
{
    const char *term = getenv("TERM");
    return isatty(fileno(f)) && term && strcmp(term, "dumb") != 0;
}

bool host_has_color(FILE *f)
{
    const char *no = getenv("NO_COLOR");
    return host_is_live(f) && !(no && no[0]);
}

unsigned host_columns(FILE *f)
{
    const char *text = getenv("COLUMNS");
    uint64_t n;
    struct winsize size;
    if (text && text_parse_u64(text, &n) == 0 && n > 0 && n <= COLUMNS_MAX) {
        return (unsigned)n;
    }
    if (ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return COLUMNS_DEFAULT;
}

char *host_self_path(struct error *err)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n < 0) {
        error_set_errno(err, -errno, "Cannot find the file of this program in /proc/self/exe");
        return NULL;
    }
    return mem_strndup(path, (size_t)n);
}

char *host_file_hash(const char *path, struct error *err)
{
    unsigned char bytes[65536];
    ssize_t n = -1;
    XXH3_state_t *state = XXH3_createState();
    CHECK(state != NULL);
    XXH3_64bits_reset(state);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0) {
        XXH3_64bits_update(state, bytes, (size_t)n);
    }
    int code = errno;
    uint64_t hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        error_set_errno(err, -code, "Cannot read the program '%s'", path);
        return NULL;
    }
    return mem_printf("%016" PRIx64, hash);
}

char *host_self_hash(struct error *err)
{
    return host_file_hash("/proc/self/exe", err);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *host_default_suites(void)
{
    static const char *const beside[] = { "../scenarios/suites", "../../scenarios/suites",
                                          "../share/blksim/suites" };
    const char here[] = "scenarios/suites";
    if (is_folder(here)) {
        return mem_strdup(here);
    }
    char *self = host_self_path(NULL), *slash = self ? strrchr(self, '/') : NULL, *found = NULL;
    if (slash) {
        *slash = '\0';
        for (size_t i = 0; i < ARRAY_LEN(beside) && !found; i++) {
            char *path = mem_printf("%s/%s", self, beside[i]);
            found = is_folder(path) ? realpath(path, NULL) : NULL;
            free(path);
        }
    }
    free(self);
    return found;
}

static char *temp_create_in(const char *base, struct error *err)
{
    char *path = mem_printf("%s/blksim-XXXXXX", base);
    if (!mkdtemp(path)) {
        error_set_errno(err, -errno, "Cannot create a work folder in '%s'", base);
        free(path);
        return NULL;
    }
    return path;
}

char *host_temp_create(struct error *err)
{
    const char *base = getenv("TMPDIR");
    return temp_create_in(base && base[0] ? base : "/tmp", err);
}

char *host_temp_create_in_memory(struct error *err)
{
    char *path = temp_create_in("/dev/shm", NULL);
    return path ? path : host_temp_create(err);
}

int host_move_tree(const char *from, const char *to, struct error *err)
{
    char cp[] = "cp", how[] = "-a", sparse[] = "--sparse=always";
    char *source = mem_strdup(from), *place = mem_strdup(to);
    char *const argv[] = { cp, how, sparse, source, place, NULL };
    pid_t pid;
    int status = 0;
    int code = rename(from, to) == 0 ? 0 : errno;
    if (code == EXDEV) {
        code = posix_spawnp(&pid, cp, NULL, NULL, argv, environ);
        code = code == 0 && (waitpid(pid, &status, 0) != pid || status != 0) ? EIO : code;
    }
    free(source);
    free(place);
    return code ? error_set_errno(err, -code, "Cannot move '%s' to '%s'", from, to) : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

void host_remove_tree(const char *path)
{
    CHECK(path[0] != '\0');
    nftw(path, remove_entry, TREE_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void host_empty_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            char *inner = mem_printf("%s/%s", path, e->d_name);
            host_remove_tree(inner);
            free(inner);
        }
    }
    if (d) {
        closedir(d);
    }
}
