/* SPDX-License-Identifier: MIT */
/* `blksim fmt`: scenario files in their canonical form. */
#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "scenarios/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option_spec fmt_options[] = {
    { "write", 'w', NULL, false, "Write the files in place instead of printing them." },
    { "check", 0, NULL, false, "Print the names of files that are not in canonical form; exit 1." },
    { NULL, 0, NULL, false, NULL },
};

/* The bytes of a file, "-" is stdin.  APP_OK, or complained. */
static int read_file(const char *path, struct strbuf *out)
{
    char bytes[65536];
    size_t n;
    bool in = strcmp(path, "-") == 0;
    FILE *f = in ? stdin : fopen(path, "re");
    int code = errno;
    while (f && (n = fread(bytes, 1, sizeof(bytes), f)) > 0 && out->len <= SCRIPT_MAX_BYTES) {
        strbuf_add(out, bytes, n);
    }
    bool bad = !f || ferror(f);
    code = f && bad ? errno : code;
    if (f && !in) {
        fclose(f);
    }
    if (bad) {
        app_complain("%s: %s", path, error_strerror(code));
        return code == ENOENT ? APP_USAGE : APP_ENVIRONMENT;
    }
    return APP_OK;
}

/* A new file beside the old one takes its place, so that no failure leaves half of it. */
static int write_file(const char *path, const struct strbuf *text)
{
    char *temp = mem_printf("%s.XXXXXX", path);
    struct stat st;
    int fd = stat(path, &st) == 0 ? mkostemp(temp, O_CLOEXEC) : -1;
    bool ok = fd >= 0 && fchmod(fd, st.st_mode & 07777) == 0;
    for (size_t at = 0; ok && at < text->len;) {
        ssize_t n = write(fd, text->text + at, text->len - at);
        ok = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0 && rename(temp, path) == 0;
    int code = errno;
    if (fd >= 0) {
        close(fd);
        if (!ok) {
            unlink(temp);
        }
    }
    if (!ok) {
        app_complain("%s: %s; it is as it was", path, error_strerror(code));
    }
    free(temp);
    return ok ? APP_OK : APP_ENVIRONMENT;
}

static int format_file(const struct options *o, const char *path)
{
    struct strbuf in = { .text = NULL }, out = { .text = NULL }, errors = { .text = NULL };
    int code = read_file(path, &in);
    struct script *script = code ? NULL : script_parse(path, strbuf_str(&in), in.len, &errors);
    if (!code && !script) {
        fputs(strbuf_str(&errors), stderr);
        code = APP_USAGE;
    }
    if (script) {
        script_format(script, &out);
        bool same = out.len == in.len && memcmp(strbuf_str(&out), strbuf_str(&in), in.len) == 0;
        if (options_has(o, "check")) {
            code = same ? APP_OK : APP_FAILURES;
            if (!same) {
                puts(path);
            }
        } else if (options_has(o, "write")) {
            code = same ? APP_OK : write_file(path, &out);
        } else {
            fwrite(strbuf_str(&out), 1, out.len, stdout);
        }
        script_free(script);
    }
    strbuf_free(&in);
    strbuf_free(&out);
    strbuf_free(&errors);
    return code;
}

static int run_fmt(struct app *app, const struct options *o)
{
    (void)app;
    int worst = APP_OK;
    if (options_has(o, "write") && options_has(o, "check")) {
        app_complain("fmt: --write and --check exclude each other");
        return APP_USAGE;
    }
    for (size_t i = 0; i < o->args_len; i++) {
        if (options_has(o, "write") && strcmp(o->args[i], "-") == 0) {
            app_complain("fmt: stdin cannot be written in place");
            return APP_USAGE;
        }
        int code = format_file(o, o->args[i]);
        worst = MAX(worst, code);
    }
    return app_finish_output(worst);
}

const struct command command_fmt = {
    .name = "fmt",
    .args = "FILE...",
    .help = "Prints scenario files in their canonical form; - is stdin.",
    .more = NULL,
    .args_min = 1,
    .args_max = SIZE_MAX,
    .options = fmt_options,
    .run = run_fmt,
};
