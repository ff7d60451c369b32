/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool simgpu_slice_is(struct simgpu_slice s, const char *word) {
    return s.length == strlen(word) && (s.length == 0 || memcmp(s.text, word, s.length) == 0);
}

struct simgpu_slice simgpu_slice_cut(struct simgpu_slice *rest, char mark) {
    struct simgpu_slice head = *rest;
    const char *at = rest->length ? memchr(rest->text, mark, rest->length) : NULL;
    if (!at) {
        *rest = (struct simgpu_slice){NULL, 0};
        return head;
    }
    head.length = (size_t)(at - rest->text);
    rest->length -= head.length + 1;
    rest->text = at + 1;
    return head;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct simgpu_slice simgpu_slice_trim(struct simgpu_slice s) {
    while (s.length && is_space(s.text[0])) {
        s.text++;
        s.length--;
    }
    while (s.length && is_space(s.text[s.length - 1])) s.length--;
    return s;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads digits into a mantissa of at most 18 of them; the exponent takes the rest. */
static size_t read_digits(struct simgpu_slice s, size_t i, bool fraction, uint64_t *mantissa,
                          int *exponent) {
    for (; i < s.length && is_digit(s.text[i]); i++) {
        if (*mantissa < UINT64_C(100000000000000000)) {
            *mantissa = *mantissa * 10 + (uint64_t)(s.text[i] - '0');
            if (fraction) --*exponent;
        } else if (!fraction) {
            ++*exponent;
        }
    }
    return i;
}

static bool read_exponent(struct simgpu_slice s, size_t i, int *exponent) {
    bool negative = i < s.length && s.text[i] == '-';
    if (i < s.length && (s.text[i] == '-' || s.text[i] == '+')) i++;
    int value = 0;
    size_t first = i;
    for (; i < s.length && is_digit(s.text[i]) && i - first < 4; i++)
        value = value * 10 + (s.text[i] - '0');
    if (i == first || i != s.length) return false;
    *exponent += negative ? -value : value;
    return true;
}

bool simgpu_slice_number(struct simgpu_slice s, double *value) {
    if (s.length == 0 || s.length > 512) return false;
    size_t i = s.text[0] == '-' || s.text[0] == '+';
    uint64_t mantissa = 0;
    int exponent = 0;
    size_t whole = read_digits(s, i, false, &mantissa, &exponent);
    size_t digits = whole - i;
    i = whole;
    if (i < s.length && s.text[i] == '.') {
        size_t end = read_digits(s, i + 1, true, &mantissa, &exponent);
        digits += end - i - 1;
        i = end;
    }
    if (digits == 0) return false;
    if (i < s.length) {
        if (s.text[i] != 'e' && s.text[i] != 'E') return false;
        if (!read_exponent(s, i + 1, &exponent)) return false;
    }
    double number = (double)mantissa;
    if (mantissa)
        number = exponent < 0 ? number / pow(10.0, -exponent) : number * pow(10.0, exponent);
    *value = s.text[0] == '-' ? -number : number;
    return isfinite(*value);
}

bool simgpu_slice_whole(struct simgpu_slice s, uint64_t max, uint64_t *value) {
    if (s.length == 0 || s.length > 20) return false;
    uint64_t number = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (!is_digit(s.text[i])) return false;
        uint64_t digit = (uint64_t)(s.text[i] - '0');
        if (number > (max - digit) / 10 || digit > max) return false;
        number = number * 10 + digit;
    }
    *value = number;
    return true;
}

bool simgpu_slice_copy(struct simgpu_slice s, char *buffer, size_t size) {
    if (s.length == 0 || s.length >= size) return false;
    memcpy(buffer, s.text, s.length);
    buffer[s.length] = '\0';
    return true;
}

int simgpu_fail(struct simgpu_error *err, size_t position, const char *format, ...) {
    if (!err) return -1;
    err->position = position;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -1;
}
