/* The report page: its data, as web/data.d.ts has them, and where they go. */
#ifndef JMI_FIGURE_PAGE_H
#define JMI_FIGURE_PAGE_H

#include "report/json_object.h"
#include "report/summary.h"

typedef struct jmi_html_source {
    const jm_recording *recording;
    jm_figures *figures; /* of it, for a column of the page */
    const jm_energy_options *energy;
    const jmi_summary *summary;
    int64_t begin_ns;
    double duration_s; /* of the recording; positive */
    uint64_t max_bytes;
    uint64_t used_bytes; /* by all but the curves, once that is known */
} jmi_html_source;

/* Parts of the data; NULL after saying why. */
json_t *jmi_html_series(const jmi_html_source *source, jm_error *error);
/* Puts lanes, ranges and marks into the timeline. */
int jmi_html_ranges(json_t *timeline, const jmi_html_source *source, jm_error *error);
/* Puts figures, and what there is none of, into the page. */
int jmi_html_figures(json_t *root, const jmi_html_source *source, jm_error *error);
json_t *jmi_html_tables(const jmi_html_source *source, jm_error *error);
json_t *jmi_html_trust(const jmi_html_source *source);

enum { JMI_HTML_NAME = 200 }; /* bytes of a name that are shown */
/* Made UTF-8, and cut off after so many bytes; NULL is "". */
json_t *jmi_html_text(const char *text, size_t most);

/* Bytes of a part as it is written. */
size_t jmi_html_bytes(const json_t *part);
/* Rounds all numbers to the digits that are worth sending. */
void jmi_html_round(json_t *data, double duration_s);

/* The page with a placeholder for the data; NULL: this build has none. Made from web/. */
const char *jmi_html_template(size_t *length);

/* All of the data as JSON that is inert inside a <script>. For tests, too. */
int jmi_html_data(const jm_recording *recording, const jm_page_options *options, char **json,
                  jm_error *error);

#endif
