/* Figures as a table for a README or a pull request: a row for each command or interval. */
#include "results.h"

#include <string.h>

/* ---- text ---- */

/* Not in the text, and so able to enclose it. */
static size_t fence_length(const char *text, size_t length) {
    size_t run = 0, longest = 0;
    for (size_t i = 0; i < length; i++) {
        run = text[i] == '`' ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    return longest + 1;
}

static void add_code_line(output *out, const char *text, size_t length) {
    if (length == 0) return;
    size_t fence = fence_length(text, length);
    bool padded = text[0] == '`' || text[length - 1] == '`' || text[0] == ' ';
    for (size_t i = 0; i < fence; i++) output_append(out, "`", 1);
    if (padded) output_append(out, " ", 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ') /* its picture: U+2400 and following */
            output_add(out, "\xe2\x90%c", 0x80 + c);
        else if (c == '|') /* also within code, says GitHub */
            output_append(out, "\\|", 2);
        else
            output_append(out, text + i, 1);
    }
    if (padded) output_append(out, " ", 1);
    for (size_t i = 0; i < fence; i++) output_append(out, "`", 1);
}

/* As code that reads as the text does, each line by itself. */
static void add_code(output *out, const char *text) {
    size_t length = strcspn(text, "\n");
    add_code_line(out, text, length);
    while (text[length] != '\0') {
        text += length + 1;
        length = strcspn(text, "\n");
        output_add(out, "<br>");
        add_code_line(out, text, length);
    }
}

/* ---- the table ---- */

static void add_ratio(output *out, const results *r, size_t g) {
    char text[64];
    if (g == 0) {
        output_add(out, " 1 |");
        return;
    }
    const jm_ratio *ratio = &r->comparisons[g - 1].energy;
    double half = (ratio->upper - ratio->lower) / 2;
    output_add(out, " %s|", jm_value_text(ratio->ratio, half, "", text, sizeof text));
}

/* What is in some tables only. */
typedef struct columns {
    bool names, intervals, ratios;
} columns;

static void add_header(output *out, const columns *c) {
    output_add(out, "|%s command |%s energy | CV | time | mean power |%s\n",
               c->names ? " name |" : "", c->intervals ? " interval |" : "",
               c->ratios ? " energy, ratio |" : "");
    output_add(out, "|%s:---|%s---:|---:|---:|---:|%s\n", c->names ? ":---|" : "",
               c->intervals ? "---:|" : "", c->ratios ? "---:|" : "");
}

static void add_row(output *out, const results *r, const columns *c, size_t index) {
    const group *g = &r->e->groups[index];
    const jm_repeat *repeat = &r->of[index].repeat;
    char energy[64], cv[32], seconds[64], power[64], interval[32];
    if (c->names) {
        output_add(out, "| ");
        add_code(out, g->name);
        output_add(out, " ");
    }
    output_add(out, "| ");
    add_code(out, g->text);
    output_add(out, " |");
    if (c->intervals)
        output_add(out, " %s |", interval_name(g->interval_s, interval, sizeof interval));
    output_add(out, " %s | %s | %s | %s |",
               spread_text(&repeat->energy_j, "J", energy, sizeof energy),
               cv_text(&repeat->energy_j, cv, sizeof cv),
               spread_text(&repeat->time_s, "s", seconds, sizeof seconds),
               spread_text(&repeat->power_w, "W", power, sizeof power));
    if (c->ratios) add_ratio(out, r, index);
    output_add(out, "\n");
}

/* What the figures are, and whether anything is less than measured. */
static void add_caption(output *out, const experiment *e) {
    size_t runs = e->groups[0].count;
    char label[48];
    label_text(e, label, sizeof label);
    output_add(out, "\n%zu run%s%s", runs, runs == 1 ? "" : "s", e->group_count > 1 ? " each" : "");
    if (runs > 1) output_add(out, "; median and standard deviation of one run");
    output_add(out, "%s%s.\n", label[0] != '\0' ? "; " : "", label);
}

void results_markdown(output *out, const results *r) {
    const experiment *e = r->e;
    bool compared = r->comparisons != NULL;
    columns c = {e->groups[0].name_given, e->group_count > 1 && !compared, compared};
    add_header(out, &c);
    for (size_t g = 0; g < e->group_count; g++) add_row(out, r, &c, g);
    add_caption(out, e);
}
