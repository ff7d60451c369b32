/* Files of settings: what was read lies inside the file, and what is quoted reads back. */
#include "settings/toml.h"

#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

static void check_quoted(const char *value) {
    jmi_text text = {0};
    jmi_toml again;
    jmi_text_add(&text, "a = ");
    jmi_toml_quote(&text, value);
    if (!text.failed) {
        check(jmi_toml_parse(&again, text.data, text.length, "again", NULL) == JM_OK);
        check(again.count == 1 && strcmp(again.lines[0].value, value) == 0);
        jmi_toml_free(&again);
    }
    jmi_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    jmi_toml toml;
    jm_error error = {0};
    if (jmi_toml_parse(&toml, (const char *)data, size, "input", &error) != JM_OK) {
        check(error.message[0] != '\0' && toml.lines == NULL);
        return 0;
    }
    for (size_t i = 0; i < toml.count; i++) {
        const jmi_toml_line *line = &toml.lines[i];
        check(line->begin < line->end && line->end <= size && line->key != NULL);
        if (line->kind == JMI_TOML_TABLE) continue;
        check(line->begin <= line->value_begin && line->value_begin <= line->value_end);
        check(line->value_end <= line->end);
        if (line->kind == JMI_TOML_TEXT) check_quoted(line->value);
    }
    jmi_toml_free(&toml);
    return 0;
}
