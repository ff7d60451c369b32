#include "figure/page.h"

#include "energy/views.h"
#include "figure/json.h"
#include "report/json.h"

#include <stdlib.h>
#include <string.h>

static const char placeholder[] = "<!--joulemeter-data-->";
enum { FIGURE_COLUMNS = 500, DEFAULT_BYTES = 1500000 };

/* ---- parts ---- */

static json_t *colormap(void) {
    json_t *list = json_array();
    char shade[8];
    for (int i = 0; i <= 16; i++)
        json_array_append_new(list, json_string(jm_figure_shade(i / 16.0, shade)));
    return list;
}

static json_t *palette(void) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < 8; i++) {
        json_t *pair = json_array();
        json_array_append_new(pair, json_string(jm_figure_color(i, false)));
        json_array_append_new(pair, json_string(jm_figure_color(i, true)));
        json_array_append_new(list, pair);
    }
    return list;
}

static json_t *facts(const jm_recording *recording) {
    json_t *list = json_array();
    const char *key, *value;
    for (uint32_t i = 0; jm_recording_info_at(recording, i, &key, &value) == JM_OK; i++) {
        json_t *pair = json_array();
        json_array_append_new(pair, jmi_json_text(key));
        json_array_append_new(pair, jmi_json_text(value));
        json_array_append_new(list, pair);
    }
    return list;
}

static json_t *missing_object(uint32_t index, const char *why) {
    json_t *object = json_object();
    const char *reason = strstr(why, ": ");
    jmi_json_set_text(object, "name", jm_figure_name(index));
    jmi_json_set_text(object, "title", jm_figure_title(index));
    jmi_json_set_text(object, "why", reason != NULL ? reason + 2 : why);
    return object;
}

static int add_figures(json_t *root, const jmi_html_source *source, jm_error *error) {
    json_t *list = json_array(), *missing = json_array();
    jm_figure_options options = JM_FIGURE_OPTIONS_INIT;
    jm_figures *figures;
    options.columns = FIGURE_COLUMNS;
    options.energy = source->energy;
    json_object_set_new(root, "figures", list);
    json_object_set_new(root, "missing", missing);
    int status = jm_figures_open(&figures, source->recording, &options, error);
    for (uint32_t i = 0; status == JM_OK && i < jm_figure_count(); i++) {
        jm_figure *figure;
        jm_error why;
        status = jm_figures_make(figures, jm_figure_name(i), &figure, &why);
        if (status == JM_OK)
            json_array_append_new(list, jmi_figure_object(figure));
        else if (status == JM_NO_DATA)
            json_array_append_new(missing, missing_object(i, why.message));
        else
            jmi_fail(error, status, "%s", why.message);
        if (status == JM_NO_DATA) status = JM_OK;
        jm_figure_free(figure);
    }
    jm_figures_close(figures);
    return status;
}

static int set_part(json_t *root, const char *key, json_t *part) {
    if (part == NULL) return JM_MEMORY;
    json_object_set_new(root, key, part);
    return JM_OK;
}

static int add_parts(json_t *root, const jmi_html_source *source, jm_error *error) {
    json_t *timeline = json_object();
    jm_error why = {.status = JM_OK};
    json_object_set_new(root, "timeline", timeline);
    int status = set_part(timeline, "series", jmi_html_series(source, &why));
    if (status == JM_OK) status = jmi_html_ranges(timeline, source, &why);
    if (status == JM_OK) status = set_part(root, "tables", jmi_html_tables(source, &why));
    if (status == JM_OK) status = set_part(root, "trust", jmi_html_trust(source));
    if (status == JM_OK) status = add_figures(root, source, &why);
    if (status == JM_OK) return JM_OK;
    return why.status != JM_OK ? jmi_fail(error, why.status, "%s", why.message)
                               : jmi_fail(error, status, "out of memory for a page");
}

static json_t *head(const jmi_html_source *source, const char *title) {
    json_t *root = json_object();
    int64_t utc = source->begin_ns + jm_recording_utc_offset_ns(source->recording);
    const char *named = title != NULL                      ? title
                        : source->summary->command != NULL ? source->summary->command
                                                           : "Recording";
    json_object_set_new(root, "format", json_integer(1));
    jmi_json_set_text(root, "title", named);
    jmi_json_set_number(root, "begin_unix_s", (double)utc * 1e-9);
    jmi_json_set_number(root, "duration_s", source->duration_s);
    json_object_set_new(root, "palette", palette());
    json_object_set_new(root, "colormap", colormap());
    json_object_set_new(root, "facts", facts(source->recording));
    return root;
}

/* ---- the whole ---- */

static int make_data(const jm_recording *recording, const jm_page_options *options,
                     const jm_energy_options *energy, json_t **root, jm_error *error) {
    jmi_summary summary;
    int status = jmi_summary_make(&summary, recording, energy, error);
    if (status != JM_OK) return status;
    int64_t begin = jm_recording_begin_ns(recording), end = jm_recording_end_ns(recording);
    const jmi_html_source source = {
        .recording = recording,
        .energy = energy,
        .summary = &summary,
        .begin_ns = begin,
        .duration_s = end > begin ? (double)(end - begin) * 1e-9 : 1e-9,
        .max_bytes = options->max_data_bytes == 0 ? DEFAULT_BYTES : options->max_data_bytes};
    *root = head(&source, options->title);
    json_object_set_new(*root, "summary", jmi_json_summary(&summary));
    status = add_parts(*root, &source, error);
    jmi_summary_free(&summary);
    if (status == JM_OK) jmi_html_round(*root, source.duration_s);
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
    if (status == JM_OK)
        status = jmi_json_dump(root, JSON_COMPACT | JSON_REAL_PRECISION(15), &dumped, error);
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
