#include "limit/lender.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PAUSE_NS   INT64_C(20000000)
#define LONGEST_PAUSE_NS INT64_C(1000000000)

static void say(const jmi_lender *lender, const char *format, ...) JMI_PRINTF(2, 3);
static void say(const jmi_lender *lender, const char *format, ...) {
    char line[512];
    if (lender->log == NULL) return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    lender->log(line, lender->user);
}

/* ---- GPUs, which come and go ---- */

static void forget_gpus(jmi_lender *lender) {
    jmi_sensors_close(lender->set);
    lender->set = NULL;
}

/* A rule for a GPU that is not here was meant for one that is, or that was: without it that one
 * would have the rule for all. */
static void check_fit(jmi_lender *lender) {
    lender->closed = false;
    for (uint32_t i = 0; lender->rules != NULL && i < lender->rules->gpu_count; i++) {
        const char *key = lender->rules->gpus[i].key;
        if (jmi_gpu_find(lender->set, key) != UINT32_MAX) continue;
        lender->closed = true;
        say(lender,
            "[%s] of the configuration is no GPU here: GPUs without a section of their own "
            "are refused until that is mended",
            key);
    }
}

static int open_gpus(jmi_lender *lender, jm_error *error) {
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.gpus = "all";
    if (lender->hung) return jmi_fail(error, JM_HUNG, "NVIDIA's driver does not answer");
    if (lender->set != NULL) return JM_OK;
    int status = jmi_gpus_open(&lender->set, &options, NULL, error);
    if (status == JM_HUNG) lender->hung = true;
    if (status == JM_OK) check_fit(lender);
    return status;
}

static int find_gpu(jmi_lender *lender, const char *key, uint32_t *gpu, jm_error *error) {
    int status = open_gpus(lender, error);
    if (status != JM_OK) return status;
    *gpu = jmi_gpu_find(lender->set, key);
    if (*gpu != UINT32_MAX) return JM_OK;
    forget_gpus(lender); /* a driver that is being restarted shows none at first */
    return jmi_fail(error, JM_NOT_FOUND, "there is no GPU %s here", key);
}

/* What a driver says that was restarted, or a GPU that fell off the bus, it may say until it is
 * opened anew. */
static void look_again(jmi_lender *lender, int status) {
    if (status == JM_HUNG) {
        if (lender->set != NULL && lender->set->abandoned) lender->hung = true;
        return;
    }
    if (status == JM_LOST || status == JM_DRIVER || status == JM_NOT_FOUND) forget_gpus(lender);
}

static int open_ledger(jmi_lender *lender, jmi_ledger *ledger, const char *key, jm_lever lever,
                       jm_error *error) {
    uint32_t gpu;
    ledger->lock = -1;
    int status = find_gpu(lender, key, &gpu, error);
    if (status == JM_OK)
        status = jmi_ledger_open(ledger, lender->folder, lender->set, gpu, lever, error);
    if (status != JM_OK) look_again(lender, status);
    return status;
}

static int settle(jmi_lender *lender, jmi_ledger *ledger, jm_error *error) {
    int status = jmi_ledger_settle(ledger, error);
    if (status != JM_OK) look_again(lender, status);
    return status;
}

static uint32_t now_of(const jmi_ledger *ledger) {
    return ledger->lever == JM_LEVER_CLOCK ? ledger->note.applied : ledger->reading.requested;
}

/* ---- giving back ---- */

/* Where the note has vanished, what the lender remembers stands in for it. */
static void remember(jmi_ledger *ledger, const jmi_lent *lent) {
    bool still = ledger->lever == JM_LEVER_CLOCK || ledger->reading.requested == lent->value;
    if (!ledger->missing || lent->id == 0 || !still) return;
    ledger->note.base = lent->base;
    ledger->note.applied = lent->value;
}

