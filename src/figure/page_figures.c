/* Figures of the page: all that have data, drawn for a column of it. */
#include "figure/page.h"

#include "figure/json.h"
#include "figure/source.h"

#include <math.h>
#include <string.h>

enum { LEAST_COLUMNS = 25, TRIES = 3 };
static const double share_of_bytes = 0.3;

static json_t *missing_object(uint32_t index, const char *why) {
    json_t *object = json_object();
    const char *reason = strstr(why, ": ");
    jmi_json_set_text(object, "name", jm_figure_name(index));
    jmi_json_set_text(object, "title", jm_figure_title(index));
    jmi_json_set_text(object, "why", reason != NULL ? reason + 2 : why);
    return object;
}

/* NULL: it has no data (which `missing` says), or something went wrong. */
static json_t *make_one(jm_figures *figures, uint32_t index, json_t *missing,
                        const jmi_html_source *source, int *status, jm_error *error) {
    jm_figure *figure;
    jm_error why;
    *status = jm_figures_make(figures, jm_figure_name(index), &figure, &why);
    if (*status == JM_NO_DATA) {
        json_array_append_new(missing, missing_object(index, why.message));
        *status = JM_OK;
    } else if (*status != JM_OK) {
        jmi_fail(error, *status, "%s", why.message);
    }
    if (figure == NULL) return NULL;
    json_t *object = jmi_figure_object(figure);
    jmi_html_round(object, source->duration_s);
    jm_figure_free(figure);
    return object;
}

static int make_all(jm_figures *figures, json_t *list, json_t *missing,
                    const jmi_html_source *source, jm_error *error) {
    int status = JM_OK;
    for (uint32_t i = 0; status == JM_OK && i < jm_figure_count(); i++) {
        json_t *object = make_one(figures, i, missing, source, &status, error);
        if (object != NULL) json_array_append_new(list, object);
    }
    return status;
}

static uint32_t index_of(const json_t *figure) {
    const char *name = json_string_value(json_object_get(figure, "name"));
    uint32_t index = 0;
    while (index < jm_figure_count() && strcmp(jm_figure_name(index), name) != 0) index++;
    return index;
}

/* Curves of many devices take many bytes: the largest figures are drawn again for fewer pixels.
 * What they are drawn from has been read by then. */
static int make_to_fit(jm_figures *figures, json_t *list, json_t *missing,
                       const jmi_html_source *source, jm_error *error) {
    const double most = share_of_bytes * (double)source->max_bytes;
    double bytes;
    int status = JM_OK;
    for (int i = 0; i < TRIES && (bytes = (double)jmi_html_bytes(list)) > most; i++) {
        uint32_t *columns = &figures->options.columns;
        if (*columns <= LEAST_COLUMNS) break;
        *columns = (uint32_t)fmax(LEAST_COLUMNS, 0.9 * most / bytes * *columns);
        for (size_t k = 0; status == JM_OK && k < json_array_size(list); k++) {
            const json_t *old = json_array_get(list, k);
            if ((double)jmi_html_bytes(old) < most / jm_figure_count()) continue;
            json_t *again = make_one(figures, index_of(old), missing, source, &status, error);
            if (again != NULL) json_array_set_new(list, k, again);
        }
    }
    return status;
}

int jmi_html_figures(json_t *root, const jmi_html_source *source, jm_error *error) {
    json_t *list = json_array(), *missing = json_array();
    json_object_set_new(root, "figures", list);
    json_object_set_new(root, "missing", missing);
    int status = make_all(source->figures, list, missing, source, error);
    if (status == JM_OK) status = make_to_fit(source->figures, list, missing, source, error);
    return status;
}
