#include "rows.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct rows {
    const char *only;
    const char *json_path;
    json_t *list;
    unsigned met, missed, skipped;
    bool color;
};

static const char usage[] = "usage: %s [--only PATTERN] [--json FILE]\n";

rows *rows_open(const char *program, int argc, char **argv) {
    rows *all = calloc(1, sizeof *all);
    json_t *list = json_array();
    if (all == NULL || list == NULL) {
        fprintf(stderr, "%s: out of memory\n", program);
        exit(1);
    }
    all->list = list;
    all->color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    for (int i = 1; i < argc; i++) {
        const char **value = NULL;
        if (strcmp(argv[i], "--only") == 0) value = &all->only;
        if (strcmp(argv[i], "--json") == 0) value = &all->json_path;
        if (value == NULL || i + 1 >= argc) {
            bool help = strcmp(argv[i], "--help") == 0;
            fprintf(help ? stdout : stderr, usage, program);
            exit(help ? 0 : 2);
        }
        *value = argv[++i];
    }
    printf("%-52s %14s %-8s %-16s %-6s %s\n", "row", "value", "unit", "target", "met", "baseline");
    fflush(stdout);
    return all;
}

bool rows_want(const rows *all, const char *name) {
    return all->only == NULL || strcasestr(name, all->only) != NULL;
}

bool row_met(const row *one) {
    if (!isfinite(one->value)) return false;
    switch (one->goal) {
    case ROW_AT_MOST: return one->value <= one->target;
    case ROW_AT_LEAST: return one->value >= one->target;
    case ROW_WITHIN: return one->value >= one->target && one->value <= one->target_high;
    case ROW_NO_GOAL: break;
    }
    return true;
}

/* JSON has no infinity: such a value is null. */
static json_t *json_of(double value, bool there) {
    return there && isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_of_target(const row *one) {
    switch (one->goal) {
    case ROW_AT_MOST:
    case ROW_AT_LEAST: return json_real(one->target);
    case ROW_WITHIN: return json_pack("[f, f]", one->target, one->target_high);
    case ROW_NO_GOAL: break;
    }
    return json_null();
}

static void target_text(const row *one, char *text, size_t size) {
    switch (one->goal) {
    case ROW_AT_MOST: snprintf(text, size, "<= %.4g", one->target); return;
    case ROW_AT_LEAST: snprintf(text, size, ">= %.4g", one->target); return;
    case ROW_WITHIN: snprintf(text, size, "%.4g..%.4g", one->target, one->target_high); return;
    case ROW_NO_GOAL: snprintf(text, size, "-"); return;
    }
}

static const char *const goal_names[] = {NULL, "at most", "at least", "within"};

void rows_add(rows *all, const row *one) {
    bool goal = one->goal != ROW_NO_GOAL;
    bool met = row_met(one);
    if (goal && met) all->met++;
    if (goal && !met) all->missed++;

    char target[48];
    target_text(one, target, sizeof target);
    char baseline[160] = "";
    if (one->beside != NULL)
        snprintf(baseline, sizeof baseline, "%.4g (%s)", one->baseline, one->beside);
    const char *verdict = !goal ? "-" : met ? "yes" : "NO";
    const char *color = all->color && goal ? (met ? "\033[32m" : "\033[31m") : "";
    printf("%-52s %14.4g %-8s %-16s %s%-6s%s %s\n", one->name, one->value, one->unit, target, color,
           verdict, color[0] != '\0' ? "\033[0m" : "", baseline);
    fflush(stdout);

    json_array_append_new(
        all->list,
        json_pack("{s:s, s:o, s:s, s:o, s:s?, s:o, s:s?, s:o, s:o}", "name", one->name, "value",
                  json_of(one->value, true), "unit", one->unit, "target", json_of_target(one),
                  "goal", goal_names[one->goal], "baseline",
                  json_of(one->baseline, one->beside != NULL), "beside", one->beside, "met",
                  goal ? json_boolean(met) : json_null(), "of", json_of(one->of, one->of > 0)));
}

void rows_skip(rows *all, const char *name, const char *reason) {
    all->skipped++;
    printf("%-52s %14s %s\n", name, "skipped", reason);
    fflush(stdout);
    json_array_append_new(all->list, json_pack("{s:s, s:n, s:s, s:n, s:n, s:n, s:n, s:s}", "name",
                                               name, "value", "unit", "", "target", "goal",
                                               "baseline", "met", "skipped", reason));
}

int rows_close(rows *all) {
    bool good = all->missed == 0;
    size_t count = json_array_size(all->list);
    printf("%zu rows: %u targets met, %u missed, %u skipped\n", count, all->met, all->missed,
           all->skipped);
    if (count == 0 && all->only != NULL) {
        fprintf(stderr, "no row's name contains \"%s\"\n", all->only);
        good = false;
    }
    if (all->json_path != NULL) {
        json_t *whole = json_pack("{s:O}", "rows", all->list);
        if (whole == NULL || json_dump_file(whole, all->json_path, JSON_INDENT(2)) != 0) {
            fprintf(stderr, "%s could not be written\n", all->json_path);
            good = false;
        }
        json_decref(whole);
    }
    json_decref(all->list);
    free(all);
    return good ? 0 : 1;
}
