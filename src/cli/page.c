/* What `repeat` and `compare` show. */
#include "results.h"

#include "grid.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int page_fd(const experiment *e) {
    return results_use_stdout(&e->set) ? STDERR_FILENO : STDOUT_FILENO;
}

void page_open(page *p, const experiment *e) {
    int fd = page_fd(e);
    bool color = terminal_has_color(fd);
    *p = (page){.width = terminal_width(fd),
                .utf8 = terminal_is_utf8(),
                .bold = color ? "\033[1m" : "",
                .dim = color ? "\033[2m" : "",
                .good = color ? "\033[32m" : "",
                .bad = color ? "\033[33m" : "",
                .plain = color ? "\033[0m" : ""};
    output_open(&p->out);
    p->out.kept = true;
    /* the terminal has shown ^C where the cursor is */
    if (e->interrupted != 0 && terminal_is_live(fd)) output_add(&p->out, "\n");
}

void page_heading(page *p, const results *r, const char *what) {
    const experiment *e = r->e;
    output_add(&p->out, "%sjoulemeter %s%s  ", p->bold, e->command->name, p->plain);
    grid_add_text(&p->out, what, p->width - strlen(e->command->name) - 13);
    output_add(&p->out, "\n");
    size_t runs = e->groups[0].count;
    output_add(&p->out, "%zu run%s", runs, runs == 1 ? "" : "s");
    if (e->group_count > 1) output_add(&p->out, " each");
    if (e->set.warmup > 0)
        output_add(&p->out, " after %u warm-up%s", e->set.warmup, e->set.warmup == 1 ? "" : "s");
    if (e->simulated) output_add(&p->out, ", %ssimulated GPU%s", p->bold, p->plain);
    output_add(&p->out, "\n\n");
}

void page_sentence(page *p, const char *color, const char *format, ...) {
    va_list args;
    va_start(args, format);
    grid_add_sentence(&p->out, p->width, color, p->plain, format, args);
    va_end(args);
}

void page_notes(page *p, const results *r) {
    if (r->note_count > 0) output_add(&p->out, "\n");
    for (int pass = 0; pass < 2; pass++) /* warnings first */
        for (size_t i = 0; i < r->note_count; i++) {
            const char *note = r->notes[i];
            if ((note[0] == '!') != (pass == 0)) continue;
            output_add(&p->out, "  %s%c%s ", pass == 0 ? p->bad : "", note[0],
                       pass == 0 ? p->plain : "");
            output lines; /* without the indent of the first */
            output_open(&lines);
            lines.kept = true;
            grid_add_wrapped(&lines, note + 1, 4, p->width);
            if (lines.errnum == 0) output_append(&p->out, lines.data + 4, lines.length - 4);
            free(lines.data);
        }
}

int page_close(page *p, const experiment *e) {
    if (page_fd(e) == STDOUT_FILENO) return output_close(&p->out, e->command);
    if (p->out.errnum == 0) write_all(STDERR_FILENO, p->out.data, p->out.length);
    free(p->out.data);
    return CLI_OK;
}

/* ---- figures ---- */

const char *spread_text(const jm_spread *s, const char *unit, char *text, size_t size) {
    return jm_value_text(s->median, s->sd, unit, text, size);
}

const char *cv_text(const jm_spread *s, char *text, size_t size) {
    if (isnan(s->cv_pct))
        snprintf(text, size, "-");
    else
        snprintf(text, size, s->cv_pct < 9.95 ? "%.1f %%" : "%.0f %%", s->cv_pct);
    return text;
}

const char *percent_text(double percent, char *text, size_t size) {
    if (percent < 0.01)
        snprintf(text, size, "less than 0.01 %%");
    else
        snprintf(text, size, percent < 99.5 ? "%.2g %%" : "%.0f %%", percent);
    return text;
}

const char *p_text(double p, char *text, size_t size) {
    if (isnan(p))
        snprintf(text, size, "p not known");
    else if (p < 0.001)
        snprintf(text, size, "p < 0.001");
    else
        snprintf(text, size, p < 0.0995 ? "p = %.3f" : "p = %.2f", p);
    return text;
}

const char *label_text(const experiment *e, char *text, size_t size) {
    snprintf(text, size, "%s%s%s", e->simulated ? "simulated GPU" : "",
             e->simulated && e->modelled ? ", " : "", e->modelled ? "modelled CPU" : "");
    return text;
}

const char *interval_name(double interval_s, char *text, size_t size) {
    double ms = interval_s > 0 ? 1e3 * interval_s : 20;
    if (ms < 1000)
        snprintf(text, size, "%g ms", ms);
    else
        snprintf(text, size, "%g s", ms / 1000);
    return text;
}
