/* What a borrower asks for, within the rules. */
#include "limit/lender_inside.h"

#include <string.h>
#include <time.h>

/* ---- what is allowed ---- */

jmi_lent *jmi_borrower_loan(jmi_borrower *borrower, const jmi_request *request) {
    for (size_t i = 0; i < borrower->loan_count; i++)
        if (strcmp(borrower->loans[i].key, request->key) == 0 &&
            borrower->loans[i].lever == request->lever)
            return &borrower->loans[i];
    return NULL;
}

static void forget_loan(jmi_borrower *borrower, jmi_lent *lent) {
    jmi_lent_drop(lent);
    *lent = borrower->loans[--borrower->loan_count];
}

static int check_rules(jmi_lender *lender, const jmi_request *request, jm_error *error) {
    if (lender->rules == NULL) return JM_OK;
    char least[32], most[32];
    int lever = (int)request->lever;
    const jmi_gpu_rule *rule = jmi_rules_of(lender->rules, request->key);
    if (rule == &lender->rules->all && lender->rules->gpu_count > 0) {
        int status = jmi_lender_open_gpus(lender, error);
        if (status != JM_OK) return status;
        if (lender->closed)
            return jmi_fail(error, JM_PERMISSION,
                            "joulemeter-limitd's configuration has a section for a GPU that is not "
                            "here, and none for this one: its administrator has to mend that");
    }
    if (!rule->allow || (request->lever == JM_LEVER_CLOCK && !rule->clock))
        return jmi_fail(error, JM_PERMISSION,
                        "joulemeter-limitd's configuration does not allow this for this GPU");
    if (request->verb == JMI_VERB_KEEP && !lender->rules->keep)
        return jmi_fail(error, JM_PERMISSION,
                        "joulemeter-limitd's configuration allows no limits that stay");
    bool sets = request->verb == JMI_VERB_SET || request->verb == JMI_VERB_KEEP;
    if (sets && request->value == 0) /* which would unlock clocks */
        return jmi_fail(error, JM_INVALID, "0 is no limit: give back what was set");
    bool low = rule->least[lever] != 0 && request->value < rule->least[lever];
    bool high = rule->most[lever] != 0 && request->value > rule->most[lever];
    if (!sets || (!low && !high)) return JM_OK;
    if (rule->most[lever] == 0)
        return jmi_fail(error, JM_INVALID, "joulemeter-limitd's configuration allows %s or more",
                        jmi_lever_text(request->lever, rule->least[lever], least));
    if (rule->least[lever] == 0)
        return jmi_fail(error, JM_INVALID, "joulemeter-limitd's configuration allows %s or less",
                        jmi_lever_text(request->lever, rule->most[lever], most));
    return jmi_fail(error, JM_INVALID, "joulemeter-limitd's configuration allows %s to %s",
                    jmi_lever_text(request->lever, rule->least[lever], least),
                    jmi_lever_text(request->lever, rule->most[lever], most));
}

static jmi_loan new_loan(const jmi_borrower *borrower, uint32_t id, uint32_t value) {
    jmi_loan loan = {.id = id, .value = value, .pid = borrower->pid, .uid = borrower->uid};
    jmi_loan_name(loan.name, borrower->name);
    return loan;
}

/* A loan that is not in the ledger yet: with its lock, and room for it. */
static int prepare_loan(jmi_borrower *borrower, const jmi_ledger *ledger,
                        const jmi_request *request, jmi_lent *lent, jm_error *error) {
    if (!jmi_reserve(&borrower->loans, &borrower->loan_capacity, borrower->loan_count + 1,
                     sizeof *borrower->loans))
        return jmi_fail(error, JM_MEMORY, "out of memory");
    memset(lent, 0, sizeof *lent);
    strcpy(lent->key, request->key);
    lent->lever = request->lever;
    lent->hold = jmi_ledger_hold(ledger, &lent->id);
    if (lent->hold >= 0) return JM_OK;
    return jmi_fail(error, lent->hold, "the loan cannot be noted: %s", jm_status_text(lent->hold));
}

/* A driver that failed midway may have set the limit: see to it that it is mended. */
static void undo(jmi_lender *lender, const jmi_request *request, int status) {
    if (status != JM_LOST && status != JM_HUNG && status != JM_DRIVER) return;
    jmi_lent left = {.lever = request->lever, .hold = -1, .value = request->value};
    strcpy(left.key, request->key);
    jmi_lender_owe(lender, &left, jm_status_text(status));
}

