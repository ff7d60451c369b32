/* What the files about limits share. A process that sets a limit (the borrower) asks a lender for
 * it: the guard, a process of its own, or joulemeter-limitd, which lends to many. The lender writes
 * each loan into the GPU's ledger, sets the limit, and gives back what was before when the loan
 * ends.
 *
 *     limits.c ── request (wire.c) ──▶ lender.c ──▶ ledger.c ──▶ driver (sensor/limit.c)
 *                                                      └──▶ note (note.c) in a file (folder.c) */
#ifndef JMI_LIMIT_LIMIT_H
#define JMI_LIMIT_LIMIT_H

#include "limit/note.h"
#include "sensor/limit.h"

/* ---- values (value.c): the driver's steps are whole milliwatts or megahertz ---- */

bool jmi_lever_known(int lever);
/* Steps in a watt or megahertz. */
double jmi_lever_scale(jm_lever lever);
/* Watts or megahertz; NaN for JMI_LIMIT_UNKNOWN. */
double jmi_lever_value(jm_lever lever, uint32_t steps);
/* "250 W". */
const char *jmi_lever_text(jm_lever lever, uint32_t steps, char text[32]);

/* ---- where notes lie (folder.c) ---- */

/* The folder that this process writes notes to, made if need be. `state`: the file of simulated
 * boards, whose notes lie beside it; NULL: real ones. */
int jmi_folder_own(const char *state, char *folder, size_t size, jm_error *error);
/* The folder that holds a note of this GPU, root's first, or else the own one; nothing is made. */
void jmi_folder_find(const char *state, const char *key, jm_lever lever, char *folder, size_t size);
/* Identity of this boot of the machine. */
void jmi_boot_id(char boot[40]);

/* ---- the ledger of one GPU and lever (ledger.c) ---- */

typedef struct jmi_ledger {
    jmi_sensor_set *set;
    uint32_t gpu;
    jm_lever lever;
    char note_path[4096];
    char lock_path[4096];
    int lock; /* while it is open nobody else writes the note */
    jmi_note note;
    jmi_note before;           /* as it was opened, dead loans forgotten */
    jmi_limit_reading reading; /* of the driver, last */
    uint32_t dead;             /* loans that were forgotten: their guards are gone */
    bool foreign;              /* somebody else has set the limit since: that is the base now */
    bool missing;              /* there was no note */
} jmi_ledger;

/* Waits for others that write, reads note and driver and forgets loans whose guards are gone. */
int jmi_ledger_open(jmi_ledger *ledger, const char *folder, jmi_sensor_set *set, uint32_t gpu,
                    jm_lever lever, jm_error *error);
/* Brings into force what the note wants and writes the note. On failure the note is as before, and
 * the limit where the driver left it. */
int jmi_ledger_settle(jmi_ledger *ledger, jm_error *error);
void jmi_ledger_close(jmi_ledger *ledger);
/* A descriptor that keeps a loan alive as long as it is open, and the loan's number; a negative
 * jm_status on failure. */
int jmi_ledger_hold(const jmi_ledger *ledger, uint32_t *id);

/* What a note says, for those who only look: JM_NO_DATA if there is none. Loans whose guards are
 * gone are forgotten; `dead` counts them, or is 1 where a note has no loan that would explain it.
 */
int jmi_ledger_peek(const char *folder, const char *key, jm_lever lever, jmi_note *note,
                    uint32_t *dead);

/* ---- finding a lender, and talking to it (guard.c, daemon.c) ---- */

struct jmi_request;
struct jmi_answer;

/* Starts a guard for the process behind `pidfd` and returns a connection to it, or a negative
 * jm_status. `hold`: loans end with that process, and not with the connection. `settings`:
 * "NAME=value", ended by NULL, that replace or join the environment; or NULL. */
int jmi_guard_start(int pidfd, int32_t pid, bool hold, const char *const *settings,
                    jm_error *error);
/* Connects to joulemeter-limitd; a negative jm_status. JM_NOT_FOUND: none is there. */
int jmi_daemon_connect(const char *socket_path, jm_error *error);
#define JMI_DAEMON_SOCKET "/run/joulemeter/limitd.sock"

/* A request and its answer. JM_CLOSED: the lender is gone; JM_HUNG: it does not answer in time;
 * else what the answer says. */
int jmi_lender_ask(int fd, const struct jmi_request *request, struct jmi_answer *answer,
                   jm_error *error);

#endif
