#include "estimate/counters.h"

#include <math.h>
#include <string.h>

/* Signs that group digits in some locale: how many bytes of one stand at text, 0: none. Besides
 * space and apostrophe there are U+00A0, U+202F, U+2009 and U+2019; Latin-1's no-break space too.
 */
static size_t grouping(const char *text, size_t length) {
    unsigned char c = (unsigned char)text[0];
    if (c == ' ' || c == '\'' || c == 0xA0) return 1;
    if (c == 0xC2 && length >= 2 && (unsigned char)text[1] == 0xA0) return 2;
    if (c == 0xE2 && length >= 3 && (unsigned char)text[1] == 0x80 &&
        strchr("\xAF\x89\x99", text[2]) != NULL && text[2] != '\0')
        return 3;
    return 0;
}

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_missing(const char *text, size_t length) {
    static const char *const words[] = {"",      "n/a",     "N/A", "nan",     "NaN",    "-nan",
                                        "(nan)", "no data", "-",   "(!) n/a", "(!) nan"};
    for (size_t i = 0; i < JMI_COUNT(words); i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0) return true;
    return false;
}

/* Powers of ten that a double holds exactly. */
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static double scaled(double mantissa, int exponent) {
    if (exponent >= 0 && exponent <= 22) return mantissa * tens[exponent];
    if (exponent < 0 && exponent >= -22) return mantissa / tens[-exponent];
    return mantissa * pow(10, exponent);
}

typedef struct reading {
    const char *at, *end;
    char decimal, group; /* '.' and ',' */
    uint64_t mantissa;
    int digits, exponent;
} reading;

static void take_digit(reading *r, bool after) {
    if (r->mantissa < UINT64_MAX / 10 - 10) {
        r->mantissa = r->mantissa * 10 + (uint64_t)(*r->at - '0');
        r->exponent -= after;
    } else {
        r->exponent += !after;
    }
    r->digits++;
    r->at++;
}

/* Digits before the decimals; signs between them stand before three digits, and after no lone 0:
 * "0,123" has decimals of another locale. */
static bool take_whole(reading *r) {
    const char *first = r->at;
    while (r->at < r->end) {
        size_t left = (size_t)(r->end - r->at);
        if (digit(*r->at)) {
            take_digit(r, false);
            continue;
        }
        size_t skip = *r->at == r->group ? 1 : grouping(r->at, left);
        if (skip == 0) return true;
        if (r->digits == 0 || *first == '0' || left < skip + 3) return false;
        for (size_t i = 0; i < 3; i++)
            if (!digit(r->at[skip + i])) return false;
        if (left > skip + 3 && digit(r->at[skip + 3])) return false;
        r->at += skip;
    }
    return true;
}

static bool take_exponent(reading *r) {
    if (r->at == r->end || (*r->at != 'e' && *r->at != 'E')) return true;
    r->at++;
    bool negative = r->at < r->end && *r->at == '-';
    int exponent = 0;
    if (r->at < r->end && (*r->at == '-' || *r->at == '+')) r->at++;
    if (r->at == r->end) return false;
    for (; r->at < r->end && digit(*r->at); r->at++)
        if (exponent < 10000) exponent = exponent * 10 + (*r->at - '0');
    r->exponent += negative ? -exponent : exponent;
    return true;
}

jmi_number jmi_number_read(const char *text, size_t length, jmi_decimal decimal, double *value) {
    reading r = {text, text + length, '.', ',', 0, 0, 0};
    if (is_missing(text, length)) return JMI_NUMBER_MISSING;
    if (decimal == JMI_DECIMAL_COMMA) {
        r.decimal = ',';
        r.group = '.';
    }
    bool negative = text[0] == '-';
    if (negative) r.at++;
    if (!take_whole(&r)) return JMI_NUMBER_WRONG;
    if (r.at < r.end && *r.at == r.decimal)
        for (r.at++; r.at < r.end && digit(*r.at);) take_digit(&r, true);
    if (r.digits == 0 || !take_exponent(&r) || r.at != r.end) return JMI_NUMBER_WRONG;
    double v = scaled((double)r.mantissa, r.exponent);
    if (!isfinite(v)) return JMI_NUMBER_WRONG;
    *value = negative ? -v : v;
    return JMI_NUMBER_OK;
}

jmi_decimal jmi_number_locale(const char *text, size_t length) {
    size_t points = 0, commas = 0, last = length, before = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.') points++;
        if (text[i] == ',') commas++;
        if (text[i] == '.' || text[i] == ',') last = i;
        if (!digit(text[i]) && text[i] != '.' && text[i] != ',' && text[i] != '-' &&
            grouping(text + i, length - i) == 0 && (text[i] & 0x80) == 0)
            return JMI_DECIMAL_UNKNOWN;
        before += last == length && digit(text[i]);
    }
    if (points + commas == 0) return JMI_DECIMAL_UNKNOWN;
    bool point = text[last] == '.';
    if (points > 1 && commas > 1) return JMI_DECIMAL_UNKNOWN;
    bool zero = before == 1 && text[last - 1] == '0';
    if (points + commas > 1 && (points == 0 || commas == 0))
        point = !point; /* several of one sign: they group digits */
    else if (points + commas == 1 && length - last - 1 == 3 && before >= 1 && before <= 3 && !zero)
        return JMI_DECIMAL_UNKNOWN; /* 1,234 and 1.234: either */
    return point ? JMI_DECIMAL_POINT : JMI_DECIMAL_COMMA;
}
