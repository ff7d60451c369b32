/* Changes one line of the file and leaves the others as they are. */
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct change {
    const jmi_setting_row *row;
    const char *value; /* NULL: take it out */
    char table[64];    /* "" at the top */
    const char *name;  /* in its table */
} change;

static void add_value(jmi_text *out, const change *c) {
    double number;
    bool plain =
        c->row->kind != JM_SETTING_TEXT || (c->row->digits && jmi_parse_double(c->value, &number));
    if (c->row->kind == JM_SETTING_BOOL) {
        bool on = false;
        jmi_setting_check(c->row, c->value, "", &number, &on, NULL);
        jmi_text_add(out, "%s", on ? "true" : "false");
    } else if (plain && jmi_parse_double(c->value, &number)) {
        char digits[40];
        jmi_text_add(out, "%s", jmi_format_double(number, digits, sizeof digits));
    } else {
        jmi_toml_quote(out, c->value);
    }
}

static void add_line(jmi_text *out, const change *c) {
    jmi_text_add(out, "%s = ", c->name);
    add_value(out, c);
    jmi_text_append(out, "\n", 1);
}

/* Adds bytes [from, to) of the old text, whose last line may lack its end. */
static void add_old(jmi_text *out, const jmi_text *old, size_t from, size_t to) {
    if (to > from) jmi_text_append(out, old->data + from, to - from);
}

static void end_line(jmi_text *out) {
    if (out->length > 0 && out->data[out->length - 1] != '\n') jmi_text_append(out, "\n", 1);
}

/* After the last line of its table; where there is none, at the end, with a table of its own. */
static void insert(jmi_text *out, const jmi_text *old, const jmi_toml *toml, const change *c) {
    size_t at = 0, first_table = old->length;
    bool there = c->table[0] == '\0';
    for (size_t i = 0; i < toml->count; i++) {
        const jmi_toml_line *line = &toml->lines[i];
        if (line->kind == JMI_TOML_TABLE && line->begin < first_table) first_table = line->begin;
        if (strcmp(line->table, c->table) != 0) continue;
        there = true;
        at = line->end;
    }
    if (!there) at = old->length;
    if (there && at == 0) at = first_table; /* the first setting: beneath the comments at the top */
    add_old(out, old, 0, at);
    end_line(out);
    if (!there) jmi_text_add(out, "%s[%s]\n", out->length > 0 ? "\n" : "", c->table);
    add_line(out, c);
    add_old(out, old, at, old->length);
}

static void replace(jmi_text *out, const jmi_text *old, const jmi_toml_line *line,
                    const change *c) {
    if (c->value == NULL) {
        add_old(out, old, 0, line->begin);
        add_old(out, old, line->end, old->length);
        return;
    }
    add_old(out, old, 0, line->value_begin);
    add_value(out, c);
    add_old(out, old, line->value_end, old->length);
}

static void rewrite(jmi_text *out, const jmi_text *old, const jmi_toml *toml, const change *c) {
    for (size_t i = 0; i < toml->count; i++)
        if (toml->lines[i].kind != JMI_TOML_TABLE && strcmp(toml->lines[i].key, c->row->key) == 0) {
            replace(out, old, &toml->lines[i], c);
            return;
        }
    if (c->value != NULL)
        insert(out, old, toml, c);
    else
        add_old(out, old, 0, old->length);
}

/* ---- the file ---- */

/* Whole or as it was; where a link stands, what it leads to is written. */
static int write_file(const char *path, const jmi_text *text, jm_error *error) {
    char real[PATH_MAX], name[PATH_MAX + 64];
    struct stat info;
    if (realpath(path, real) != NULL) path = real;
    int status = jmi_make_parent(path, error);
    if (status != JM_OK) return status;
    int fd = jmi_make_beside(path, name, sizeof name, error);
    if (fd < 0) return fd;
    if (stat(path, &info) == 0) (void)fchmod(fd, info.st_mode & 07777);
    int errnum = text->length > 0 ? jmi_write_all(fd, text->data, text->length) : 0;
    if (errnum == 0 && fsync(fd) != 0) errnum = errno;
    if (close(fd) != 0 && errnum == 0) errnum = errno;
    if (errnum == 0 && rename(name, path) != 0) errnum = errno;
    if (errnum == 0) return JM_OK;
    unlink(name);
    return jmi_fail_errno(error, errnum, "cannot write %s", path);
}

static int change_file(const char *path, const change *c, jm_error *error) {
    jmi_text old = {0}, new = {0};
    jmi_toml toml = {0};
    int status = jmi_settings_read(path, &old, error);
    if (status == JM_NOT_FOUND) status = JM_OK;
    if (status == JM_OK && old.length > 0)
        status = jmi_toml_parse(&toml, old.data, old.length, path, error);
    if (status == JM_OK) {
        rewrite(&new, &old, &toml, c);
        status = new.failed ? jmi_fail(error, JM_MEMORY, "out of memory")
                            : write_file(path, &new, error);
    }
    jmi_toml_free(&toml);
    jmi_text_free(&old);
    jmi_text_free(&new);
    return status;
}

int jm_settings_save(const char *path, const char *key, const char *value, jm_error *error) {
    char *usual = NULL;
    double number;
    bool on;
    if (key == NULL) return jmi_fail(error, JM_INVALID, "a key is needed");
    uint32_t index = jmi_setting_named(key, error);
    if (index == UINT32_MAX) return JM_NOT_FOUND;
    change c = {.row = &jmi_setting_rows[index], .value = value};
    int status = value != NULL ? jmi_setting_check(c.row, value, key, &number, &on, error) : JM_OK;
    if (status == JM_OK && path == NULL) {
        status = jm_settings_usual_path(&usual, error);
        path = usual;
    }
    const char *point = strrchr(c.row->key, '.');
    c.name = point != NULL ? point + 1 : c.row->key;
    if (point != NULL)
        snprintf(c.table, sizeof c.table, "%.*s", (int)(point - c.row->key), c.row->key);
    if (status == JM_OK) status = change_file(path, &c, error);
    free(usual);
    return status;
}
