#include "base/base.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void jmi_text_append(jmi_text *text, const char *bytes, size_t length) {
    if (text->failed) return;
    if (!jmi_reserve(&text->data, &text->capacity, text->length + length + 1, 1)) {
        text->failed = true;
        return;
    }
    if (length > 0) memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void jmi_text_add_v(jmi_text *text, const char *format, va_list args) {
    char small[256];
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(small, sizeof small, format, args);
    if (length < 0) {
        text->failed = true;
    } else if ((size_t)length < sizeof small) {
        jmi_text_append(text, small, (size_t)length);
    } else {
        char *large = malloc((size_t)length + 1);
        if (large == NULL) {
            text->failed = true;
        } else {
            vsnprintf(large, (size_t)length + 1, format, again);
            jmi_text_append(text, large, (size_t)length);
            free(large);
        }
    }
    va_end(again);
}

void jmi_text_add_line(jmi_text *text, const char *format, va_list args) {
    jmi_text_add_v(text, format, args);
    jmi_text_append(text, "\n", 1);
}

void jmi_text_add(jmi_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    jmi_text_add_v(text, format, args);
    va_end(args);
}

void jmi_text_free(jmi_text *text) {
    free(text->data);
    *text = (jmi_text){0};
}

int jmi_text_take(jmi_text *text, char **out, jm_error *error) {
    jmi_text_append(text, "", 0);
    if (text->failed) {
        jmi_text_free(text);
        *out = NULL;
        return jmi_fail(error, JM_MEMORY, "out of memory while writing text");
    }
    *out = text->data;
    *text = (jmi_text){0};
    return JM_OK;
}

size_t jmi_cut_length(const char *text, size_t most) {
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80) most--;
    return most;
}

void jmi_cut_tail(const char *text, char *tail) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
    snprintf(tail, JMI_CUT_TAIL + 1, "\xe2\x80\xa6#%08x", (unsigned)hash);
}

bool jmi_parse_u64(const char *text, uint64_t *value) {
    if (text[0] < '0' || text[0] > '9') return false;
    char *end;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') return false;
    *value = parsed;
    return true;
}

bool jmi_parse_i64(const char *text, int64_t *value) {
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] < '0' || digits[0] > '9') return false;
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0') return false;
    *value = parsed;
    return true;
}

/* The program's locale may write 1,5: numbers in files never do. The thread's locale is switched
 * to "C" and back, which leaves other threads alone. */
static locale_t enter_c(locale_t *c) {
    *c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    return *c != (locale_t)0 ? uselocale(*c) : (locale_t)0;
}

static void leave_c(locale_t c, locale_t before) {
    if (c == (locale_t)0) return;
    uselocale(before);
    freelocale(c);
}

bool jmi_parse_double(const char *text, double *value) {
    if (text[0] == '\0' || strchr(" \t\n\v\f\r", text[0]) != NULL) return false;
    locale_t c;
    locale_t before = enter_c(&c);
    char *end;
    errno = 0;
    double parsed = strtod(text, &end);
    bool whole = *end == '\0' && end != text;
    leave_c(c, before);
    if (!whole || !isfinite(parsed)) return false;
    *value = parsed;
    return true;
}

const char *jmi_format_double(double value, char *buffer, size_t size) {
    locale_t c;
    locale_t before = enter_c(&c);
    bool tiny = value != 0 && fabs(value) < DBL_MIN; /* it has less than 15 digits */
    for (int digits = tiny ? 1 : 9; digits <= 17; digits += digits == 9 && !tiny ? 6 : 1) {
        snprintf(buffer, size, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value) break;
    }
    leave_c(c, before);
    return buffer;
}
