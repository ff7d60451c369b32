#include "limit/wire.h"

#include <string.h>

/* What follows the verb. */
enum { TAKES_GPU = 1, TAKES_VALUE = 2, TAKES_FLAGS = 4 };

static const struct verb {
    const char *name;
    unsigned takes;
} verbs[] = {
    [JMI_VERB_HELLO] = {"hello", TAKES_VALUE},
    [JMI_VERB_SET] = {"set", TAKES_GPU | TAKES_VALUE},
    [JMI_VERB_KEEP] = {"keep", TAKES_GPU | TAKES_VALUE},
    [JMI_VERB_RESTORE] = {"restore", TAKES_GPU},
    [JMI_VERB_MEND] = {"mend", TAKES_GPU},
    [JMI_VERB_RESET] = {"reset", TAKES_GPU | TAKES_FLAGS},
    [JMI_VERB_BOUNDS] = {"bounds", TAKES_GPU},
    [JMI_VERB_WATCH] = {"watch", TAKES_VALUE},
    [JMI_VERB_BYE] = {"bye", 0},
};

/* ---- words: one space between two of them, none at the ends ---- */

enum { MOST_WORDS = 8 };

/* Splits in place; 0: it is not so written, or there are too many. */
static size_t split(char *line, char *words[MOST_WORDS]) {
    size_t count = 0;
    for (char *word = line;;) {
        if (*word == '\0' || *word == ' ' || count == MOST_WORDS) return 0;
        words[count++] = word;
        word += strcspn(word, " ");
        if (*word == '\0') return count;
        *word++ = '\0';
    }
}

static bool printable(const char *line) {
    for (; *line != '\0'; line++)
        if (*line < ' ' || *line > '~') return false;
    return true;
}

static bool parse_key(const char *word, char key[64]) {
    size_t length = strlen(word);
    size_t good = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    if (good != length || length >= 64) return false;
    memcpy(key, word, length + 1);
    return true;
}

static bool parse_lever(const char *word, jm_lever *lever) {
    for (int i = JM_LEVER_POWER; i <= JM_LEVER_CLOCK; i++)
        if (strcmp(word, jm_lever_name(i)) == 0) {
            *lever = (jm_lever)i;
            return true;
        }
    return false;
}

static bool parse_value(const char *word, uint32_t *value) {
    uint64_t number;
    if (strlen(word) > 10 || !jmi_parse_u64(word, &number) || number >= UINT32_MAX) return false;
    *value = (uint32_t)number;
    return true;
}

static bool parse_flag(const char *word, uint32_t *flags) {
    uint32_t flag = strcmp(word, "default") == 0 ? JM_LIMIT_DEFAULT
                    : strcmp(word, "force") == 0 ? JM_LIMIT_FORCE
                                                 : 0;
    if (flag == 0 || (*flags & flag) != 0) return false;
    *flags |= flag;
    return true;
}

int jmi_request_parse(jmi_request *request, const char *line) {
    char copy[JMI_WIRE_LINE], *words[MOST_WORDS];
    size_t length = strnlen(line, sizeof copy), at = 1, verb = 0;
    memset(request, 0, sizeof *request);
    if (length == sizeof copy || !printable(line)) return JM_FORMAT;
    memcpy(copy, line, length + 1);
    size_t count = split(copy, words);
    if (count == 0) return JM_FORMAT;
    while (verb < JMI_COUNT(verbs) && strcmp(words[0], verbs[verb].name) != 0) verb++;
    if (verb == JMI_COUNT(verbs)) return JM_FORMAT;
    request->verb = (jmi_verb)verb;
    unsigned takes = verbs[verb].takes;
    if (takes & TAKES_GPU) {
        if (count < at + 2 || !parse_key(words[at], request->key) ||
            !parse_lever(words[at + 1], &request->lever))
            return JM_FORMAT;
        at += 2;
    }
    if (takes & TAKES_VALUE) {
        if (count <= at || !parse_value(words[at], &request->value)) return JM_FORMAT;
        at++;
    }
    while ((takes & TAKES_FLAGS) && at < count)
        if (!parse_flag(words[at++], &request->flags)) return JM_FORMAT;
    return at == count ? JM_OK : JM_FORMAT;
}

bool jmi_request_format(const jmi_request *request, char line[JMI_WIRE_LINE]) {
    const struct verb *verb = &verbs[request->verb];
    char gpu[100] = "", value[16] = "";
    if (verb->takes & TAKES_GPU)
        snprintf(gpu, sizeof gpu, " %s %s", request->key, jm_lever_name((int)request->lever));
    if (verb->takes & TAKES_VALUE) snprintf(value, sizeof value, " %u", request->value);
    int length = snprintf(line, JMI_WIRE_LINE, "%s%s%s%s%s\n", verb->name, gpu, value,
                          request->flags & JM_LIMIT_DEFAULT ? " default" : "",
                          request->flags & JM_LIMIT_FORCE ? " force" : "");
    return length > 0 && length < JMI_WIRE_LINE;
}

/* ---- answers ---- */

static int status_named(const char *name, size_t length) {
#define NAMED(code, label, sentence)                                                               \
    if (length == strlen("JM_" #label) && strncmp(name, "JM_" #label, length) == 0) return code;
    JM_STATUS_TABLE(NAMED)
#undef NAMED
    return JM_SYSTEM;
}

static int parse_error(jmi_answer *answer, const char *rest) {
    size_t length = strcspn(rest, " ");
    answer->status = status_named(rest, length);
    if (answer->status == JM_OK) return JM_FORMAT;
    const char *sentence = rest[length] == ' ' ? rest + length + 1 : "";
    snprintf(answer->message, sizeof answer->message, "%s", sentence);
    return JM_OK;
}

int jmi_answer_parse(jmi_answer *answer, const char *line) {
    char copy[JMI_WIRE_LINE], *words[MOST_WORDS];
    size_t length = strnlen(line, sizeof copy);
    memset(answer, 0, sizeof *answer);
    if (length == sizeof copy || !printable(line)) return JM_FORMAT;
    if (strncmp(line, "error ", 6) == 0) return parse_error(answer, line + 6);
    memcpy(copy, line, length + 1);
    size_t count = split(copy, words);
    if (count == 0 || count > 1 + JMI_WIRE_VALUES || strcmp(words[0], "ok") != 0) return JM_FORMAT;
    for (size_t i = 1; i < count; i++)
        if (!parse_value(words[i], &answer->value[answer->count++])) return JM_FORMAT;
    return JM_OK;
}

void jmi_answer_format(const jmi_answer *answer, char line[JMI_WIRE_LINE]) {
    if (answer->status != JM_OK) {
        snprintf(line, JMI_WIRE_LINE - 1, "error %s %.200s", jm_status_name(answer->status),
                 answer->message);
    } else {
        int used = snprintf(line, JMI_WIRE_LINE, "ok");
        for (uint32_t i = 0; i < answer->count && i < JMI_WIRE_VALUES; i++)
            used += snprintf(line + used, (size_t)(JMI_WIRE_LINE - used), " %u", answer->value[i]);
    }
    for (char *c = line; *c != '\0'; c++)
        if (*c < ' ' || *c > '~') *c = '?';
    strcat(line, "\n");
}
