#include "figure/page.h"

#include "energy/views.h"
#include "report/carbon.h"
#include "report/json.h"

#include <stdlib.h>
#include <string.h>

static const char placeholder[] = "<!--joulemeter-data-->";
enum {
    DEFAULT_BYTES = 1500000,
    DUMP = JSON_COMPACT | JSON_REAL_PRECISION(15), /* numbers were rounded before */
    COLUMNS = 500,                                 /* pixels of a figure */
    MOST_TITLE = 300,
    MOST_FACT = 1000, /* bytes */
    MOST_GROUPS = 10  /* names of ranges in the summary, of each category */
};
static const double share_of_facts = 0.05;

size_t jmi_html_bytes(const json_t *part) {
    return json_dumpb(part, NULL, 0, DUMP);
}

/* ---- parts ---- */

static json_t *colormap(void) {
    json_t *list = json_array();
    char shade[8];
    for (int i = 0; i <= 16; i++)
        json_array_append_new(list, json_string(jm_figure_shade(i / 16.0, shade)));
    return list;
}

static json_t *pair_of(json_t *first, json_t *second) {
    json_t *pair = json_array();
    json_array_append_new(pair, first);
    json_array_append_new(pair, second);
    return pair;
}

static json_t *palette(void) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < 8; i++)
        json_array_append_new(list, pair_of(json_string(jm_figure_color(i, false)),
                                            json_string(jm_figure_color(i, true))));
    return list;
}

static void add_fact(const char *name, const char *text, void *list) {
    json_array_append_new(list, pair_of(json_string(name), jmi_html_text(text, MOST_FACT)));
}

/* What the energy comes to, first. */
static int add_footprint(json_t *list, const jmi_html_source *source, const jm_grid *grid,
                         jm_error *error) {
    jmi_footprint footprint;
    int status = jmi_footprint_make(&footprint, source->summary, grid, source->energy, error);
    if (status == JM_OK && footprint.asked) jmi_footprint_facts(&footprint, add_fact, list);
    return status;
}

/* Programs may add any number of facts. */
static void add_facts(json_t *list, const jmi_html_source *source) {
    const size_t most = (size_t)(share_of_facts * (double)source->max_bytes);
    const char *key, *value;
    size_t bytes = 0;
    uint32_t i = 0;
    for (; jm_recording_info_at(source->recording, i, &key, &value) == JM_OK && bytes < most; i++) {
        json_t *fact = pair_of(jmi_html_text(key, JMI_HTML_NAME), jmi_html_text(value, MOST_FACT));
        bytes += jmi_html_bytes(fact);
        json_array_append_new(list, fact);
    }
    uint32_t count = jm_recording_info_count(source->recording);
    char text[32];
    snprintf(text, sizeof text, "%u more", count - i);
    if (i < count) json_array_append_new(list, pair_of(json_string("and"), json_string(text)));
}

static int set_part(json_t *root, const char *key, json_t *part) {
    if (part == NULL) return JM_MEMORY;
    json_object_set_new(root, key, part);
    return JM_OK;
}

/* Curves come last: they may have what room the others leave. */
static int add_parts(json_t *root, jmi_html_source *source, jm_error *error) {
    json_t *timeline = json_object();
    jm_error why = {.status = JM_OK};
    json_object_set_new(root, "timeline", timeline);
    int status = jmi_html_ranges(timeline, source, &why);
    if (status == JM_OK) status = set_part(root, "tables", jmi_html_tables(source, &why));
    if (status == JM_OK) status = set_part(root, "trust", jmi_html_trust(source));
    if (status == JM_OK) status = jmi_html_figures(root, source, &why);
    if (status == JM_OK) {
        jmi_html_round(root, source->duration_s);
        source->used_bytes = jmi_html_bytes(root);
        status = set_part(timeline, "series", jmi_html_series(source, &why));
    }
    if (status == JM_OK) return JM_OK;
    return why.status != JM_OK ? jmi_fail(error, why.status, "%s", why.message)
                               : jmi_fail(error, status, "out of memory for a page");
}

static int add_head(json_t *root, const jmi_html_source *source, const jm_page_options *options,
                    jm_error *error) {
    json_t *list = json_array();
    const char *title = options->title;
    int64_t utc = source->begin_ns + jm_recording_utc_offset_ns(source->recording);
    const char *named = title != NULL                      ? title
                        : source->summary->command != NULL ? source->summary->command
                                                           : "Recording";
    json_object_set_new(root, "format", json_integer(1));
    json_object_set_new(root, "title", jmi_html_text(named, MOST_TITLE));
    jmi_json_set_number(root, "begin_unix_s", (double)utc * 1e-9);
    jmi_json_set_number(root, "duration_s", source->duration_s);
    json_object_set_new(root, "palette", palette());
    json_object_set_new(root, "colormap", colormap());
    json_object_set_new(root, "facts", list);
    int status = add_footprint(list, source, options->grid, error);
    if (status == JM_OK) add_facts(list, source);
    return status;
}

