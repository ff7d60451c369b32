/* Records of CSV: fields in quotes may hold commas, line ends and doubled quotes. */
#include "estimate/profile.h"

#include <string.h>

enum { MOST_FIELDS = 65536 };

static bool make_room(jmi_record *record) {
    record->failed =
        record->count >= MOST_FIELDS ||
        !jmi_reserve(&record->fields, &record->capacity, record->count + 1, sizeof *record->fields);
    return !record->failed;
}

static bool add_field(jmi_record *record, const char *text, size_t length, bool escaped) {
    if (record->count == record->capacity && !make_room(record)) return false;
    record->fields[record->count++] = (jmi_field){text, length, escaped};
    return true;
}

/* The quote that closes the field which begins after `at`; NULL: not there. */
static const char *closing(const char *at, const char *end, bool *escaped) {
    *escaped = false;
    for (;;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL || quote + 1 == end || quote[1] != '"') return quote;
        *escaped = true;
        at = quote + 2;
    }
}

/* A field at `at`; returns what follows it (a separator, a line end, the end), NULL: it goes on. */
static const char *read_field(jmi_record *record, const char *at, const char *end, char separator,
                              bool final) {
    bool escaped = false;
    const char *from = at, *to;
    if (at < end && *at == '"') {
        from = at + 1;
        to = closing(from, end, &escaped);
        if (to == NULL && !final) return NULL;
        record->unclosed = to == NULL;
        if (to == NULL) to = end;
        at = to == end ? end : to + 1;
        while (at < end && *at != separator && *at != '\n') at++; /* "a" b, is a */
    } else {
        while (at < end && *at != separator && *at != '\n') at++;
        to = at;
        if (to > from && to[-1] == '\r' && (at == end || *at == '\n')) to--;
    }
    if (at == end && !final) return NULL;
    return add_field(record, from, (size_t)(to - from), escaped) ? at : NULL;
}

size_t jmi_record_read(jmi_record *record, const char *text, size_t length, bool final) {
    const char *at = text, *end = text + length;
    char separator = record->separator != '\0' ? record->separator : ',';
    record->count = 0;
    record->unclosed = false;
    for (;;) {
        at = read_field(record, at, end, separator, final);
        if (at == NULL) return 0;
        if (at == end) return length;
        if (*at++ == '\n') return (size_t)(at - text);
    }
}
