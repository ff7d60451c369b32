#include "attribute/split.h"

#include <stdlib.h>
#include <string.h>

/* "key":[1,2,3] of a range's attributes, as inject/ writes them. */
static bool three_of(const char *attributes, const char *key, long values[3]) {
    const char *at = strstr(attributes, key);
    if (at == NULL) return false;
    at += strlen(key);
    for (int i = 0; i < 3; i++) {
        char *end;
        values[i] = strtol(at, &end, 10);
        if (end == at || *end != (i < 2 ? ',' : ']')) return false;
        at = end + 1;
    }
    return true;
}

static void add_grid(jmi_text *out, const char *attributes) {
    long grid[3], block[3];
    if (three_of(attributes, "\"grid\":[", grid) && three_of(attributes, "\"block\":[", block))
        jmi_text_add(out, " <%ldx%ldx%ld, %ldx%ldx%ld>", grid[0], grid[1], grid[2], block[0],
                     block[1], block[2]);
}

const char *jmi_split_name(jmi_intern *kept, const jm_range *range, uint32_t by) {
    if (range->category != JM_CATEGORY_KERNEL) return range->name;
    jmi_text text = {0};
    jmi_text_add(&text, "%s", range->name);
    if (by & JM_SPLIT_GRID) add_grid(&text, range->attributes);
    if (by & JM_SPLIT_STREAM) jmi_text_add(&text, " (stream %u)", range->stream);
    const char *name = text.failed ? NULL : jmi_intern_text(kept, text.data, text.length);
    jmi_text_free(&text);
    return name;
}