/* The summary, with the names of ranges that took most energy: there may be any number of them. */
static json_t *short_summary(const jmi_summary *summary, jm_error *error) {
    jmi_summary shown = *summary;
    shown.group_count = 0;
    shown.groups = jmi_alloc(summary->group_count + 1, sizeof *shown.groups);
    if (shown.groups == NULL) {
        jmi_fail(error, JM_MEMORY, "out of memory for a page");
        return NULL;
    }
    for (size_t i = 0, of_category = 0; i < summary->group_count; i++) {
        bool another = i == 0 || summary->groups[i].category != summary->groups[i - 1].category;
        of_category = another ? 0 : of_category + 1;
        if (of_category < MOST_GROUPS) shown.groups[shown.group_count++] = summary->groups[i];
    }
    json_t *object = jmi_json_summary(&shown);
    free(shown.groups);
    return object;
}

/* ---- the whole ---- */

static int make_data(const jm_recording *recording, const jm_page_options *options,
                     const jm_energy_options *energy, json_t **root, jm_error *error) {
    jmi_summary summary;
    int status = jmi_summary_make(&summary, recording, energy, error);
    if (status != JM_OK) return status;
    int64_t begin = jm_recording_begin_ns(recording), end = jm_recording_end_ns(recording);
    jmi_html_source source = {.recording = recording,
                              .energy = energy,
                              .summary = &summary,
                              .begin_ns = begin,
                              .duration_s = end > begin ? (double)(end - begin) * 1e-9 : 1e-9,
                              .max_bytes = options->max_data_bytes == 0 ? DEFAULT_BYTES
                                                                        : options->max_data_bytes};
    jm_figure_options figure_options = JM_FIGURE_OPTIONS_INIT;
    figure_options.columns = COLUMNS;
    figure_options.energy = energy;
    *root = json_object();
    status = add_head(*root, &source, options, error);
    if (status == JM_OK)
        status = jm_figures_open(&source.figures, recording, &figure_options, error);
    if (status == JM_OK) status = set_part(*root, "summary", short_summary(&summary, error));
    if (status == JM_OK) status = add_parts(*root, &source, error);
    jm_figures_close(source.figures);
    jmi_summary_free(&summary);
    if (status == JM_OK) return JM_OK;
    json_decref(*root);
    return status;
}

/* What could end a script, or begin a comment in it, as escapes of JSON: they only stand in texts.
 */
static void make_inert(jmi_text *out, const char *json) {
    while (*json != '\0') {
        size_t plain = strcspn(json, "<>&\xE2");
        jmi_text_append(out, json, plain);
        json += plain;
        if (*json == '\0') break;
        bool separator = json[0] == '\xE2' && json[1] == '\x80' && (json[2] & '\xFE') == '\xA8';
        if (separator)
            jmi_text_add(out, "\\u202%d", json[2] == '\xA8' ? 8 : 9);
        else if (*json == '\xE2')
            jmi_text_append(out, json, 1);
        else
            jmi_text_add(out, "\\u%04x", (unsigned)*json);
        json += separator ? 3 : 1;
    }
}

int jmi_html_data(const jm_recording *recording, const jm_page_options *options, char **json,
                  jm_error *error) {
    jm_page_options ours;
    jm_energy_options energy;
    json_t *root;
    char *dumped;
    jmi_text text = {0};
    int status = jmi_take_struct(&ours, sizeof ours, options, "jm_page_options", error);
    if (status == JM_OK) status = jmi_energy_options_take(&energy, ours.energy, error);
    if (status == JM_OK) status = make_data(recording, &ours, &energy, &root, error);
    if (status == JM_OK) status = jmi_json_dump(root, DUMP, &dumped, error);
    if (status != JM_OK) return status;
    make_inert(&text, dumped);
    jm_free(dumped);
    return jmi_text_take(&text, json, error);
}

int jm_report_html(const jm_recording *recording, const jm_page_options *options, char **html,
                   jm_error *error) {
    static const jm_page_options defaults = JM_PAGE_OPTIONS_INIT;
    size_t length = 0;
    char *json = NULL;
    if (html != NULL) *html = NULL;
    if (recording == NULL || html == NULL)
        return jmi_fail(error, JM_INVALID, "recording and html must not be NULL");
    const char *page = jmi_html_template(&length);
    const char *place =
        page == NULL ? NULL : memmem(page, length, placeholder, strlen(placeholder));
    if (place == NULL)
        return jmi_fail(error, JM_NOT_SUPPORTED,
                        "this joulemeter was built without the report page, which needs npm: "
                        "install it (apt install npm), then ./dev setup and ./dev build");
    int status = jmi_html_data(recording, options == NULL ? &defaults : options, &json, error);
    if (status != JM_OK) return status;
    jmi_text text = {0};
    const char *rest = place + strlen(placeholder);
    jmi_text_append(&text, page, (size_t)(place - page));
    jmi_text_append(&text, json, strlen(json));
    jmi_text_append(&text, rest, length - (size_t)(rest - page));
    jm_free(json);
    return jmi_text_take(&text, html, error);
}
