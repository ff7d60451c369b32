#include "settings/toml.h"

#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *name;
    const char *text, *at, *stop; /* the line goes on to `stop` */
    size_t line;
    jmi_text table;
    jmi_toml *toml;
    jm_error *error;
} parser;

static int wrong(const parser *p, const char *format, ...) JMI_PRINTF(2, 3);
static int wrong(const parser *p, const char *format, ...) {
    char what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return jmi_fail(p->error, JM_FORMAT, "%.180s, line %zu: %s", p->name, p->line, what);
}

static void skip_space(parser *p) {
    while (p->at < p->stop && (*p->at == ' ' || *p->at == '\t')) p->at++;
}

static char peek(const parser *p) {
    return p->at < p->stop ? *p->at : '\0';
}

/* ---- texts ---- */

static void add_utf8(jmi_text *out, uint32_t c) {
    char bytes[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 1; c >>= 6) bytes[i] = (char)(0x80 | (c & 0x3F));
    bytes[0] = (char)(n == 1 ? c : first[n] | c);
    jmi_text_append(out, bytes, n);
}

static int parse_unicode(parser *p, int count, jmi_text *out) {
    uint32_t c = 0;
    for (int i = 0; i < count; i++) {
        char d = peek(p);
        int value = d >= '0' && d <= '9'   ? d - '0'
                    : d >= 'a' && d <= 'f' ? d - 'a' + 10
                    : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                           : -1;
        if (value < 0) return wrong(p, "\\u needs four digits, and \\U eight");
        c = c << 4 | (uint32_t)value;
        p->at++;
    }
    if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        return wrong(p, "\\u%X is no character", (unsigned)c);
    add_utf8(out, c);
    return JM_OK;
}

static int parse_escape(parser *p, jmi_text *out) {
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    char c = peek(p);
    const char *known = c != '\0' ? strchr(from, c) : NULL;
    p->at += p->at < p->stop;
    if (known != NULL) {
        jmi_text_append(out, &to[known - from], 1);
        return JM_OK;
    }
    if (c == 'u' || c == 'U') return parse_unicode(p, c == 'u' ? 4 : 8, out);
    return wrong(p, "a backslash in a string stands before one of b t n f r \" \\ u U");
}

/* "..." with escapes or '...' without. */
static int parse_string(parser *p, jmi_text *out) {
    char quote = *p->at++;
    if (peek(p) == quote && p->at + 1 < p->stop && p->at[1] == quote)
        return wrong(p, "strings of several lines are not understood here");
    jmi_text_append(out, "", 0);
    for (;;) {
        if (p->at == p->stop) return wrong(p, "the string is not closed: %c is missing", quote);
        char c = *p->at++;
        if (c == quote) return JM_OK;
        if (c == '\\' && quote == '"') {
            int status = parse_escape(p, out);
            if (status != JM_OK) return status;
        } else {
            jmi_text_append(out, &c, 1);
        }
    }
}

/* ---- keys ---- */