/* Also for what is no loan, but was left undone (id 0). */
static int give_back(jmi_lender *lender, const jmi_lent *lent, uint32_t *now, jm_error *error) {
    jmi_ledger ledger;
    int status = open_ledger(lender, &ledger, lent->key, lent->lever, error);
    if (status != JM_OK) return status;
    remember(&ledger, lent);
    jmi_note_remove(&ledger.note, lent->id);
    status = settle(lender, &ledger, error);
    *now = now_of(&ledger);
    jmi_ledger_close(&ledger);
    return status;
}

static void drop(jmi_lent *lent) {
    if (lent->hold >= 0) close(lent->hold);
    lent->hold = -1;
}

/* Is it owed already? What is no loan is mended by whatever settles the same limit. */
static bool is_owed(const jmi_lender *lender, const jmi_lent *lent) {
    for (size_t i = 0; i < lender->debt_count; i++) {
        const jmi_lent *other = &lender->debts[i].lent;
        if (strcmp(other->key, lent->key) == 0 && other->lever == lent->lever &&
            (lent->id == 0 || lent->id == other->id))
            return true;
    }
    return false;
}

static void owe(jmi_lender *lender, jmi_lent *lent, const char *why) {
    char value[32];
    if (is_owed(lender, lent)) {
        drop(lent);
        return;
    }
    say(lender, "%s: %s cannot be taken back yet (%s); trying again", lent->key,
        jmi_lever_text(lent->lever, lent->value, value), why);
    if (!jmi_reserve(&lender->debts, &lender->debt_capacity, lender->debt_count + 1,
                     sizeof *lender->debts)) {
        drop(lent); /* the note stays */
        return;
    }
    int64_t now = jm_now_ns();
    lender->debts[lender->debt_count++] = (jmi_debt){.lent = *lent,
                                                     .since_ns = now,
                                                     .next_ns = now + FIRST_PAUSE_NS,
                                                     .pause_ns = FIRST_PAUSE_NS};
}

static void say_back(const jmi_lender *lender, const jmi_lent *lent, uint32_t now) {
    char text[32];
    say(lender, "%s: given back, %s now", lent->key, jmi_lever_text(lent->lever, now, text));
}

/* Ends a loan; what cannot be given back becomes a debt. */
static int end_loan(jmi_lender *lender, jmi_lent *lent, uint32_t *now, jm_error *error) {
    jm_error why = {0};
    int status = give_back(lender, lent, now, &why);
    if (status == JM_OK) {
        say_back(lender, lent, *now);
        drop(lent);
        return JM_OK;
    }
    owe(lender, lent, why.message);
    return jmi_fail(error, status, "%s", why.message);
}

int jmi_lender_end(jmi_lender *lender, jmi_borrower *borrower, jm_error *error) {
    int worst = JM_OK;
    uint32_t now;
    while (borrower->loan_count > 0) { /* the last one first, as they were made */
        int status = end_loan(lender, &borrower->loans[--borrower->loan_count], &now,
                              worst == JM_OK ? error : NULL);
        if (worst == JM_OK) worst = status;
    }
    free(borrower->loans);
    borrower->loans = NULL;
    borrower->loan_capacity = 0;
    return worst;
}

static bool pay(jmi_lender *lender, jmi_debt *debt, int64_t now_ns, int64_t patience_ns) {
    uint32_t now;
    jm_error why = {0};
    if (give_back(lender, &debt->lent, &now, &why) == JM_OK) {
        say_back(lender, &debt->lent, now);
    } else if (now_ns - debt->since_ns > patience_ns) {
        say(lender, "%s: given up: %s; `joulemeter limit reset` mends it later", debt->lent.key,
            why.message);
    } else {
        debt->pause_ns =
            debt->pause_ns * 2 < LONGEST_PAUSE_NS ? debt->pause_ns * 2 : LONGEST_PAUSE_NS;
        debt->next_ns = jm_now_ns() + debt->pause_ns;
        return false;
    }
    drop(&debt->lent);
    return true;
}

