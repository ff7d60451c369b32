#include "tree.h"

#include "cli.h"
#include "grid.h"
#include "terminal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEEPEST = 60 }; /* names further in are not moved further to the right */

static void add_row(grid *table, const jm_stack *s, const jm_energy *whole) {
    char name[1200], calls[32], time[64], own[64], within[64], share[32] = "";
    int indent = 2 * (int)(s->depth < DEEPEST ? s->depth : DEEPEST);
    snprintf(name, sizeof name, "%*s%.1000s", indent, "", s->name);
    snprintf(calls, sizeof calls, "%llu", (unsigned long long)s->calls);
    if (s->calls == 0) calls[0] = '\0'; /* it is no part, there are parts in it */
    if (whole->energy_j > 0)
        snprintf(share, sizeof share, "%.1f %%", 100 * s->inclusive_j / whole->energy_j);
    const char *cells[] = {
        name,
        calls,
        jm_value_text(s->inclusive_time_s, (double)NAN, "s", time, sizeof time),
        s->calls > 0 ? jm_value_text(s->energy_j, s->u95_j, "J", own, sizeof own) : "",
        jm_value_text(s->inclusive_j, s->inclusive_u95_j, "J", within, sizeof within),
        share};
    grid_row(table, cells);
}

void tree_text(output *out, const jm_stacks *stacks, const jm_energy *whole, uint32_t top,
               size_t width) {
    static const char *const header[] = {"range", "calls", "time", "own", "with inner", "share"};
    uint32_t count = jm_stacks_count(stacks), shown = count < top ? count : top;
    grid table;
    grid_open(&table, CLI_COUNT(header));
    for (size_t i = 1; i < table.columns; i++) grid_right(&table, i);
    grid_row(&table, header);
    for (uint32_t i = 0; i < shown; i++) {
        jm_stack s = JM_STACK_INIT;
        if (jm_stacks_get(stacks, i, &s) == JM_OK) add_row(&table, &s, whole);
    }
    grid_write(&table, out, width, terminal_has_color(STDOUT_FILENO));
    if (shown < count) output_add(out, "%u more; --top %u shows all\n", count - shown, count);
    grid_close(&table);
}

/* ---- stacks as text ---- */

/* Lengths of the stacks around the one at hand, so that each name is written once. */
typedef struct path {
    output text;
    size_t *length; /* up to and with the name of each depth */
    size_t capacity;
} path;

/* ';' parts names, a line break stacks. */
static void add_frame(output *out, const char *name) {
    for (; *name != '\0'; name++) {
        char c = *name == ';' ? ',' : (unsigned char)*name < ' ' ? ' ' : *name;
        output_append(out, &c, 1);
    }
}

static void enter(path *p, const jm_stack *s) {
    if (s->depth >= p->capacity) {
        size_t capacity = 2 * (size_t)s->depth + 64;
        size_t *wider = realloc(p->length, capacity * sizeof *wider);
        if (wider == NULL) {
            p->text.errnum = ENOMEM;
            return;
        }
        p->length = wider;
        p->capacity = capacity;
    }
    p->text.length = s->depth > 0 ? p->length[s->depth - 1] : 0;
    if (s->depth > 0) output_append(&p->text, ";", 1);
    add_frame(&p->text, s->name);
    p->length[s->depth] = p->text.length;
}

static void open_path(path *p) {
    *p = (path){.length = NULL};
    output_open(&p->text);
    p->text.kept = true;
}

static void close_path(path *p, output *out) {
    if (p->text.errnum != 0) out->errnum = p->text.errnum;
    free(p->text.data);
    free(p->length);
}

void tree_csv(output *out, const jm_stacks *stacks) {
    path p;
    open_path(&p);
    output_add(out, "stack,calls,time_s,inclusive_time_s,energy_j,energy_u95_j,"
                    "inclusive_energy_j,inclusive_energy_u95_j\n");
    for (uint32_t i = 0; i < jm_stacks_count(stacks) && p.text.errnum == 0; i++) {
        jm_stack s = JM_STACK_INIT;
        jm_stacks_get(stacks, i, &s);
        enter(&p, &s);
        size_t length = p.text.length;
        output_append(&p.text, "", 1);
        if (p.text.errnum == 0) output_csv(out, p.text.data);
        p.text.length = length;
        const double values[] = {s.time_s, s.inclusive_time_s, s.energy_j,
                                 s.u95_j,  s.inclusive_j,      s.inclusive_u95_j};
        output_add(out, ",%llu", (unsigned long long)s.calls);
        for (size_t k = 0; k < CLI_COUNT(values); k++) output_add(out, ",%.9g", values[k]);
        output_add(out, "\n");
    }
    close_path(&p, out);
}

/* Where idle power is taken off an energy can be negative, which no graph can show. */
static void add_weight(output *out, double energy_j) {
    output_add(out, " %.0f\n", fmax(0, nearbyint(1e3 * energy_j)));
}

void tree_folded(output *out, const jm_stacks *stacks, const char *device, const jm_energy *gap) {
    path p;
    open_path(&p);
    for (uint32_t i = 0; i < jm_stacks_count(stacks) && p.text.errnum == 0; i++) {
        jm_stack s = JM_STACK_INIT;
        jm_stacks_get(stacks, i, &s);
        enter(&p, &s);
        if (s.calls == 0 || 1e3 * s.energy_j < 0.5) continue;
        output_add(out, "%s;", device);
        output_append(out, p.text.data, p.text.length);
        add_weight(out, s.energy_j);
    }
    if (1e3 * gap->energy_j >= 0.5) {
        output_add(out, "%s;(between)", device);
        add_weight(out, gap->energy_j);
    }
    close_path(&p, out);
}
