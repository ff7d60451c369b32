#include "live.h"

#include "grid.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LAG_MS = 300 }; /* readings of the last moments may not be there yet */

void live_open(live *l, bool quiet) {
    *l = (live){.on = !quiet && terminal_is_live(STDERR_FILENO),
                .color = terminal_has_color(STDERR_FILENO)};
}

void live_begin(live *l) {
    l->begin_ns = l->counted_ns = jm_now_ns();
}

/* Bytes of at most so many columns of a text; no character is cut in two. */
static size_t bytes_of(const char *text, size_t columns) {
    size_t bytes = 0;
    for (; text[bytes] != '\0'; bytes++) {
        bool begins = ((unsigned char)text[bytes] >> 6) != 2;
        if (begins && columns-- == 0) break;
    }
    return bytes;
}

/* ESC 7 and ESC 8 keep the cursor where the command's output has it. */
static void draw(live *l, const char *text) {
    size_t width = terminal_width(STDERR_FILENO);
    size_t length = grid_text_columns(text);
    size_t room = l->shown > length ? l->shown : length;
    if (room + 1 >= width) {
        room = width - 2;
        if (length > room) length = room;
    }
    char line[512];
    int size = snprintf(line, sizeof line, "\0337\r\033[%zuC\033[K%s%*s%.*s%s\0338",
                        width - room - 1, l->color ? "\033[2m" : "", (int)(room - length), "",
                        (int)bytes_of(text, length), text, l->color ? "\033[0m" : "");
    l->shown = length;
    if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0) l->on = false;
}

void live_text(live *l, const char *text) {
    if (l->on && terminal_is_ours(STDERR_FILENO)) draw(l, text);
}

void live_erase(live *l) {
    if (!l->on || l->shown == 0 || !terminal_is_ours(STDERR_FILENO)) return;
    draw(l, "");
    l->shown = 0;
}

static void format_quantity(char *out, size_t size, double value, const char *unit) {
    static const char *const prefixes[] = {"", "k", "M", "G"};
    size_t i = 0;
    for (; value >= 9999.5 && i < 3; i++) value /= 1000;
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, size, "%.*f %s%s", decimals, value, prefixes[i], unit);
}

static void format_elapsed(char *out, size_t size, double seconds) {
    unsigned long whole = (unsigned long)seconds;
    if (whole < 3600)
        snprintf(out, size, "%lu:%02lu", whole / 60, whole % 60);
    else
        snprintf(out, size, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60, whole % 60);
}

/* Only what is new since the last time is read, however long the command runs. */
static bool count_joules(live *l, const jm_recording *recording, int64_t now, double *power) {
    jm_energy_options options = JM_ENERGY_OPTIONS_INIT;
    options.no_activity = true;
    options.nearby = true;
    int64_t until = now - LAG_MS * INT64_C(1000000);
    if (until <= l->counted_ns) return false;
    jm_energy energy;
    int64_t second_ago = until - 1000000000 > l->begin_ns ? until - 1000000000 : l->begin_ns;
    if (jm_energy_window(recording, JM_DEVICE_TOTAL, l->counted_ns, until, &options, &energy,
                         NULL) != JM_OK)
        return false;
    if ((energy.provenance & ~(uint32_t)JM_BOUND_ONLY) == 0 || !isfinite(energy.energy_j))
        return false;
    l->joules += energy.energy_j;
    l->counted_ns = until;
    if (jm_energy_window(recording, JM_DEVICE_TOTAL, second_ago, until, &options, &energy, NULL) !=
        JM_OK)
        return false;
    *power = energy.mean_power_w;
    return isfinite(*power);
}

void live_show(live *l, jm_session *session) {
    if (!l->on || !terminal_is_ours(STDERR_FILENO)) return;
    const jm_recording *recording = jm_session_recording(session);
    int64_t now = jm_now_ns();
    char elapsed[32], power[32], joules[32], text[128];
    double watts = NAN;
    format_elapsed(elapsed, sizeof elapsed, (double)(now - l->begin_ns) / 1e9);
    if (recording != NULL && count_joules(l, recording, now, &watts)) {
        format_quantity(power, sizeof power, watts, "W");
        format_quantity(joules, sizeof joules, l->joules, "J");
        snprintf(text, sizeof text, " %s  %s  %s", power, joules, elapsed);
    } else {
        snprintf(text, sizeof text, " %s", elapsed);
    }
    draw(l, text);
}