int64_t jmi_lender_pay(jmi_lender *lender, int64_t patience_ns) {
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < lender->debt_count && !lender->hung;) {
        jmi_debt *debt = &lender->debts[i];
        int64_t now = jm_now_ns();
        if (debt->next_ns <= now && pay(lender, debt, now, patience_ns)) {
            *debt = lender->debts[--lender->debt_count];
            continue;
        }
        if (debt->next_ns < next) next = debt->next_ns;
        i++;
    }
    return next;
}

/* ---- requests ---- */

static jmi_lent *loan_of(jmi_borrower *borrower, const jmi_request *request) {
    for (size_t i = 0; i < borrower->loan_count; i++)
        if (strcmp(borrower->loans[i].key, request->key) == 0 &&
            borrower->loans[i].lever == request->lever)
            return &borrower->loans[i];
    return NULL;
}

static void forget_loan(jmi_borrower *borrower, jmi_lent *lent) {
    drop(lent);
    *lent = borrower->loans[--borrower->loan_count];
}

static int check_rules(jmi_lender *lender, const jmi_request *request, jm_error *error) {
    if (lender->rules == NULL) return JM_OK;
    char least[32], most[32];
    int lever = (int)request->lever;
    const jmi_gpu_rule *rule = jmi_rules_of(lender->rules, request->key);
    if (rule == &lender->rules->all && lender->rules->gpu_count > 0) {
        int status = open_gpus(lender, error);
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
    lent->id = jmi_note_free_id(&ledger->note);
    lent->hold = jmi_ledger_hold(ledger, lent->id);
    if (lent->hold >= 0) return JM_OK;
    return jmi_fail(error, lent->hold, "the loan cannot be noted: %s", jm_status_text(lent->hold));
}

/* A driver that failed midway may have set the limit: see to it that it is mended. */
static void undo(jmi_lender *lender, const jmi_request *request, int status) {
    if (status != JM_LOST && status != JM_HUNG && status != JM_DRIVER) return;
    jmi_lent left = {.lever = request->lever, .hold = -1, .value = request->value};
    strcpy(left.key, request->key);
    owe(lender, &left, jm_status_text(status));
}

static int lend(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                jmi_ledger *ledger, jmi_answer *answer, jm_error *error) {
    jmi_lent *had = loan_of(borrower, request), fresh = {.hold = -1};
    int status = had != NULL ? JM_OK : prepare_loan(borrower, ledger, request, &fresh, error);
    if (status != JM_OK) return status;
    jmi_lent *lent = had != NULL ? had : &fresh;
    jmi_loan loan = new_loan(borrower, lent->id, request->value);
    if (!jmi_note_push(&ledger->note, &loan))
        status = jmi_fail(error, JM_FULL, "this GPU's limit has been lent too often already");
    if (status == JM_OK) status = settle(lender, ledger, error);
    if (status != JM_OK) {
        drop(&fresh);
        undo(lender, request, status);
        return status;
    }
    lent->value = now_of(ledger);
    lent->base = ledger->note.base;
    if (had == NULL) borrower->loans[borrower->loan_count++] = fresh;
    answer->value[answer->count++] = now_of(ledger);
    answer->value[answer->count++] = ledger->note.base;
    return JM_OK;
}

/* A limit that stays is the base of whatever loans there are. */
static int keep(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                jmi_ledger *ledger, jmi_answer *answer, jm_error *error) {
    jmi_lent *had = loan_of(borrower, request);
    if (had != NULL) jmi_note_remove(&ledger->note, had->id);
    ledger->note.base = request->value;
    int status = settle(lender, ledger, error);
    if (status != JM_OK) {
        undo(lender, request, status);
        return status;
    }
    if (had != NULL) forget_loan(borrower, had);
    answer->value[answer->count++] = now_of(ledger);
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
    jmi_lent *had = loan_of(borrower, request);
    bool stays = lender->rules == NULL || lender->rules->keep || borrower->uid == 0;
    bool to_default = (request->flags & JM_LIMIT_DEFAULT) != 0;
    bool mends = ledger->dead > 0 || ledger->before.applying != 0 || is_ending(&ledger->note) ||
                 (ledger->note.loan_count == 0 && ledger->note.base != now_of(ledger));
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
    int status = settle(lender, ledger, error);
    if (status != JM_OK) return status;
    if (had != NULL) forget_loan(borrower, had);
    answer->value[answer->count++] = now_of(ledger);
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
    return give_back(lender, &nothing, &answer->value[0], error);
}

static int restore(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                   jmi_answer *answer, jm_error *error) {
    jmi_lent *had = loan_of(borrower, request);
    if (had == NULL) return mend(lender, borrower, request, answer, error);
    jmi_lent ended = *had;
    *had = borrower->loans[--borrower->loan_count];
    answer->count = 1;
    return end_loan(lender, &ended, &answer->value[0], error);
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
    say(lender, "%s: %s, %s by uid %u, process %d (%s)%s%s", request->key,
        jmi_lever_text(request->lever, answer->value[0], value), what, borrower->uid,
        (int)borrower->pid, borrower->name, request->verb == JMI_VERB_SET ? "; before: " : "",
        request->verb == JMI_VERB_SET ? jmi_lever_text(request->lever, answer->value[1], base)
                                      : "");
}

static int change(jmi_lender *lender, jmi_borrower *borrower, const jmi_request *request,
                  jmi_answer *answer, jm_error *error) {
    jmi_ledger ledger;
    int status = open_ledger(lender, &ledger, request->key, request->lever, error);
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

/* ---- the lender itself ---- */

int jmi_lender_open(jmi_lender *lender, const jmi_rules *rules,
                    void (*log)(const char *line, void *user), void *user, jm_error *error) {
    memset(lender, 0, sizeof *lender);
    lender->rules = rules;
    lender->log = log;
    lender->user = user;
    return jmi_folder_own(getenv("JOULEMETER_SIMGPU_STATE"), lender->folder, sizeof lender->folder,
                          error);
}

void jmi_lender_close(jmi_lender *lender) {
    for (size_t i = 0; i < lender->debt_count; i++) drop(&lender->debts[i].lent);
    free(lender->debts);
    jmi_sensors_close(lender->set);
    memset(lender, 0, sizeof *lender);
}

/* "KEY.power": a note. */
static bool names_note(const char *name, jmi_lent *lent) {
    const char *dot = strchr(name, '.');
    if (dot == NULL || dot == name || (size_t)(dot - name) >= sizeof lent->key) return false;
    *lent = (jmi_lent){.hold = -1};
    memcpy(lent->key, name, (size_t)(dot - name));
    for (int lever = JM_LEVER_POWER; lever <= JM_LEVER_CLOCK; lever++)
        if (strcmp(dot + 1, jm_lever_name(lever)) == 0) {
            lent->lever = (jm_lever)lever;
            return true;
        }
    return false;
}

bool jmi_lender_mend(jmi_lender *lender) {
    char **names;
    bool others = false;
    if (jmi_list_dir(lender->folder, "", &names) != JM_OK) return false;
    for (size_t i = 0; names[i] != NULL && !lender->hung; i++) {
        jmi_lent lent;
        jmi_note note;
        uint32_t dead, now;
        jm_error why = {0};
        if (!names_note(names[i], &lent) ||
            jmi_ledger_peek(lender->folder, lent.key, lent.lever, &note, &dead) != JM_OK)
            continue;
        others |= note.loan_count > 0;
        if (dead == 0 || is_owed(lender, &lent)) continue;
        if (give_back(lender, &lent, &now, &why) == JM_OK)
            say_back(lender, &lent, now);
        else
            owe(lender, &lent, why.message);
    }
    jmi_list_free(names);
    return others;
}

void jmi_lender_look(jmi_lender *lender) {
    jm_error why = {0};
    if (lender->rules == NULL || lender->rules->gpu_count == 0) return;
    if (open_gpus(lender, &why) != JM_OK) say(lender, "%s", why.message);
}
