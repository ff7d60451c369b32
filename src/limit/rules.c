#include "limit/rules.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Where the parser is. */
struct place {
    jmi_rules *rules;
    jmi_gpu_rule *gpu; /* NULL: before the first section */
    unsigned line;
    jm_error *error;
};

static int fail(const struct place *at, const char *what, const char *text) {
    return jmi_fail(at->error, JM_FORMAT, "line %u: %s '%.60s'", at->line, what, text);
}

/* Without blanks at both ends, without the comment, without quotes around all of it. */
static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL) text[--length] = '\0';
    return text;
}

static char *unquote(char *text) {
    size_t length = strlen(text);
    if (length < 2 || text[0] != '"' || text[length - 1] != '"') return text;
    text[length - 1] = '\0';
    return text + 1;
}

static void cut_comment(char *line) {
    bool quoted = false;
    for (; *line != '\0'; line++) {
        if (*line == '"') quoted = !quoted;
        if (*line == '#' && !quoted) {
            *line = '\0';
            return;
        }
    }
}

static bool good_name(const char *text, const char *extra) {
    if (text[0] == '\0' || text[0] == '-' || strlen(text) >= 64) return false;
    for (; *text != '\0'; text++) {
        bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                      (*text >= '0' && *text <= '9');
        if (!letter && strchr(extra, *text) == NULL) return false;
    }
    return true;
}

static int set_flag(const struct place *at, bool *flag, const char *value) {
    if (strcmp(value, "yes") == 0 || strcmp(value, "true") == 0)
        *flag = true;
    else if (strcmp(value, "no") == 0 || strcmp(value, "false") == 0)
        *flag = false;
    else
        return fail(at, "yes or no is needed, not", value);
    return JM_OK;
}

static int set_bound(const struct place *at, uint32_t *bound, jm_lever lever, const char *value) {
    double number;
    if (!jmi_parse_double(value, &number) || !(number > 0) || number > 1e5)
        return fail(
            at, lever == JM_LEVER_POWER ? "these are no watts:" : "these are no megahertz:", value);
    *bound = (uint32_t)llround(number * jmi_lever_scale(lever));
    return JM_OK;
}

static int set_of_gpu(const struct place *at, const char *key, const char *value) {
    jmi_gpu_rule *gpu = at->gpu != NULL ? at->gpu : &at->rules->all;
    if (strcmp(key, "allow") == 0) return set_flag(at, &gpu->allow, value);
    if (strcmp(key, "clock") == 0) return set_flag(at, &gpu->clock, value);
    if (strcmp(key, "least_w") == 0)
        return set_bound(at, &gpu->least[JM_LEVER_POWER], JM_LEVER_POWER, value);
    if (strcmp(key, "most_w") == 0)
        return set_bound(at, &gpu->most[JM_LEVER_POWER], JM_LEVER_POWER, value);
    if (strcmp(key, "least_mhz") == 0)
        return set_bound(at, &gpu->least[JM_LEVER_CLOCK], JM_LEVER_CLOCK, value);
    if (strcmp(key, "most_mhz") == 0)
        return set_bound(at, &gpu->most[JM_LEVER_CLOCK], JM_LEVER_CLOCK, value);
    return fail(at, "there is no setting", key);
}

static int set(const struct place *at, const char *key, const char *value) {
    bool of_all = strcmp(key, "group") == 0 || strcmp(key, "keep") == 0;
    if (!of_all) return set_of_gpu(at, key, value);
    if (at->gpu != NULL) return fail(at, "before the first [GPU] belongs", key);
    if (strcmp(key, "keep") == 0) return set_flag(at, &at->rules->keep, value);
    if (!good_name(value, "._-")) return fail(at, "this is no group's name:", value);
    strcpy(at->rules->group, value);
    return JM_OK;
}

/* [GPU-...] begins with what holds for all. */
static int open_section(struct place *at, char *line) {
    jmi_rules *rules = at->rules;
    size_t length = strlen(line);
    if (line[length - 1] != ']') return fail(at, "a ] is missing in", line);
    line[length - 1] = '\0';
    char *key = unquote(trim(line + 1));
    if (!good_name(key, "-")) return fail(at, "this is no GPU's UUID:", key);
    for (uint32_t i = 0; i < rules->gpu_count; i++)
        if (strcasecmp(rules->gpus[i].key, key) == 0) return fail(at, "twice there is", key);
    if (rules->gpu_count == JMI_RULES_GPUS) return fail(at, "there are too many GPUs at", key);
    at->gpu = &rules->gpus[rules->gpu_count++];
    *at->gpu = rules->all;
    strcpy(at->gpu->key, key);
    return JM_OK;
}

static int parse_line(struct place *at, char *line) {
    cut_comment(line);
    line = trim(line);
    if (line[0] == '\0') return JM_OK;
    if (line[0] == '[') return open_section(at, line);
    char *equals = strchr(line, '=');
    if (equals == NULL) return fail(at, "NAME = VALUE is needed, not", line);
    *equals = '\0';
    return set(at, trim(line), unquote(trim(equals + 1)));
}

static int check_bounds(const jmi_gpu_rule *rule, jm_error *error) {
    for (int lever = JM_LEVER_POWER; lever <= JM_LEVER_CLOCK; lever++)
        if (rule->most[lever] != 0 && rule->least[lever] > rule->most[lever])
            return jmi_fail(error, JM_FORMAT, "least_%s is above most_%s%s%s",
                            lever == JM_LEVER_POWER ? "w" : "mhz",
                            lever == JM_LEVER_POWER ? "w" : "mhz", rule->key[0] ? " of " : "",
                            rule->key);
    return JM_OK;
}

int jmi_rules_parse(jmi_rules *rules, const char *text, size_t length, jm_error *error) {
    char line[512];
    memset(rules, 0, sizeof *rules);
    rules->all.allow = true; /* clocks: not unless somebody says so, see rules.h */
    struct place at = {.rules = rules, .error = error};
    if (length > JMI_RULES_BYTES || memchr(text, '\0', length) != NULL)
        return jmi_fail(error, JM_FORMAT, "it is no text, or too long");
    for (const char *begin = text, *end = text + length; begin < end;) {
        const char *stop = memchr(begin, '\n', (size_t)(end - begin));
        if (stop == NULL) stop = end;
        size_t size = (size_t)(stop - begin);
        at.line++;
        if (size >= sizeof line) return fail(&at, "the line is too long", "");
        memcpy(line, begin, size);
        line[size] = '\0';
        int status = parse_line(&at, line);
        if (status != JM_OK) return status;
        begin = stop + 1;
    }
    int status = check_bounds(&rules->all, error);
    for (uint32_t i = 0; i < rules->gpu_count && status == JM_OK; i++)
        status = check_bounds(&rules->gpus[i], error);
    return status;
}

const jmi_gpu_rule *jmi_rules_of(const jmi_rules *rules, const char *key) {
    for (uint32_t i = 0; i < rules->gpu_count; i++)
        if (strcasecmp(rules->gpus[i].key, key) == 0) return &rules->gpus[i];
    return &rules->all;
}
