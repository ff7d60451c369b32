/* What joulemeter-limitd reads of strangers and of files: requests, its configuration, notes; and
 * what a borrower reads: answers, limits as people write them. */
#include "limit/rules.h"
#include "limit/wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok) {
    if (!ok) abort();
}

/* What is understood reads back as it was. */
static void try_request(const char *text) {
    jmi_request request, again;
    char line[JMI_WIRE_LINE];
    if (jmi_request_parse(&request, text) != JM_OK) return;
    check(request.lever == JM_LEVER_POWER || request.lever == JM_LEVER_CLOCK);
    check(strspn(request.key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
          strlen(request.key));
    check(jmi_request_format(&request, line));
    line[strlen(line) - 1] = '\0';
    check(jmi_request_parse(&again, line) == JM_OK);
    check(memcmp(&request, &again, sizeof again) == 0);
}

static void try_answer(const char *text) {
    jmi_answer answer, again;
    char line[JMI_WIRE_LINE];
    if (jmi_answer_parse(&answer, text) != JM_OK) return;
    check(answer.count <= JMI_WIRE_VALUES);
    jmi_answer_format(&answer, line);
    check(strlen(line) < sizeof line && strchr(line, '\n') == line + strlen(line) - 1);
    line[strlen(line) - 1] = '\0';
    check(jmi_answer_parse(&again, line) == JM_OK && again.status == answer.status);
}

static void try_note(const char *text, size_t size) {
    jmi_note note, again;
    if (jmi_note_parse(&note, text, size) != JM_OK) return;
    jmi_text out = {0}, same = {0};
    jmi_note_format(&note, &out);
    check(!out.failed && jmi_note_parse(&again, out.data, out.length) == JM_OK);
    jmi_note_format(&again, &same);
    check(!same.failed && strcmp(out.data, same.data) == 0);
    jmi_text_free(&out);
    jmi_text_free(&same);
    uint32_t id = jmi_note_free_id(&note);
    check(id > 0 && jmi_note_find(&note, id) == NULL);
    jmi_loan loan = {.id = id, .value = 5};
    check(jmi_note_push(&note, &loan) == (again.loan_count < JMI_NOTE_LOANS));
    while (note.loan_count > 0) check(jmi_note_remove(&note, note.loans[0].id));
    check(jmi_note_wanted(&note) == again.base);
}

static void try_rules(const char *text, size_t size) {
    static jmi_rules rules;
    jm_error error = {.message = ""};
    if (jmi_rules_parse(&rules, text, size, &error) != JM_OK) {
        check(strlen(error.message) > 5);
        return;
    }
    for (uint32_t i = 0; i < rules.gpu_count; i++) {
        const jmi_gpu_rule *rule = jmi_rules_of(&rules, rules.gpus[i].key);
        check(rule == &rules.gpus[i]);
        for (int lever = 0; lever < 2; lever++)
            check(rule->most[lever] == 0 || rule->least[lever] <= rule->most[lever]);
    }
}

static void try_limit(const char *text) {
    jm_limit_target target;
    for (int lever = JM_LEVER_POWER; lever <= JM_LEVER_CLOCK; lever++)
        if (jm_limit_parse(text, (jm_lever)lever, &target, NULL) == JM_OK)
            check(isfinite(target.value) && target.value > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    try_request(text);
    try_answer(text);
    try_note(text, size);
    try_rules(text, size);
    try_limit(text);
    free(text);
    return 0;
}
