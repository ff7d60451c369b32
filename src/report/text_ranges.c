#include "report/text.h"

#include <stdlib.h>
#include <string.h>

static bool in_time_order(jm_category category) {
    return category == JM_CATEGORY_PHASE || category == JM_CATEGORY_EPOCH ||
           category == JM_CATEGORY_WARMUP;
}

static int by_time(const void *left, const void *right) {
    const jmi_group *const *a = left, *const *b = right;
    return ((*a)->first_ns > (*b)->first_ns) - ((*a)->first_ns < (*b)->first_ns);
}

const char *jmi_page_group(const jmi_summary *s, const jmi_group *group, char out[JMI_GROUP_NAME]) {
    if (group->device == JM_DEVICE_TOTAL || !s->many_devices) return group->name;
    snprintf(out, JMI_GROUP_NAME, "%.200s (%.40s)", group->name,
             s->devices[group->device].device.name);
    return out;
}

static const char *source_of(const jmi_summary *s, const jmi_group *group) {
    return group->device == JM_DEVICE_TOTAL ? s->total.source : s->devices[group->device].source;
}

static void group_row(const jmi_page *p, jmi_table *table, const jmi_group *group) {
    char calls[24], time[JMI_FORMAT_SIZE], energy[JMI_FORMAT_SIZE], power[JMI_FORMAT_SIZE];
    char share[JMI_FORMAT_SIZE], name[JMI_GROUP_NAME];
    snprintf(calls, sizeof calls, "%llu", (unsigned long long)group->calls);
    const char *cells[] = {jmi_page_group(p->summary, group, name),
                           calls,
                           jmi_format_duration(time, group->wall_s, p->style),
                           jmi_format_energy(energy, &group->energy, p->style),
                           jmi_format_share(share, group->share, p->style),
                           jmi_format_power(power, &group->energy, p->style),
                           source_of(p->summary, group)};
    jmi_table_row(table, cells);
}

static void write_category(jmi_page *p, const jmi_group *groups, size_t count) {
    const char *category = jm_category_name(groups[0].category);
    const char *header[] = {category, "calls", "time", "energy", "share", "mean power", "source"};
    size_t shown = count < p->options->top ? count : p->options->top;
    const jmi_group **order = jmi_alloc(shown + 1, sizeof *order);
    if (order == NULL) {
        p->out.failed = true;
        return;
    }
    for (size_t i = 0; i < shown; i++) order[i] = &groups[i];
    if (in_time_order(groups[0].category)) qsort(order, shown, sizeof *order, by_time);
    jmi_table table;
    jmi_table_init(&table, 7);
    for (size_t c = 1; c < 6; c++) table.right[c] = true;
    table.drop[5] = 1;
    table.drop[1] = 2;
    table.drop[4] = 3;
    jmi_table_row(&table, header);
    for (size_t i = 0; i < shown; i++) group_row(p, &table, order[i]);
    jmi_text_add(&p->out, "\n");
    jmi_table_write(&table, &p->out, 2, p->width, p->style);
    jmi_table_free(&table);
    free(order);
    if (shown < count)
        jmi_text_add(&p->out, "  %sand %zu more%s\n", jmi_page_dim(p), count - shown,
                     jmi_page_plain(p));
}

/* The command itself and a baseline before it have their own lines. */
bool jmi_page_lists(const jmi_summary *s, const jmi_group *group) {
    if (group->category == JM_CATEGORY_SESSION) return false;
    return !(group->category == JM_CATEGORY_WARMUP && strcmp(group->name, "idle") == 0 &&
             group->last_ns <= s->begin_ns);
}

void jmi_page_ranges(jmi_page *p) {
    const jmi_summary *s = p->summary;
    for (size_t i = 0; i < s->group_count;) {
        size_t end = i;
        jm_category category = s->groups[i].category;
        while (end < s->group_count && s->groups[end].category == category) end++;
        while (i < end && !jmi_page_lists(s, &s->groups[i])) i++;
        if (i < end) write_category(p, &s->groups[i], end - i);
        i = end;
    }
}
