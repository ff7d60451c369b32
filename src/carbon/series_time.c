/* Times as files have them. */
#include "carbon/series.h"

#include <math.h>
#include <string.h>

/* Days since 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t days_of(int year, int month, int day) {
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400;
    int of_era = y - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (int64_t)era * 146097 + days - 719468;
}

static int days_in(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Exactly so many digits. */
static bool digits(const char **at, int count, int *value) {
    *value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool skip(const char **at, char c) {
    if (**at != c) return false;
    (*at)++;
    return true;
}

static bool parse_date(const char **at, int64_t *days) {
    int year, month, day;
    if (!digits(at, 4, &year) || !skip(at, '-') || !digits(at, 2, &month) || !skip(at, '-') ||
        !digits(at, 2, &day))
        return false;
    if (year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 ||
        day > days_in(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

/* 12:00, 12:00:30, 12:00:30.25, 24:00 */
static bool parse_clock(const char **at, int64_t *ns) {
    int hour, minute, second = 0;
    int64_t fraction = 0;
    if (!digits(at, 2, &hour) || !skip(at, ':') || !digits(at, 2, &minute)) return false;
    if (skip(at, ':')) {
        if (!digits(at, 2, &second)) return false;
        if (skip(at, '.')) {
            int64_t scale = JMI_NS_PER_S;
            if (**at < '0' || **at > '9') return false;
            for (; **at >= '0' && **at <= '9'; (*at)++) {
                scale /= 10;
                fraction += scale * (**at - '0');
            }
        }
    }
    if (minute > 59 || second > 60) return false;
    if (hour > 23 && !(hour == 24 && minute == 0 && second == 0 && fraction == 0)) return false;
    *ns = ((int64_t)hour * 3600 + minute * 60 + second) * JMI_NS_PER_S + fraction;
    return true;
}

/* "", Z, UTC, +01:00, +0100, +01 */
static bool parse_offset(const char **at, int64_t *ns) {
    *ns = 0;
    while (skip(at, ' ')) continue;
    if (skip(at, 'Z') || **at == '\0') return true;
    if (strncmp(*at, "UTC", 3) == 0 || strncmp(*at, "GMT", 3) == 0) {
        *at += 3;
        return true;
    }
    int sign = **at == '-' ? -1 : 1, hours, minutes = 0;
    if (!skip(at, '+') && !skip(at, '-')) return false;
    if (!digits(at, 2, &hours)) return false;
    bool colon = skip(at, ':');
    if ((colon || **at != '\0') && !digits(at, 2, &minutes)) return false;
    if (hours > 15 || minutes > 59) return false;
    *ns = sign * ((int64_t)hours * 60 + minutes) * 60 * JMI_NS_PER_S;
    return true;
}

static bool parse_unix(const char *text, int64_t *utc_ns) {
    double seconds;
    if (!jmi_parse_double(text, &seconds) || strpbrk(text, "xXpP") != NULL) return false;
    if (fabs(seconds) >= 1e11) seconds /= 1000; /* the year 5138: it was milliseconds */
    if (!(seconds > 0) || seconds > 7e9) return false;
    /* whole seconds apart, so that no digit of them is lost */
    double whole = floor(seconds);
    *utc_ns = (int64_t)whole * JMI_NS_PER_S + (int64_t)((seconds - whole) * 1e9);
    return true;
}

bool jmi_parse_time(const char *text, int64_t *utc_ns) {
    const char *at = text;
    int64_t days, clock = 0, offset = 0;
    if (!parse_date(&at, &days)) return parse_unix(text, utc_ns);
    if (*at != '\0') {
        if (!skip(&at, 'T') && !skip(&at, 't') && !skip(&at, ' ')) return false;
        if (!parse_clock(&at, &clock) || !parse_offset(&at, &offset) || *at != '\0') return false;
    }
    *utc_ns = days * 86400 * JMI_NS_PER_S + clock - offset;
    return true;
}
