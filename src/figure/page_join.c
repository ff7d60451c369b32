/* Ranges that are too short to be seen become one entry with their neighbours. */
#include "figure/page_boxes.h"

#include <string.h>

/* No screen has so many pixels that a stretch this short is seen with the whole before one's eyes.
 */
enum { UNSEEN = 4000, LARGE = 1000 };

/* The last entry of a row. */
typedef struct run {
    const jmi_box *first; /* NULL: none yet */
    int64_t end_ns;
    uint32_t entry;
} run;

static bool alike(const jmi_box *a, const jmi_box *b) {
    return a->category == b->category && a->device == b->device &&
           (a->name == b->name || strcmp(a->name, b->name) == 0);
}

/* Entries stay as short as what goes into them, pauses included: none looks longer than it is. */
static bool goes_on(const run *r, const jmi_box *b, int64_t longest_ns, bool any_name) {
    int64_t end_ns = b->end_ns > r->end_ns ? b->end_ns : r->end_ns;
    return r->first != NULL && end_ns - r->first->begin_ns <= longest_ns &&
           (any_name || alike(r->first, b));
}

static size_t join(jmi_boxes *boxes, int64_t longest_ns, bool any_name) {
    run rows[JMI_MOST_ROWS];
    boxes->entry_count = 0;
    for (size_t i = 0; i < boxes->count; i++) {
        jmi_box *b = &boxes->list[i];
        if (i == 0 || boxes->list[i - 1].lane != b->lane) memset(rows, 0, sizeof rows);
        run *r = &rows[b->row];
        if (!goes_on(r, b, longest_ns, any_name))
            *r = (run){.first = b, .end_ns = b->end_ns, .entry = boxes->entry_count++};
        if (b->end_ns > r->end_ns) r->end_ns = b->end_ns;
        b->entry = r->entry;
    }
    return boxes->entry_count;
}

/* Those of one name first. Where names alternate that helps little: then whatever their names, over
 * longer and longer stretches. In the end a row is one entry. */
void jmi_boxes_join(jmi_boxes *boxes, size_t most, int64_t duration_ns) {
    int64_t unseen_ns = duration_ns / UNSEEN + 1;
    if (join(boxes, -1, false) <= most) return;
    for (int64_t longest = unseen_ns; longest <= duration_ns / LARGE; longest += longest / 2)
        if (join(boxes, longest, false) <= most) return;
    for (int64_t longest = unseen_ns; longest <= duration_ns; longest += longest / 2 + 1)
        if (join(boxes, longest, true) <= most) return;
    join(boxes, INT64_MAX, true);
}
