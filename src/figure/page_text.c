/* Texts of the page: those of programs can be of any length and need not be UTF-8. */
#include "figure/page.h"

#include <string.h>

json_t *jmi_html_text(const char *text, size_t most) {
    static const char dots[] = "\xE2\x80\xA6"; /* … */
    size_t length = text == NULL ? 0 : strlen(text), kept = most;
    if (length <= most) return jmi_json_text(text == NULL ? "" : text);
    while (kept > 0 && ((unsigned char)text[kept] >> 6) == 2) kept--; /* whole characters */
    jmi_text cut = {0};
    jmi_text_append(&cut, text, kept);
    jmi_text_append(&cut, dots, sizeof dots - 1);
    json_t *value = jmi_json_text(cut.data);
    jmi_text_free(&cut);
    return value;
}
