#include "limit/lender_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_PAUSE_NS   INT64_C(20000000)
#define LONGEST_PAUSE_NS INT64_C(1000000000)

void jmi_lender_say(const jmi_lender *lender, const char *format, ...) {
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
        jmi_lender_say(
            lender,
            "[%s] of the configuration is no GPU here: GPUs without a section of their own "
            "are refused until that is mended",
            key);
    }
}

int jmi_lender_open_gpus(jmi_lender *lender, jm_error *error) {
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
    int status = jmi_lender_open_gpus(lender, error);
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

int jmi_lender_open_ledger(jmi_lender *lender, jmi_ledger *ledger, const char *key, jm_lever lever,
                           jm_error *error) {
    uint32_t gpu;
    ledger->lock = -1;
    int status = find_gpu(lender, key, &gpu, error);
    if (status == JM_OK)
        status = jmi_ledger_open(ledger, lender->folder, lender->set, gpu, lever, error);
    if (status != JM_OK) look_again(lender, status);
    return status;
}

int jmi_lender_settle(jmi_lender *lender, jmi_ledger *ledger, jm_error *error) {
    int status = jmi_ledger_settle(ledger, error);
    if (status != JM_OK) look_again(lender, status);
    return status;
}

uint32_t jmi_lender_now(const jmi_ledger *ledger) {
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
int jmi_lender_give_back(jmi_lender *lender, const jmi_lent *lent, uint32_t *now, jm_error *error) {
    jmi_ledger ledger;
    int status = jmi_lender_open_ledger(lender, &ledger, lent->key, lent->lever, error);
    if (status != JM_OK) return status;
    remember(&ledger, lent);
    jmi_note_remove(&ledger.note, lent->id);
    status = jmi_lender_settle(lender, &ledger, error);
    *now = jmi_lender_now(&ledger);
    jmi_ledger_close(&ledger);
    return status;
}

void jmi_lent_drop(jmi_lent *lent) {
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

void jmi_lender_owe(jmi_lender *lender, jmi_lent *lent, const char *why) {
    char value[32];
    if (is_owed(lender, lent)) {
        jmi_lent_drop(lent);
        return;
    }
    jmi_lender_say(lender, "%s: %s cannot be taken back yet (%s); trying again", lent->key,
                   jmi_lever_text(lent->lever, lent->value, value), why);
    if (!jmi_reserve(&lender->debts, &lender->debt_capacity, lender->debt_count + 1,
                     sizeof *lender->debts)) {
        jmi_lent_drop(lent); /* the note stays */
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
    jmi_lender_say(lender, "%s: given back, %s now", lent->key,
                   jmi_lever_text(lent->lever, now, text));
}

/* Ends a loan; what cannot be given back becomes a debt. */
int jmi_lender_end_loan(jmi_lender *lender, jmi_lent *lent, uint32_t *now, jm_error *error) {
    jm_error why = {0};
    int status = jmi_lender_give_back(lender, lent, now, &why);
    if (status == JM_OK) {
        say_back(lender, lent, *now);
        jmi_lent_drop(lent);
        return JM_OK;
    }
    jmi_lender_owe(lender, lent, why.message);
    return jmi_fail(error, status, "%s", why.message);
}

int jmi_lender_end(jmi_lender *lender, jmi_borrower *borrower, jm_error *error) {
    int worst = JM_OK;
    uint32_t now;
    while (borrower->loan_count > 0) { /* the last one first, as they were made */
        int status = jmi_lender_end_loan(lender, &borrower->loans[--borrower->loan_count], &now,
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
    if (jmi_lender_give_back(lender, &debt->lent, &now, &why) == JM_OK) {
        say_back(lender, &debt->lent, now);
    } else if (now_ns - debt->since_ns > patience_ns) {
        jmi_lender_say(lender, "%s: given up: %s; `joulemeter limit reset` mends it later",
                       debt->lent.key, why.message);
    } else {
        debt->pause_ns =
            debt->pause_ns * 2 < LONGEST_PAUSE_NS ? debt->pause_ns * 2 : LONGEST_PAUSE_NS;
        debt->next_ns = jm_now_ns() + debt->pause_ns;
        return false;
    }
    jmi_lent_drop(&debt->lent);
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
    for (size_t i = 0; i < lender->debt_count; i++) jmi_lent_drop(&lender->debts[i].lent);
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
        if (jmi_lender_give_back(lender, &lent, &now, &why) == JM_OK)
            say_back(lender, &lent, now);
        else
            jmi_lender_owe(lender, &lent, why.message);
    }
    jmi_list_free(names);
    return others;
}

void jmi_lender_look(jmi_lender *lender) {
    jm_error why = {0};
    if (lender->rules == NULL || lender->rules->gpu_count == 0) return;
    if (jmi_lender_open_gpus(lender, &why) != JM_OK) jmi_lender_say(lender, "%s", why.message);
}
