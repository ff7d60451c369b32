#include "grid.h"
#include "options.h"
#include "output.h"
#include "terminal.h"
#include "tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *by, *device, *method, *phase, *split;
    uint32_t top;
    bool net, json, csv, calls, tree, flame;
} settings;

enum { DEFAULT_TOP = 20, DEFAULT_TREE = 50, CATEGORIES = 32 };

/* ---- options ---- */

/* A category, or else the beginning of ranges' names. */
static void take_by(const settings *set, jm_attribution_options *options) {
    if (set->by == NULL) return;
    for (int c = 0; c < CATEGORIES; c++) {
        const char *name = jm_category_name(c);
        if (name == NULL || strcmp(name, set->by) != 0) continue;
        options->categories = 1u << c;
        return;
    }
    options->prefix = set->by;
    options->categories = UINT32_MAX & ~(1u << JM_CATEGORY_SESSION);
}

static int take_method(const settings *set, jm_attribution_options *options) {
    static const char *const names[] = {"regression", "time_share", "boundary"};
    if (set->method == NULL) return CLI_OK;
    for (int i = 0; i < 3; i++) {
        if (strcmp(set->method, names[i]) != 0) continue;
        options->method = (jm_attribution_method)i;
        return CLI_OK;
    }
    return cli_fail(&cli_attribute, CLI_USAGE,
                    "there is no method '%s': choose regression, time_share or boundary",
                    set->method);
}

/* "grid", "stream" or both, with commas. */
static int take_split(const settings *set, jm_attribution_options *options) {
    static const char *const names[] = {"grid", "stream"};
    static const uint32_t values[] = {JM_SPLIT_GRID, JM_SPLIT_STREAM};
    for (const char *at = set->split; at != NULL;) {
        size_t length = strcspn(at, ",");
        uint32_t one = 0;
        for (size_t i = 0; i < CLI_COUNT(names); i++)
            if (strlen(names[i]) == length && strncmp(at, names[i], length) == 0) one = values[i];
        if (one == 0)
            return cli_fail(&cli_attribute, CLI_USAGE,
                            "kernels are split by grid, stream or grid,stream, not by '%s'",
                            set->split);
        options->split |= one;
        at = at[length] != '\0' ? at + length + 1 : NULL;
    }
    return CLI_OK;
}

static int take_device(const settings *set, const jm_recording *recording,
                       jm_attribution_options *options) {
    output names;
    if (set->device == NULL) return CLI_OK;
    output_open(&names);
    names.kept = true;
    for (uint32_t i = 0; i < jm_recording_device_count(recording); i++) {
        jm_device device = {.size = sizeof device};
        if (jm_recording_device(recording, i, &device) != JM_OK) continue;
        options->device = i;
        if (strcmp(device.name, set->device) == 0) break;
        output_add(&names, "%s%s", names.length > 0 ? ", " : "", device.name);
        options->device = UINT32_MAX;
    }
    int code = CLI_OK;
    if (options->device == UINT32_MAX)
        code = cli_fail(&cli_attribute, CLI_USAGE, "there is no device '%s' in it; there are: %.*s",
                        set->device, (int)names.length, names.data != NULL ? names.data : "");
    free(names.data);
    return code;
}

/* ---- --phase: its windows ---- */

static int by_begin(const void *left, const void *right) {
    const jm_window *a = left, *b = right;
    return (a->begin_ns > b->begin_ns) - (a->begin_ns < b->begin_ns);
}

/* Windows of the ranges of that name (phases, or of any category if no phase has it), apart and in
 * order; the caller's. */