static int lend(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                jmi_ledger *ledger, jmi_answer *answer, jm_error *error) {
    jmi_lent *had = jmi_borrower_loan(borrower, request), fresh = {.hold = -1};
    int status = had != NULL ? JM_OK : prepare_loan(borrower, ledger, request, &fresh, error);
    if (status != JM_OK) return status;
    jmi_lent *lent = had != NULL ? had : &fresh;
    jmi_loan loan = new_loan(borrower, lent->id, request->value);
    if (!jmi_note_push(&ledger->note, &loan))
        status = jmi_fail(error, JM_FULL, "this GPU's limit has been lent too often already");
    if (status == JM_OK) status = jmi_lender_settle(lender, ledger, error);
    if (status != JM_OK) {
        jmi_lent_drop(&fresh);
        undo(lender, request, status);
        return status;
    }
    lent->value = jmi_lender_now(ledger);
    lent->base = ledger->note.base;
    if (had == NULL) borrower->loans[borrower->loan_count++] = fresh;
    answer->value[answer->count++] = jmi_lender_now(ledger);
    answer->value[answer->count++] = ledger->note.base;
    return JM_OK;
}

/* A limit that stays is the base of whatever loans there are. */
static int keep(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                jmi_ledger *ledger, jmi_answer *answer, jm_error *error) {
    jmi_lent *had = jmi_borrower_loan(borrower, request);
    if (had != NULL) jmi_note_remove(&ledger->note, had->id);
    ledger->note.base = request->value;
    int status = jmi_lender_settle(lender, ledger, error);
    if (status != JM_OK) {
        undo(lender, request, status);
        return status;
    }
    if (had != NULL) forget_loan(borrower, had);
    answer->value[answer->count++] = jmi_lender_now(ledger);
    answer->value[answer->count++] = ledger->note.loan_count;
    return JM_OK;
}

static void end_others(const jmi_lender *lender, const jmi_borrower *borrower, jmi_note *note) {
    bool any = lender->rules == NULL || borrower->uid == 0;
    for (uint32_t i = note->loan_count; i-- > 0;)
        if (any || note->loans[i].uid == borrower->uid) jmi_note_remove(note, note->loans[i].id);
}

/* What an administrator allows is the most that others may go back to; a clock that is not locked
 * (0) is the highest there is. */
static uint32_t within_rules(const jmi_lender *lender, const jmi_request *request,
                             const jmi_borrower *borrower, uint32_t standard) {
    if (lender->rules == NULL || borrower->uid == 0) return standard;
    uint32_t most = jmi_rules_of(lender->rules, request->key)->most[request->lever];
    bool unlocked = request->lever == JM_LEVER_CLOCK && standard == 0;
    return most != 0 && (unlocked || standard > most) ? most : standard;
}

/* A loan whose borrower has ended, and its guard has not: it gives back just now, or hangs in the
 * driver. It is what was before that is wanted then. */
static bool is_ending(const jmi_note *note) {
    for (uint32_t i = 0; i < note->loan_count; i++)
        if (jmi_process_gone(note->loans[i].pid)) return true;
    return false;
}

static int reset(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                 jmi_ledger *ledger, jmi_answer *answer, jm_error *error) {
    jmi_lent *had = jmi_borrower_loan(borrower, request);
    bool stays = lender->rules == NULL || lender->rules->keep || borrower->uid == 0;
    bool to_default = (request->flags & JM_LIMIT_DEFAULT) != 0;
    bool mends = ledger->dead > 0 || ledger->before.applying != 0 || is_ending(&ledger->note) ||
                 (ledger->note.loan_count == 0 && ledger->note.base != jmi_lender_now(ledger));
    if (to_default && !stays)
        return jmi_fail(error, JM_PERMISSION,
                        "joulemeter-limitd's configuration allows no limits that stay");
    if (had != NULL) jmi_note_remove(&ledger->note, had->id);
    if (request->flags & JM_LIMIT_FORCE) end_others(lender, borrower, &ledger->note);
    if (stays && (to_default || !mends)) {
        uint32_t standard = ledger->lever == JM_LEVER_CLOCK ? 0 : ledger->reading.standard;
        if (standard == JMI_LIMIT_UNKNOWN)
            return jmi_fail(error, JM_NOT_SUPPORTED, "the driver does not tell the default limit");
        ledger->note.base = within_rules(lender, request, borrower, standard);
    }
    int status = jmi_lender_settle(lender, ledger, error);
    if (status != JM_OK) return status;
    if (had != NULL) forget_loan(borrower, had);
    answer->value[answer->count++] = jmi_lender_now(ledger);
    answer->value[answer->count++] = ledger->note.loan_count;
    return JM_OK;
}

static bool has_loan_of(const jmi_note *note, int32_t pid) {
    for (uint32_t i = 0; i < note->loan_count; i++)
        if (note->loans[i].pid == pid) return true;
    return false;
}