static bool is_bare(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static int parse_name(parser *p, jmi_text *key) {
    if (peek(p) == '"' || peek(p) == '\'') return parse_string(p, key);
    const char *from = p->at;
    while (p->at < p->stop && is_bare(*p->at)) p->at++;
    if (p->at == from)
        return wrong(p, "a name is missing: a line is NAME = VALUE, [TABLE] or # a comment");
    jmi_text_append(key, from, (size_t)(p->at - from));
    return JM_OK;
}

/* a.b."c d" */
static int parse_key(parser *p, jmi_text *key) {
    for (;;) {
        int status = parse_name(p, key);
        if (status != JM_OK) return status;
        skip_space(p);
        if (peek(p) != '.') return JM_OK;
        p->at++;
        skip_space(p);
        jmi_text_append(key, ".", 1);
    }
}

/* ---- values ---- */

static bool all_digits(const char *text, size_t length, bool leading_zero) {
    if (length == 0 || (length > 1 && text[0] == '0' && !leading_zero)) return false;
    return strspn(text, "0123456789") >= length;
}

/* TOML's own grammar: 1, -1.5, 1e3; neither 01 nor 1. nor .5 */
static bool is_number(const char *text) {
    if (*text == '+' || *text == '-') text++;
    size_t whole = strspn(text, "0123456789");
    if (!all_digits(text, whole, false)) return false;
    text += whole;
    if (*text == '.') {
        size_t more = strspn(++text, "0123456789");
        if (more == 0) return false;
        text += more;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+' || *text == '-') text++;
        size_t exponent = strspn(text, "0123456789");
        if (exponent == 0) return false;
        text += exponent;
    }
    return *text == '\0';
}

static int parse_number(parser *p, jmi_toml_line *line, const char *from, size_t length) {
    char text[64] = "";
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < sizeof text; i++) {
        bool inside = i > 0 && i + 1 < length && from[i - 1] >= '0' && from[i - 1] <= '9' &&
                      from[i + 1] >= '0' && from[i + 1] <= '9';
        if (from[i] == '_' && inside) continue;
        text[used++] = from[i];
    }
    text[used] = '\0';
    if (length >= sizeof text || !is_number(text) || !jmi_parse_double(text, &line->number))
        return wrong(p, "'%.*s' is no value: write a number, true, false or a \"text\"",
                     (int)(length < 40 ? length : 40), from);
    line->kind = JMI_TOML_NUMBER;
    line->value = jmi_strdup(text);
    return line->value != NULL ? JM_OK : jmi_fail(p->error, JM_MEMORY, "out of memory");
}

static int parse_word(parser *p, jmi_toml_line *line) {
    const char *from = p->at;
    while (p->at < p->stop && strchr(" \t#", *p->at) == NULL) p->at++;
    size_t length = (size_t)(p->at - from);
    if (length == 0) return wrong(p, "the value is missing");
    if (*from == '[') return wrong(p, "lists are not understood here");
    if (*from == '{') return wrong(p, "tables in braces are not understood here");
    line->on = length == 4 && memcmp(from, "true", 4) == 0;
    if (!line->on && !(length == 5 && memcmp(from, "false", 5) == 0))
        return parse_number(p, line, from, length);
    line->kind = JMI_TOML_BOOL;
    line->value = jmi_strdup(line->on ? "true" : "false");
    return line->value != NULL ? JM_OK : jmi_fail(p->error, JM_MEMORY, "out of memory");
}

static int parse_value(parser *p, jmi_toml_line *line) {
    int status;
    line->value_begin = (size_t)(p->at - p->text);
    if (peek(p) == '"' || peek(p) == '\'') {
        jmi_text text = {0};
        line->kind = JMI_TOML_TEXT;
        status = parse_string(p, &text);
        if (status == JM_OK) status = jmi_text_take(&text, &line->value, p->error);
        jmi_text_free(&text);
    } else {
        status = parse_word(p, line);
    }
    line->value_end = (size_t)(p->at - p->text);
    return status;
}

/* ---- lines ---- */

/* A name twice is an error, and so is a table that has been given before. */
static int check_new(const parser *p, const jmi_toml_line *line) {
    for (size_t i = 0; i < p->toml->count; i++) {
        const jmi_toml_line *old = &p->toml->lines[i];
        if (strcmp(old->key, line->key) == 0)
            return wrong(p, "%.60s has been set before, in line %zu", line->key, old->line);
    }
    return JM_OK;
}

static int parse_table(parser *p, jmi_toml_line *line, jmi_text *key) {
    line->kind = JMI_TOML_TABLE;
    p->at++;
    if (peek(p) == '[') return wrong(p, "lists of tables are not understood here");
    skip_space(p);
    int status = parse_key(p, key);
    if (status != JM_OK) return status;
    if (peek(p) != ']') return wrong(p, "the name of a table ends with ]");
    p->at++;
    jmi_text_free(&p->table);
    jmi_text_append(&p->table, key->data, key->length);
    return JM_OK;
}