static jm_window *find_windows(const jm_recording *recording, const char *phase, size_t *count) {
    uint64_t ranges = jm_recording_range_count(recording);
    jm_window *list = calloc((size_t)ranges + 1, sizeof *list);
    *count = 0;
    for (int any = 0; list != NULL && any < 2 && *count == 0; any++)
        for (uint64_t i = 0; i < ranges; i++) {
            jm_range range = JM_RANGE_INIT;
            if (jm_recording_range(recording, i, &range) != JM_OK) continue;
            if ((any == 0 && range.category != JM_CATEGORY_PHASE) || strcmp(range.name, phase) != 0)
                continue;
            list[(*count)++] = (jm_window){range.begin_ns, range.end_ns};
        }
    if (list == NULL || *count == 0) return list;
    qsort(list, *count, sizeof *list, by_begin);
    size_t kept = 0;
    for (size_t i = 1; i < *count; i++) {
        if (list[i].begin_ns > list[kept].end_ns)
            list[++kept] = list[i];
        else if (list[i].end_ns > list[kept].end_ns)
            list[kept].end_ns = list[i].end_ns;
    }
    *count = kept + 1;
    return list;
}

/* ---- text ---- */

static const char *time_text(double time_s, char *text, size_t size) {
    return jm_value_text(time_s, (double)NAN, "s", text, size);
}

/* An estimate with its uncertainty, or the bounds of it. */
static const char *energy_text(const jm_energy *e, char *text, size_t size) {
    if (e->provenance & JM_BOUND_ONLY)
        return jm_interval_text(e->lower_j, e->upper_j, "J", text, size);
    return jm_value_text(e->energy_j, e->u95_j, "J", text, size);
}

static void add_part(grid *table, const jm_part *p, const jm_energy *whole, bool inclusive) {
    char calls[32], time[64], share[32], power[64], energy[64], within[64];
    bool bound = (p->energy.provenance & JM_BOUND_ONLY) != 0;
    snprintf(calls, sizeof calls, "%llu", (unsigned long long)p->calls);
    share[0] = '\0';
    if (!bound && whole->energy_j > 0)
        snprintf(share, sizeof share, "%.1f %%", 100 * p->energy.energy_j / whole->energy_j);
    const char *cells[] = {
        p->name,
        calls,
        time_text(p->time_s, time, sizeof time),
        bound ? "" : jm_value_text(p->power_w, p->power_u95_w, "W", power, sizeof power),
        energy_text(&p->energy, energy, sizeof energy),
        share,
        inclusive ? energy_text(&p->inclusive, within, sizeof within) : NULL};
    grid_row(table, cells);
}

/* Is there a part with others within it? */
static bool has_inner(const jm_attribution *a) {
    jm_part p = JM_PART_INIT;
    for (uint32_t i = 0; i < jm_attribution_part_count(a); i++)
        if (jm_attribution_part(a, i, &p) == JM_OK && p.inclusive_time_s > 1.001 * p.time_s)
            return true;
    return false;
}

static void print_parts(output *out, const jm_attribution *a, const jm_attribution_info *info,
                        uint32_t top, size_t width) {
    bool inclusive = has_inner(a);
    bool several = (info->categories & (info->categories - 1)) != 0;
    const char *header[] = {several ? "range" : jm_category_name((int)info->category),
                            "calls",
                            "time",
                            "power",
                            "energy",
                            "share",
                            inclusive ? "with inner" : NULL};
    uint32_t count = jm_attribution_part_count(a), shown = count < top ? count : top;
    grid table;
    grid_open(&table, inclusive ? 7 : 6);
    for (size_t i = 1; i < table.columns; i++) grid_right(&table, i);
    grid_row(&table, header);
    for (uint32_t i = 0; i < shown; i++) {
        jm_part p = JM_PART_INIT;
        if (jm_attribution_part(a, i, &p) == JM_OK) add_part(&table, &p, &info->whole, inclusive);
    }
    grid_write(&table, out, width, terminal_has_color(STDOUT_FILENO));
    if (shown < count) output_add(out, "%u more; --top %u shows all\n", count - shown, count);
    grid_close(&table);
}