/* A borrower whose guard was killed notices at once; the guard's locks may live a moment longer.
 * Nor does it matter if the loan is another one of the same process. */
static void wait_for_death(const jmi_lender *lender, const jmi_borrower *borrower,
                           const jmi_request *request) {
    const struct timespec pause = {0, 5000000};
    jmi_note note;
    uint32_t dead;
    for (int i = 0; i < 20 && lender->rules == NULL; i++) { /* a daemon waits for nobody */
        if (jmi_ledger_peek(lender->folder, request->key, request->lever, &note, &dead) != JM_OK ||
            !has_loan_of(&note, borrower->pid))
            return;
        nanosleep(&pause, NULL);
    }
}

static int mend(jmi_lender *lender, const jmi_borrower *borrower, const jmi_request *request,
                jmi_answer *answer, jm_error *error) {
    jmi_lent nothing = {.lever = request->lever, .hold = -1};
    strcpy(nothing.key, request->key);
    wait_for_death(lender, borrower, request);
    answer->count = 1;
    return jmi_lender_give_back(lender, &nothing, &answer->value[0], error);
}

static int restore(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                   jmi_answer *answer, jm_error *error) {
    jmi_lent *had = jmi_borrower_loan(borrower, request);
    if (had == NULL) return mend(lender, borrower, request, answer, error);
    jmi_lent ended = *had;
    *had = borrower->loans[--borrower->loan_count];
    answer->count = 1;
    return jmi_lender_end_loan(lender, &ended, &answer->value[0], error);
}

static int bounds(const jmi_lender *lender, const jmi_request *request, jmi_answer *answer) {
    const jmi_gpu_rule *rule =
        lender->rules != NULL ? jmi_rules_of(lender->rules, request->key) : NULL;
    int lever = (int)request->lever;
    answer->count = 3;
    answer->value[0] = rule != NULL ? rule->least[lever] : 0;
    answer->value[1] = rule != NULL && rule->most[lever] != 0 ? rule->most[lever] : UINT32_MAX - 1;
    answer->value[2] = rule == NULL || lender->rules->keep;
    return JM_OK;
}

static void say_lent(const jmi_lender *lender, const jmi_borrower *borrower,
                     const jmi_request *request, const jmi_answer *answer) {
    char value[32], base[32];
    const char *what = request->verb == JMI_VERB_SET    ? "lent"
                       : request->verb == JMI_VERB_KEEP ? "set for good"
                                                        : "reset";
    jmi_lender_say(
        lender, "%s: %s, %s by uid %u, process %d (%s)%s%s", request->key,
        jmi_lever_text(request->lever, answer->value[0], value), what, borrower->uid,
        (int)borrower->pid, borrower->name, request->verb == JMI_VERB_SET ? "; before: " : "",
        request->verb == JMI_VERB_SET ? jmi_lever_text(request->lever, answer->value[1], base)
                                      : "");
}

static int change(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                  jmi_answer *answer, jm_error *error) {
    jmi_ledger ledger;
    int status = jmi_lender_open_ledger(lender, &ledger, request->key, request->lever, error);
    if (status != JM_OK) return status;
    if (request->verb == JMI_VERB_SET)
        status = lend(lender, borrower, request, &ledger, answer, error);
    else if (request->verb == JMI_VERB_KEEP)
        status = keep(lender, borrower, request, &ledger, answer, error);
    else
        status = reset(lender, borrower, request, &ledger, answer, error);
    jmi_ledger_close(&ledger);
    if (status == JM_OK) say_lent(lender, borrower, request, answer);
    return status;
}

static int handle(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                  jmi_answer *answer, jm_error *error) {
    switch (request->verb) {
    case JMI_VERB_SET:
    case JMI_VERB_KEEP:
    case JMI_VERB_RESET: return change(lender, borrower, request, answer, error);
    case JMI_VERB_RESTORE: return restore(lender, borrower, request, answer, error);
    case JMI_VERB_MEND: return mend(lender, borrower, request, answer, error);
    case JMI_VERB_BOUNDS: return bounds(lender, request, answer);
    case JMI_VERB_BYE: return jmi_lender_end(lender, borrower, error);
    case JMI_VERB_HELLO: answer->value[answer->count++] = JMI_WIRE_VERSION; return JM_OK;
    case JMI_VERB_WATCH: break; /* the server's business */
    }
    return JM_OK;
}

void jmi_lender_answer(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                       jmi_answer *answer) {
    jm_error error = {0};
    memset(answer, 0, sizeof *answer);
    int status = request->key[0] != '\0' ? check_rules(lender, request, &error) : JM_OK;
    if (status == JM_OK) status = handle(lender, borrower, request, answer, &error);
    answer->status = status;
    snprintf(answer->message, sizeof answer->message, "%.200s", error.message);
}