static int parse_setting(parser *p, jmi_toml_line *line, jmi_text *key) {
    if (p->table.length > 0) jmi_text_add(key, "%s.", p->table.data);
    int status = parse_key(p, key);
    if (status != JM_OK) return status;
    if (peek(p) != '=') return wrong(p, "= is missing after the name");
    p->at++;
    skip_space(p);
    return parse_value(p, line);
}

static int parse_line(parser *p, jmi_toml_line *line) {
    jmi_text key = {0};
    int status = peek(p) == '[' ? parse_table(p, line, &key) : parse_setting(p, line, &key);
    if (status == JM_OK) status = jmi_text_take(&key, &line->key, p->error);
    jmi_text_free(&key);
    if (status != JM_OK) return status;
    line->table = jmi_strdup(p->table.data);
    if (line->table == NULL) return jmi_fail(p->error, JM_MEMORY, "out of memory");
    skip_space(p);
    if (p->at < p->stop && *p->at != '#')
        return wrong(p, "'%.*s' is too much", (int)(p->stop - p->at < 40 ? p->stop - p->at : 40),
                     p->at);
    return check_new(p, line);
}

/* The next line into *p; its bytes are checked. */
static int check_bytes(const parser *p) {
    for (const char *c = p->at; c < p->stop; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7F)
            return wrong(p, "there is a control character");
    return JM_OK;
}

static int take_line(parser *p, size_t begin, size_t end) {
    skip_space(p);
    int status = check_bytes(p);
    if (status != JM_OK || p->at == p->stop || *p->at == '#') return status;
    jmi_toml *toml = p->toml;
    if (!jmi_reserve(&toml->lines, &toml->capacity, toml->count + 1, sizeof *toml->lines))
        return jmi_fail(p->error, JM_MEMORY, "out of memory");
    jmi_toml_line line = {.line = p->line, .begin = begin, .end = end};
    status = parse_line(p, &line);
    if (status == JM_OK) {
        toml->lines[toml->count++] = line;
    } else {
        free(line.key);
        free(line.table);
        free(line.value);
    }
    return status;
}

int jmi_toml_parse(jmi_toml *toml, const char *text, size_t length, const char *name,
                   jm_error *error) {
    *toml = (jmi_toml){0};
    parser p = {.name = name, .text = text, .toml = toml, .error = error};
    size_t begin = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    int status = JM_OK;
    while (status == JM_OK && begin < length) {
        const char *newline = memchr(text + begin, '\n', length - begin);
        size_t end = newline != NULL ? (size_t)(newline - text) + 1 : length;
        p.line++;
        p.at = text + begin;
        p.stop = newline != NULL ? newline : text + length;
        if (p.stop > p.at && p.stop[-1] == '\r') p.stop--;
        status = take_line(&p, begin, end);
        begin = end;
    }
    jmi_text_free(&p.table);
    if (status != JM_OK) jmi_toml_free(toml);
    return status;
}

void jmi_toml_free(jmi_toml *toml) {
    for (size_t i = 0; i < toml->count; i++) {
        free(toml->lines[i].key);
        free(toml->lines[i].table);
        free(toml->lines[i].value);
    }
    free(toml->lines);
    *toml = (jmi_toml){0};
}

void jmi_toml_quote(jmi_text *out, const char *text) {
    jmi_text_append(out, "\"", 1);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            jmi_text_add(out, "\\%c", c);
        else if (c == '\n')
            jmi_text_append(out, "\\n", 2);
        else if (c < ' ' || c == 0x7F)
            jmi_text_add(out, "\\u%04X", c);
        else
            jmi_text_append(out, text, 1);
    }
    jmi_text_append(out, "\"", 1);
}
