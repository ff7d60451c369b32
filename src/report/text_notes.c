#include "report/notes.h"
#include "report/text.h"

#include <stdlib.h>

/* A sentence as a bullet. */
static void take(void *user, const jmi_note *note) {
    jmi_page *p = user;
    char *clean = jmi_text_clean(note->text, p->style.utf8);
    if (clean != NULL) jmi_text_wrap(&p->out, note->heed ? "  ! " : "  - ", clean, 4, p->width);
    free(clean);
}

void jmi_page_notes(jmi_page *p) {
    const jmi_notes notes = {p->summary, p->style, take, p};
    size_t before = p->out.length;
    jmi_text_add(&p->out, "\n");
    size_t empty = p->out.length;
    jmi_notes_tell(&notes);
    if (p->out.length == empty && !p->out.failed && p->out.data != NULL)
        p->out.data[p->out.length = before] = '\0';
}