static void print_groups(output *out, const jm_attribution *a) {
    char energy[64];
    for (uint32_t g = 0; g < jm_attribution_group_count(a); g++) {
        jm_part p = JM_PART_INIT;
        if (jm_attribution_group(a, g, &p) != JM_OK) continue;
        if (g == 0) output_add(out, "\nCannot be told apart (their readings go together):\n");
        output_add(out, "  ");
        grid_add_text(out, p.name, 60);
        output_add(out, ": %s\n", energy_text(&p.energy, energy, sizeof energy));
    }
}

/* How far the numbers can be trusted, and what would better them. */
static void print_trust(output *out, const jm_attribution_info *info,
                        jm_attribution_method method) {
    char residual[64], u[64];
    output_add(out, "\nsum of parts and gaps against the whole: %s off (%s by chance)\n",
               jm_value_text(info->residual_j, (double)NAN, "J", residual, sizeof residual),
               jm_value_text(info->residual_u95_j, (double)NAN, "J", u, sizeof u));
    if (method != JM_ATTRIBUTION_REGRESSION) {
        output_add(out, "This method is for comparison only: no interval holds.\n");
        return;
    }
    output_add(out, "%llu readings, %.2g W beyond the parts' powers\n",
               (unsigned long long)info->readings, info->noise_w);
    if (fabs(info->residual_j) > 2 * info->residual_u95_j + 0.01 * info->whole.energy_j)
        output_add(out,
                   "! The parts do not add up: what they draw here is not what they draw where "
                   "they were measured.\n");
    if (info->within < info->needed)
        output_add(out,
                   "! Only %llu readings saw the parts run: some %llu are needed to tell them "
                   "apart. Run longer,\n  or each part alone for a while (method replay in "
                   "Python).\n",
                   (unsigned long long)info->within, (unsigned long long)info->needed);
    else if (info->locked)
        output_add(out,
                   "! Readings fall on the same place of every iteration: vary the time between "
                   "iterations,\n  or run each part alone for a while (method dither or replay "
                   "in Python).\n");
}

static void print_head(output *out, const jm_attribution_info *info,
                       const jm_recording *recording) {
    jm_device device = {.size = sizeof device};
    char whole[64], gap[64], gap_time[64], idle[64];
    jm_recording_device(recording, info->device, &device);
    output_add(out, "%s", device.name);
    output_add(out, "%s", device.model[0] != '\0' ? "  " : "");
    grid_add_text(out, device.model, 60);
    bool modelled = (info->whole.provenance & JM_FROM_MODEL) != 0;
    output_add(out, "%s\n", device.simulated ? "  (simulated)" : modelled ? "  (modelled)" : "");
    output_add(out, "whole: %s; gaps: %s in %s\n", energy_text(&info->whole, whole, sizeof whole),
               energy_text(&info->gap, gap, sizeof gap),
               time_text(info->gap.duration_s, gap_time, sizeof gap_time));
    if (!isnan(info->idle_w))
        output_add(out, "net of idle power: %s\n",
                   jm_value_text(info->idle_w, info->idle_u95_w, "W", idle, sizeof idle));
    output_add(out, "\n");
}

static void print_text(output *out, const jm_attribution *a, const jm_recording *recording,
                       const settings *set, jm_attribution_method method) {
    jm_attribution_info info = JM_ATTRIBUTION_INFO_INIT;
    size_t width = terminal_width(STDOUT_FILENO);
    jm_attribution_get(a, &info);
    print_head(out, &info, recording);
    print_parts(out, a, &info, set->top > 0 ? set->top : DEFAULT_TOP, width);
    print_groups(out, a);
    print_trust(out, &info, method);
}

/* ---- CSV ---- */

static void csv_part(output *out, const char *kind, const jm_part *p, const char *group) {
    const double values[] = {
        p->time_s,          p->inclusive_time_s,   p->power_w,           p->power_u95_w,
        p->energy.energy_j, p->energy.u95_j,       p->energy.u_random_j, p->energy.lower_j,
        p->energy.upper_j,  p->inclusive.energy_j, p->inclusive.u95_j};
    output_add(out, "%s,", kind);
    output_csv(out, p->name);
    output_add(out, ",%llu", (unsigned long long)p->calls);
    for (size_t i = 0; i < CLI_COUNT(values); i++) {
        output_add(out, ",");
        if (isfinite(values[i])) output_add(out, "%.9g", values[i]);
    }
    output_add(out, ",%s,", p->energy.provenance & JM_BOUND_ONLY ? "true" : "false");
    output_csv(out, group);
    output_add(out, "\n");
}

