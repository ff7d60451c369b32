#include "limit/note.h"

#include <string.h>

#define FIRST_LINE "joulemeter limit 1"
enum { MOST_ID = 1000000 };

/* ---- the stack ---- */

static size_t index_of(const jmi_note *note, uint32_t id) {
    size_t i = 0;
    while (i < note->loan_count && note->loans[i].id != id) i++;
    return i;
}

const jmi_loan *jmi_note_find(const jmi_note *note, uint32_t id) {
    size_t i = index_of(note, id);
    return i < note->loan_count ? &note->loans[i] : NULL;
}

bool jmi_note_remove(jmi_note *note, uint32_t id) {
    size_t i = index_of(note, id);
    if (i == note->loan_count) return false;
    note->loan_count--;
    memmove(&note->loans[i], &note->loans[i + 1], (note->loan_count - i) * sizeof note->loans[0]);
    return true;
}

bool jmi_note_push(jmi_note *note, const jmi_loan *loan) {
    const jmi_loan copy = *loan; /* it may lie in the note */
    jmi_note_remove(note, copy.id);
    if (note->loan_count == JMI_NOTE_LOANS) return false;
    note->loans[note->loan_count++] = copy;
    return true;
}

uint32_t jmi_note_free_id(const jmi_note *note) {
    uint32_t id = 1;
    for (uint32_t i = 0; i < note->loan_count; i++)
        if (note->loans[i].id >= id) id = note->loans[i].id + 1;
    for (uint32_t k = 1; id > MOST_ID && k <= JMI_NOTE_LOANS + 1; k++)
        if (jmi_note_find(note, k) == NULL) id = k;
    return id;
}

uint32_t jmi_note_next_id(const jmi_note *note, uint32_t id) {
    do id = id < MOST_ID ? id + 1 : 1;
    while (jmi_note_find(note, id) != NULL);
    return id;
}

uint32_t jmi_note_wanted(const jmi_note *note) {
    return note->loan_count > 0 ? note->loans[note->loan_count - 1].value : note->base;
}

void jmi_loan_name(char kept[32], const char *name) {
    memset(kept, 0, 32);
    for (size_t i = 0; name[i] != '\0' && i < 31; i++)
        kept[i] = name[i] > ' ' && name[i] <= '~' ? name[i] : '_';
}

/* ---- its text ---- */

/* The next word of a line; NULL at its end. */
static char *next_word(char **rest) {
    char *begin = *rest + strspn(*rest, " ");
    if (*begin == '\0') return NULL;
    char *end = begin + strcspn(begin, " ");
    *rest = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return begin;
}

static bool next_number(char **rest, uint64_t most, uint32_t *value) {
    uint64_t number;
    const char *word = next_word(rest);
    if (word == NULL || !jmi_parse_u64(word, &number) || number > most) return false;
    *value = (uint32_t)number;
    return true;
}

static bool parse_loan(jmi_note *note, char *rest) {
    jmi_loan loan = {0};
    uint32_t pid;
    if (!next_number(&rest, MOST_ID, &loan.id) || loan.id == 0 ||
        !next_number(&rest, UINT32_MAX, &loan.value) || !next_number(&rest, INT32_MAX, &pid) ||
        !next_number(&rest, UINT32_MAX, &loan.uid))
        return false;
    const char *name = next_word(&rest);
    if (next_word(&rest) != NULL) return false;
    loan.pid = (int32_t)pid;
    jmi_loan_name(loan.name, name != NULL ? name : "");
    return jmi_note_find(note, loan.id) == NULL && jmi_note_push(note, &loan);
}

/* Each of these comes once. */
enum { BOOT = 1, BASE = 2, APPLIED = 4, APPLYING = 8 };

static bool parse_boot(jmi_note *note, char *rest) {
    const char *boot = next_word(&rest);
    if (boot == NULL || strlen(boot) >= sizeof note->boot || next_word(&rest) != NULL) return false;
    strcpy(note->boot, boot);
    return true;
}

static bool parse_line(jmi_note *note, char *line, unsigned *seen) {
    char *rest = line;
    const char *key = next_word(&rest);
    if (key == NULL) return true;
    if (strcmp(key, "loan") == 0) return parse_loan(note, rest);
    unsigned what = strcmp(key, "boot") == 0       ? BOOT
                    : strcmp(key, "base") == 0     ? BASE
                    : strcmp(key, "applied") == 0  ? APPLIED
                    : strcmp(key, "applying") == 0 ? APPLYING
                                                   : 0;
    if (what == 0 || (*seen & what) != 0) return false;
    *seen |= what;
    if (what == BOOT) return parse_boot(note, rest);
    uint32_t *value = what == BASE      ? &note->base
                      : what == APPLIED ? &note->applied
                                        : &note->applying;
    if (what == BASE) note->has_base = true;
    return next_number(&rest, UINT32_MAX, value) && next_word(&rest) == NULL;
}

static bool printable(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~')) return false;
    return true;
}

int jmi_note_parse(jmi_note *note, const char *text, size_t length) {
    char line[256];
    bool first = true, whole = false;
    unsigned seen = 0;
    memset(note, 0, sizeof *note);
    if (length > JMI_NOTE_BYTES || !printable(text, length)) return JM_FORMAT;
    for (size_t at = 0; at < length && !whole;) {
        const char *end = memchr(text + at, '\n', length - at);
        if (end == NULL) return JM_FORMAT;
        size_t size = (size_t)(end - text) - at;
        if (size >= sizeof line) return JM_FORMAT;
        memcpy(line, text + at, size);
        line[size] = '\0';
        at += size + 1;
        whole = strcmp(line, "end") == 0 && at == length;
        if (first ? strcmp(line, FIRST_LINE) != 0 : !whole && !parse_line(note, line, &seen))
            return JM_FORMAT;
        first = false;
    }
    return whole && note->has_base ? JM_OK : JM_FORMAT;
}

void jmi_note_format(const jmi_note *note, jmi_text *text) {
    jmi_text_add(text, FIRST_LINE "\n");
    if (note->boot[0] != '\0') jmi_text_add(text, "boot %s\n", note->boot);
    jmi_text_add(text, "base %u\napplied %u\n", note->base, note->applied);
    if (note->applying != 0) jmi_text_add(text, "applying %u\n", note->applying);
    for (uint32_t i = 0; i < note->loan_count; i++) {
        const jmi_loan *loan = &note->loans[i];
        jmi_text_add(text, "loan %u %u %d %u %s\n", loan->id, loan->value, (int)loan->pid,
                     loan->uid, loan->name);
    }
    jmi_text_add(text, "end\n");
}
