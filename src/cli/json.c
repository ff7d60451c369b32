#include "json.h"

#include <math.h>

static void next(json *j, const char *key) {
    output_add(j->out, "%s%s%*s", j->filled ? "," : "", j->depth > 0 ? "\n" : "",
               (int)(2 * j->depth), "");
    j->filled = true;
    if (key == NULL) return;
    output_json(j->out, key);
    output_add(j->out, ": ");
}

void json_open(json *j, const char *key, char bracket) {
    next(j, key);
    output_append(j->out, &bracket, 1);
    j->depth++;
    j->filled = false;
}

void json_close(json *j, char bracket) {
    j->depth--;
    if (j->filled) output_add(j->out, "\n%*s", (int)(2 * j->depth), "");
    output_append(j->out, &bracket, 1);
    j->filled = true;
    if (j->depth == 0) output_append(j->out, "\n", 1);
}

void json_number(json *j, const char *key, double value) {
    next(j, key);
    if (isfinite(value))
        output_add(j->out, "%.13g", value);
    else
        output_add(j->out, "null");
}

void json_count(json *j, const char *key, uint64_t value) {
    next(j, key);
    output_add(j->out, "%llu", (unsigned long long)value);
}

void json_bool(json *j, const char *key, bool value) {
    next(j, key);
    output_add(j->out, value ? "true" : "false");
}

void json_text(json *j, const char *key, const char *value) {
    next(j, key);
    output_json(j->out, value);
}