static void print_csv(output *out, const jm_attribution *a) {
    output_add(out, "kind,name,calls,time_s,inclusive_time_s,power_w,power_u95_w,energy_j,"
                    "energy_u95_j,energy_u_random_j,lower_j,upper_j,inclusive_energy_j,"
                    "inclusive_energy_u95_j,bound_only,group\n");
    for (uint32_t i = 0; i < jm_attribution_part_count(a); i++) {
        jm_part p = JM_PART_INIT, g = JM_PART_INIT;
        if (jm_attribution_part(a, i, &p) != JM_OK) continue;
        bool grouped = p.group != JM_NO_GROUP && jm_attribution_group(a, p.group, &g) == JM_OK;
        csv_part(out, "part", &p, grouped ? g.name : "");
    }
    for (uint32_t i = 0; i < jm_attribution_group_count(a); i++) {
        jm_part g = JM_PART_INIT;
        if (jm_attribution_group(a, i, &g) == JM_OK) csv_part(out, "group", &g, "");
    }
}

/* ---- stacks ---- */

static int print_stacks(output *out, const jm_attribution *a, const jm_recording *recording,
                        const settings *set) {
    jm_attribution_info info = JM_ATTRIBUTION_INFO_INIT;
    jm_device device = {.size = sizeof device};
    jm_stacks *stacks = NULL;
    jm_error error = {0};
    if (jm_stacks_make(&stacks, a, recording, &error) != JM_OK)
        return cli_fail_error(&cli_attribute, &error);
    jm_attribution_get(a, &info);
    jm_recording_device(recording, info.device, &device);
    if (set->flame) {
        tree_folded(out, stacks, device.name, &info.gap);
    } else if (set->csv) {
        tree_csv(out, stacks);
    } else {
        print_head(out, &info, recording);
        tree_text(out, stacks, &info.whole, set->top > 0 ? set->top : DEFAULT_TREE,
                  terminal_width(STDOUT_FILENO));
    }
    jm_stacks_free(stacks);
    return CLI_OK;
}

/* ---- the command ---- */

static int print(const jm_attribution *a, const jm_recording *recording, const settings *set,
                 jm_attribution_method method) {
    output out;
    int code = CLI_OK;
    output_open(&out);
    if (set->tree || set->flame) {
        code = print_stacks(&out, a, recording, set);
    } else if (set->json || set->calls) {
        jm_error error = {0};
        char *json = NULL;
        if (jm_attribution_json(a, set->calls, &json, &error) != JM_OK)
            return cli_fail_error(&cli_attribute, &error);
        output_append(&out, json, strlen(json));
        jm_free(json);
    } else if (set->csv) {
        print_csv(&out, a);
    } else {
        print_text(&out, a, recording, set, method);
    }
    int closed = output_close(&out, &cli_attribute);
    return code == CLI_OK ? closed : code;
}

static int attribute(const jm_recording *recording, const settings *set) {
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    jm_attribution *attribution = NULL;
    jm_window *windows = NULL;
    jm_error error = {0};
    take_by(set, &options);
    options.net = set->net;
    int code = take_method(set, &options);
    if (code == CLI_OK) code = take_split(set, &options);
    if (code == CLI_OK) code = take_device(set, recording, &options);
    if (code != CLI_OK) return code;
    if (set->phase != NULL) {
        windows = find_windows(recording, set->phase, &options.window_count);
        options.windows = windows;
        if (windows == NULL || options.window_count == 0) {
            free(windows);
            return cli_fail(&cli_attribute, CLI_USAGE, "there is no phase or range '%s' in it",
                            set->phase);
        }
    }
    int status = jm_attribute(&attribution, recording, &options, &error);
    if (status == JM_OK)
        code = print(attribution, recording, set, options.method);
    else
        code = cli_fail_error(&cli_attribute, &error);
    jm_attribution_free(attribution);
    free(windows);
    return code;
}

