/* Numbers of the page with the digits that are worth sending: 7 of a quantity; of a time as many as
 * tell a hundred-thousand-millionth of the recording (1 us in a day, 1 ns in a few seconds). */
#include "figure/page.h"

#include <math.h>
#include <string.h>

enum { DIGITS = 7, TIME_DIGITS = 11, UNIX_DECIMALS = 6 };
static const double most_exact = 9007199254740992.0; /* integers up to here are doubles */

static double to_decimals(double value, int decimals) {
    double scale = pow(10, abs(decimals));
    double rounded =
        decimals >= 0 ? nearbyint(value * scale) / scale : nearbyint(value / scale) * scale;
    return isfinite(rounded) ? rounded : value;
}

static double to_digits(double value, int digits) {
    if (value == 0 || !isfinite(value)) return value;
    return to_decimals(value, digits - 1 - (int)floor(log10(fabs(value))));
}

/* How the numbers below a key are rounded. */
typedef struct rounding {
    bool by_decimals;
    int places;
} rounding;

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), needed = strlen(end);
    return length >= needed && strcmp(text + length - needed, end) == 0;
}

static rounding rounding_of(const char *key, int time_decimals, rounding above) {
    if (ends_with(key, "_unix_s")) return (rounding){true, UNIX_DECIMALS};
    if (ends_with(key, "_s")) return (rounding){true, time_decimals};
    return above;
}

/* The number as it is to be written; NULL: as it is. "5" is shorter than "5.0". */
static json_t *rounded(const json_t *number, rounding how) {
    double value = json_real_value(number);
    double close = how.by_decimals ? to_decimals(value, how.places) : to_digits(value, how.places);
    if (close == nearbyint(close) && fabs(close) < most_exact)
        return json_integer((json_int_t)close);
    return json_real(close);
}

static void round_below(json_t *value, int time_decimals, rounding how) {
    const char *key;
    json_t *item;
    void *next;
    size_t i;
    if (json_is_array(value)) {
        json_array_foreach(value, i, item) {
            if (json_is_real(item))
                json_array_set_new(value, i, rounded(item, how));
            else
                round_below(item, time_decimals, how);
        }
    } else {
        json_object_foreach_safe(value, next, key, item) {
            rounding own = rounding_of(key, time_decimals, how);
            if (json_is_real(item))
                json_object_set_new(value, key, rounded(item, own));
            else
                round_below(item, time_decimals, own);
        }
    }
}

void jmi_html_round(json_t *data, double duration_s) {
    double decimals = TIME_DIGITS - ceil(log10(fmax(duration_s, 1e-9)));
    int time_decimals = (int)fmin(fmax(decimals, 0), 9);
    round_below(data, time_decimals, (rounding){false, DIGITS});
}