static int run(int argc, char **argv) {
    settings set = {.by = NULL};
    const cli_option options[] = {
        {'b', "by", OPTION_TEXT, &set.by, "WHAT",
         "layer, kernel, nvtx or another category of\nranges, or the beginning of their "
         "names\n(default: "
         "layers, else kernels, else NVTX)",
         0, 0, NULL},
        {0, "split", OPTION_TEXT, &set.split, "WHAT",
         "kernels of one name apart by grid, stream or\ngrid,stream", 0, 0, NULL},
        {'p', "phase", OPTION_TEXT, &set.phase, "NAME",
         "only calls within phases (or ranges) of this\nname; readings of all times are used", 0, 0,
         NULL},
        {0, "device", OPTION_TEXT, &set.device, "NAME",
         "gpu0, cpu0 ... (default: what ran them, else\nthe only GPU, else the CPU)", 0, 0, NULL},
        {0, "method", OPTION_TEXT, &set.method, "NAME",
         "regression (default); for comparison\ntime_share or boundary", 0, 0, NULL},
        {0, "net", OPTION_FLAG, &set.net, NULL, "take the device's idle power off", 0, 0, NULL},
        {'t', "tree", OPTION_FLAG, &set.tree, NULL, "each range below the one that it is in", 0, 0,
         NULL},
        {0, "flame", OPTION_FLAG, &set.flame, NULL,
         "folded stacks, own energy in mJ: for\nflamegraph.pl, inferno, speedscope.app", 0, 0,
         NULL},
        {'n', "top", OPTION_COUNT, &set.top, "ROWS", "of the table (default 20; of the tree 50)", 1,
         1e6, NULL},
        {'j', "json", OPTION_FLAG, &set.json, NULL, "one JSON object", 0, 0, NULL},
        {0, "calls", OPTION_FLAG, &set.calls, NULL, "JSON with the energy of every call", 0, 0,
         NULL},
        {'c', "csv", OPTION_FLAG, &set.csv, NULL, "all parts and groups as CSV", 0, 0, NULL},
        {0}};
    int operands;
    int code = cli_parse(&cli_attribute, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    if (operands != 1)
        return cli_fail(&cli_attribute, CLI_USAGE,
                        operands == 0 ? "which recording? joulemeter attribute FILE.jm"
                                      : "one recording at a time: joulemeter attribute FILE.jm");
    if (set.csv && (set.json || set.calls))
        return cli_fail(&cli_attribute, CLI_USAGE, "--csv and --json exclude each other");
    if ((set.tree && (set.json || set.calls)) ||
        (set.flame && (set.json || set.calls || set.csv || set.tree)))
        return cli_fail(&cli_attribute, CLI_USAGE,
                        set.flame ? "--flame and other forms of output exclude each other"
                                  : "--tree and --json exclude each other");
    jm_recording *recording = NULL;
    jm_error error = {0};
    if (jm_recording_open(&recording, argv[1], &error) != JM_OK)
        return cli_fail_error(&cli_attribute, &error);
    code = attribute(recording, &set);
    jm_recording_free(recording);
    return code;
}

const cli_command cli_attribute = {
    "attribute",
    "[OPTIONS] FILE",
    "energy of every layer or kernel, also far shorter than a sensor's refresh",
    "What the sensors showed is taken apart by what ran in the time that each reading\n"
    "saw. What no reading can tell apart is said to be a group.\n",
    "  joulemeter attribute train.jm\n"
    "  joulemeter attribute --by kernel --top 50 train.jm\n"
    "  joulemeter attribute --phase decode --csv generate.jm > layers.csv\n",
    run};
