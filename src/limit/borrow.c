/* Setting limits: by a guard, or by joulemeter-limitd where the driver refuses. */
#include "limit/borrow.h"

#include "sensor/internal.h"

#include <errno.h>
#include <grp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void jmi_borrow_note(jm_limits *limits, const char *format, ...) {
    va_list args;
    va_start(args, format);
    jmi_text_add_line(&limits->notes, format, args);
    va_end(args);
}

/* ---- the lender ---- */

void jmi_borrow_leave(jm_limits *limits) {
    if (limits->lender >= 0) close(limits->lender);
    limits->lender = -1;
    limits->kind = JMI_LENDER_NONE;
    limits->lent = false;
    jmi_lookout_wake(limits);
}

static int start_guard(jm_limits *limits, jm_error *error) {
    int fd = jmi_guard_start(limits->pidfd, limits->pid, limits->hold,
                             (const char *const *)limits->settings, error);
    if (fd < 0) return fd;
    limits->lender = fd;
    limits->kind = JMI_LENDER_GUARD;
    return JM_OK;
}

/* The group that may use the socket, as far as can be seen. */
static void group_of(const char *path, char *name, size_t size) {
    struct stat info;
    struct group entry, *found = NULL;
    char buffer[4096];
    snprintf(name, size, "joulemeter");
    if (stat(path, &info) == 0 && info.st_gid != 0 &&
        getgrgid_r(info.st_gid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
        snprintf(name, size, "%s", found->gr_name);
}

static int advise(const jm_limits *limits, const jm_error *why, jm_error *error) {
    char group[64];
    group_of(limits->socket, group, sizeof group);
    if (why->status == JM_NOT_FOUND)
        return jmi_fail(error, JM_PERMISSION,
                        "only root may set limits: use sudo, or let joulemeter-limitd do it "
                        "(sudo groupadd --system -f %s; sudo usermod -aG %s $USER; sudo systemctl "
                        "enable --now joulemeter-limitd.socket)",
                        group, group);
    if (why->status == JM_PERMISSION)
        return jmi_fail(error, JM_PERMISSION,
                        "only root and the group %s may set limits: sudo usermod -aG %s $USER, and "
                        "log in anew",
                        group, group);
    return jmi_fail(error, JM_PERMISSION, "only root may set limits: use sudo (%.200s)",
                    why->message);
}

static int reach_daemon(jm_limits *limits, jm_error *error) {
    jm_error why = {0};
    jmi_borrow_leave(limits);
    int fd = jmi_daemon_connect(limits->socket, &why);
    if (fd < 0) return advise(limits, &why, error);
    limits->lender = fd;
    limits->kind = JMI_LENDER_DAEMON;
    if (!limits->hold) return JM_OK;
    const jmi_request watch = {.verb = JMI_VERB_WATCH, .value = (uint32_t)limits->pid};
    jmi_answer answer;
    int status = jmi_lender_ask(fd, &watch, &answer, error);
    if (status != JM_OK) jmi_borrow_leave(limits);
    return status;
}

static int ask_lender(jm_limits *limits, const jmi_request *request, jmi_answer *answer,
                      jm_error *error) {
    int status = jmi_lender_ask(limits->lender, request, answer, error);
    /* The line is out of step, or the lender gone: what was lent ends, and the next call starts
     * anew. */
    if (status == JM_CLOSED || (status == JM_HUNG && answer->status == JM_OK) ||
        (status == JM_FORMAT && answer->status == JM_OK))
        jmi_borrow_leave(limits);
    return status;
}

static int finish(int status, const jm_error *why, jm_error *error) {
    return status == JM_OK ? JM_OK : jmi_fail(error, status, "%s", why->message);
}

/* Of the lender that there is, or else of one that is found. */
static int ask_any(jm_limits *limits, const jmi_request *request, jmi_answer *answer,
                   jm_error *error) {
    jm_error why = {0};
    int status = limits->lender < 0 ? start_guard(limits, &why) : JM_OK;
    if (status == JM_OK) status = ask_lender(limits, request, answer, &why);
    /* What a guard has lent already would end if it were left. */
    if (status != JM_PERMISSION || limits->kind != JMI_LENDER_GUARD || limits->lent)
        return finish(status, &why, error);
    status = reach_daemon(limits, error);
    return status == JM_OK ? ask_lender(limits, request, answer, error) : status;
}

int jmi_borrow_ask(jm_limits *limits, const jmi_request *request, jmi_answer *answer,
                   jm_error *error) {
    bool had = limits->lender >= 0;
    memset(answer, 0, sizeof *answer);
    int status = ask_any(limits, request, answer, error);
    if (!had || status != JM_CLOSED) return status;
    jmi_borrow_lost(limits, answer->status == JM_CLOSED);
    status = limits->lost ? jmi_borrow_renew(limits, error) : JM_OK;
    return status == JM_OK ? ask_any(limits, request, answer, error) : status;
}

/* ---- where it is gone ---- */

bool jmi_borrow_has_loans(const jm_limits *limits) {
    for (uint32_t i = 0; i < limits->count; i++)
        for (int lever = 0; lever < JMI_LEVERS; lever++)
            if (limits->gpus[i].borrowed[lever]) return true;
    return false;
}

void jmi_borrow_lost(jm_limits *limits, bool farewell) {
    bool daemon = limits->kind == JMI_LENDER_DAEMON;
    bool had = jmi_borrow_has_loans(limits);
    jmi_borrow_leave(limits);
    limits->lost = had && !farewell;
    limits->daemon_lent = daemon;
    if (!had || !farewell) return;
    for (uint32_t i = 0; i < limits->count; i++)
        memset(limits->gpus[i].borrowed, 0, sizeof limits->gpus[i].borrowed);
    jmi_lookout_warn(limits, "%s was asked to end, and has given back what was set",
                     daemon ? "joulemeter-limitd" : "the guard of the limit");
}

int jmi_borrow_renew(jm_limits *limits, jm_error *error) {
    int found = limits->daemon_lent && limits->lender < 0 ? reach_daemon(limits, error) : JM_OK;
    if (found != JM_OK) return found;
    for (uint32_t i = 0; i < limits->count; i++)
        for (int lever = 0; lever < JMI_LEVERS; lever++) {
            jmi_limits_gpu *gpu = &limits->gpus[i];
            if (!gpu->borrowed[lever]) continue;
            jmi_answer answer;
            jmi_request request = {.verb = JMI_VERB_SET,
                                   .lever = (jm_lever)lever,
                                   .value = (uint32_t)gpu->last[lever]};
            strcpy(request.key, gpu->key);
            int status = ask_any(limits, &request, &answer, error);
            if (status != JM_OK) return status;
            limits->lent = true;
        }
    limits->lost = false;
    jmi_lookout_warn(limits, limits->kind == JMI_LENDER_DAEMON
                                 ? "joulemeter-limitd was killed, and has set the limit again"
                                 : "the guard of the limit was killed; another one has taken its "
                                   "place");
    return JM_OK;
}

/* ---- what to ask for ---- */

static int check(const jm_limits *limits, uint32_t index, int lever, const char *call,
                 jm_error *error) {
    if (limits == NULL || !jmi_lever_known(lever))
        return jmi_fail(error, JM_INVALID, "%s: an argument is not valid", call);
    if (limits->owner != (int32_t)getpid())
        return jmi_fail(error, JM_INVALID,
                        "%s: the loans are those of the process that opened them", call);
    if (index != JM_LIMITS_ALL && index >= limits->count)
        return jmi_fail(error, JM_NOT_FOUND, "there is no GPU at index %u", index);
    return JM_OK;
}

static bool is_meant(const jm_limits *limits, uint32_t index, uint32_t i) {
    (void)limits;
    return index == JM_LIMITS_ALL || index == i;
}

/* On success the limits are locked. */
static int begin(jm_limits *limits, uint32_t index, int lever, const char *call, jm_error *error) {
    int status = check(limits, index, lever, call, error);
    if (status != JM_OK) return status;
    pthread_mutex_lock(&limits->lock);
    jmi_text_free(&limits->notes);
    return JM_OK;
}

static int leave(jm_limits *limits, int status) {
    if (jmi_borrow_has_loans(limits)) jmi_lookout_start(limits);
    jmi_lookout_wake(limits);
    pthread_mutex_unlock(&limits->lock);
    return status;
}

static void note_clamped(jm_limits *limits, const jm_limit *limit, double wanted, double value) {
    const char *unit = jm_lever_unit((int)limit->lever);
    const char *who =
        limits->kind == JMI_LENDER_DAEMON ? "what may be set" : "what the board allows";
    if (wanted < limit->least)
        jmi_borrow_note(limits, "%s: %.6g %s is below %s; it is set to the least, %.6g %s",
                        limit->device, wanted, unit, who, value, unit);
    else if (wanted > limit->most)
        jmi_borrow_note(limits, "%s: %.6g %s is above %s; it is set to the most, %.6g %s",
                        limit->device, wanted, unit, who, value, unit);
}

/* The driver's steps for a target: within bounds, and where clocks come in steps on one of them. */
static int aim(jm_limits *limits, const jmi_limits_gpu *gpu, const jm_limit_target *target,
               const jm_limit *limit, uint32_t *steps, jm_error *error) {
    double wanted = target->percent ? target->value / 100 * limit->standard : target->value;
    if (!isfinite(wanted))
        return jmi_fail(error, JM_NOT_SUPPORTED,
                        "%s: the driver does not tell its default limit, of which this is a share",
                        limit->device);
    double value = wanted;
    if (value > limit->most) value = limit->most;
    if (value < limit->least) value = limit->least;
    note_clamped(limits, limit, wanted, value);
    if (!(value > 0 && value < 1e6))
        return jmi_fail(error, JM_INVALID, "%s: %.6g %s is no limit", limit->device, wanted,
                        jm_lever_unit((int)limit->lever));
    uint32_t exact = (uint32_t)llround(value * jmi_lever_scale(limit->lever));
    int status = jmi_limit_step(limits->set, gpu->gpu, limit->lever, exact, steps, error);
    if (status == JM_OK && *steps != exact && limit->lever == JM_LEVER_CLOCK)
        jmi_borrow_note(limits, "%s: its clocks come in steps; it is set to %u MHz", limit->device,
                        *steps);
    return status;
}

static int read_one(jm_limits *limits, uint32_t index, jm_lever lever, jm_limit *limit,
                    jm_error *error) {
    limit->size = sizeof *limit;
    int status = jm_limits_read(limits, index, lever, limit, error);
    if (status == JM_OK && limit->status != JM_OK)
        return jmi_fail(error, limit->status, "%s", limit->message);
    return status;
}

/* ---- setting ---- */

static jmi_request request_of(const jmi_limits_gpu *gpu, jmi_verb verb, jm_lever lever,
                              uint32_t value) {
    jmi_request request = {.verb = verb, .lever = lever, .value = value};
    strcpy(request.key, gpu->key);
    return request;
}

/* What the board keeps to, if that is something else. */
static void note_in_force(jm_limits *limits, uint32_t index, jm_lever lever, uint32_t steps) {
    jm_limit limit;
    if (lever != JM_LEVER_POWER || read_one(limits, index, lever, &limit, NULL) != JM_OK) return;
    double asked = jmi_lever_value(lever, steps);
    if (limit.value < asked - 0.5 && limit.requested > asked - 0.5)
        jmi_borrow_note(limits,
                        "%s: %.6g W is asked for, but the board keeps to %.6g W: it has another "
                        "limit besides",
                        limit.device, asked, limit.value);
}

static void note_kept(jm_limits *limits, const jm_limit *limit, const jmi_answer *answer) {
    if (answer->count > 1 && answer->value[1] > 0)
        jmi_borrow_note(limits, "%s: the limit comes into force when %s%s has ended", limit->device,
                        answer->value[1] == 1 ? "a loan" : "loans",
                        limit->holder_pid != 0 ? " of another program" : "");
    else if (limit->volatile_limit)
        jmi_borrow_note(limits,
                        "%s: persistence mode is off: the driver forgets the limit as soon as no "
                        "program uses the GPU (sudo nvidia-smi -pm 1)",
                        limit->device);
}

/* Once: the bounds of joulemeter-limitd are known only when the driver has refused and it was
 * found. */
static int try_one(jm_limits *limits, uint32_t index, const jm_limit_target *target, uint32_t flags,
                   jm_error *error) {
    jmi_limits_gpu *gpu = &limits->gpus[index];
    jm_limit limit;
    uint32_t steps;
    jmi_answer answer;
    int status = read_one(limits, index, target->lever, &limit, error);
    if (status == JM_OK) status = aim(limits, gpu, target, &limit, &steps, error);
    if (status != JM_OK) return status;
    bool keeps = (flags & JM_LIMIT_KEEP) != 0;
    jmi_request request =
        request_of(gpu, keeps ? JMI_VERB_KEEP : JMI_VERB_SET, target->lever, steps);
    status = jmi_borrow_ask(limits, &request, &answer, error);
    if (status != JM_OK) return status;
    gpu->borrowed[target->lever] = !keeps;
    if (!keeps) limits->lent = true;
    gpu->last[target->lever] = steps;
    if (keeps) note_kept(limits, &limit, &answer);
    note_in_force(limits, index, target->lever, steps);
    return JM_OK;
}

static int set_one(jm_limits *limits, uint32_t index, const jm_limit_target *target, uint32_t flags,
                   jm_error *error) {
    bool knew = limits->kind == JMI_LENDER_DAEMON;
    size_t said = limits->notes.length;
    int status = try_one(limits, index, target, flags, error);
    if (status != JM_INVALID || knew || limits->kind != JMI_LENDER_DAEMON) return status;
    limits->notes.length = said;
    if (limits->notes.data != NULL) limits->notes.data[said] = '\0';
    return try_one(limits, index, target, flags, error);
}

/* What one GPU had before jm_limits_set, to be had again if another one fails. */
struct before {
    bool borrowed;
    double last;
    double requested;
};

static void take_back(jm_limits *limits, uint32_t i, const jm_limit_target *target, uint32_t flags,
                      const struct before *before) {
    jmi_limits_gpu *gpu = &limits->gpus[i];
    jmi_answer answer;
    bool kept = (flags & JM_LIMIT_KEEP) != 0;
    jmi_verb verb = kept ? JMI_VERB_KEEP : before->borrowed ? JMI_VERB_SET : JMI_VERB_RESTORE;
    double value = kept ? before->requested * jmi_lever_scale(target->lever) : before->last;
    jmi_request request =
        request_of(gpu, verb, target->lever, isfinite(value) ? (uint32_t)llround(value) : 0);
    if (kept && !isfinite(value)) request.verb = JMI_VERB_RESET;
    jmi_borrow_ask(limits, &request, &answer, NULL);
    gpu->borrowed[target->lever] = before->borrowed;
    gpu->last[target->lever] = before->last;
}

static struct before remember(jm_limits *limits, uint32_t i, jm_lever lever) {
    jm_limit limit = {0};
    struct before before = {limits->gpus[i].borrowed[lever], limits->gpus[i].last[lever],
                            (double)NAN};
    if (read_one(limits, i, lever, &limit, NULL) == JM_OK) /* others' loans come and go */
        before.requested = limit.loans > 0 && isfinite(limit.base) ? limit.base : limit.requested;
    return before;
}

/* All that are meant, or none. */
static int set_all(jm_limits *limits, uint32_t index, const jm_limit_target *target, uint32_t flags,
                   jm_error *error) {
    struct before *before = jmi_alloc(limits->count, sizeof *before);
    if (before == NULL) return jmi_fail(error, JM_MEMORY, "out of memory");
    int status = JM_OK;
    uint32_t i = 0;
    for (; i < limits->count && status == JM_OK; i++) {
        if (!is_meant(limits, index, i)) continue;
        before[i] = remember(limits, i, target->lever);
        status = set_one(limits, i, target, flags, error);
    }
    for (i = status != JM_OK ? i - 1 : 0; i-- > 0 && status != JM_OK;)
        if (is_meant(limits, index, i)) take_back(limits, i, target, flags, &before[i]);
    free(before);
    return status;
}

int jm_limits_set(jm_limits *limits, uint32_t index, const jm_limit_target *target, uint32_t flags,
                  jm_error *error) {
    if (target == NULL) return jmi_fail(error, JM_INVALID, "jm_limits_set: target is NULL");
    if ((flags & ~(uint32_t)JM_LIMIT_KEEP) != 0 || !isfinite(target->value) || !(target->value > 0))
        return jmi_fail(error, JM_INVALID, "jm_limits_set: %.6g is no limit", target->value);
    int status = begin(limits, index, (int)target->lever, "jm_limits_set", error);
    if (status != JM_OK) return status;
    return leave(limits, set_all(limits, index, target, flags, error));
}

/* ---- giving back early, and resetting ---- */

int jm_limits_restore(jm_limits *limits, uint32_t index, jm_lever lever, jm_error *error) {
    int worst = begin(limits, index, (int)lever, "jm_limits_restore", error);
    if (worst != JM_OK) return worst;
    for (uint32_t i = 0; i < limits->count; i++) {
        jmi_limits_gpu *gpu = &limits->gpus[i];
        jmi_answer answer;
        if (!is_meant(limits, index, i) || !gpu->borrowed[lever]) continue;
        jmi_request request = request_of(gpu, JMI_VERB_RESTORE, lever, 0);
        int status = jmi_borrow_ask(limits, &request, &answer, worst == JM_OK ? error : NULL);
        if (worst == JM_OK) worst = status;
        gpu->borrowed[lever] = false; /* the lender goes on trying */
    }
    return leave(limits, worst);
}

static int reset_one(jm_limits *limits, uint32_t i, jm_lever lever, uint32_t flags,
                     jm_error *error) {
    jmi_limits_gpu *gpu = &limits->gpus[i];
    jm_limit before;
    jmi_answer answer;
    char text[32];
    int status = read_one(limits, i, lever, &before, error);
    if (status != JM_OK) return status;
    jmi_request request = request_of(gpu, JMI_VERB_RESET, lever, 0);
    request.flags = flags;
    status = jmi_borrow_ask(limits, &request, &answer, error);
    if (status != JM_OK) return status;
    gpu->borrowed[lever] = false;
    bool mended = before.left_over && !(flags & JM_LIMIT_DEFAULT);
    if (mended && answer.count > 0)
        jmi_borrow_note(limits, "%s: %s again, as it was before a guard was killed", before.device,
                        jmi_lever_text(lever, answer.value[0], text));
    bool others = answer.count > 1 && answer.value[1] > 0;
    if (others && jmi_process_gone(before.holder_pid))
        jmi_borrow_note(limits,
                        "%s: process %d (%s) has ended, and its guard has not given back %.6g %s "
                        "yet: the driver may hang; look again in a while (joulemeter limit)",
                        before.device, (int)before.holder_pid, before.holder, before.value,
                        jm_lever_unit((int)lever));
    else if (others)
        jmi_borrow_note(limits, "%s: a loan goes on, of process %d (%s): %.6g %s until it ends",
                        before.device, (int)before.holder_pid, before.holder, before.value,
                        jm_lever_unit((int)lever));
    return JM_OK;
}

int jm_limits_reset(jm_limits *limits, uint32_t index, jm_lever lever, uint32_t flags,
                    jm_error *error) {
    if ((flags & ~(uint32_t)(JM_LIMIT_DEFAULT | JM_LIMIT_FORCE)) != 0)
        return jmi_fail(error, JM_INVALID, "jm_limits_reset: there are no such flags");
    int worst = begin(limits, index, (int)lever, "jm_limits_reset", error);
    if (worst != JM_OK) return worst;
    for (uint32_t i = 0; i < limits->count; i++) {
        if (!is_meant(limits, index, i)) continue;
        int status = reset_one(limits, i, lever, flags, worst == JM_OK ? error : NULL);
        if (worst == JM_OK) worst = status;
    }
    return leave(limits, worst);
}

/* ---- may it be done? ---- */

/* The driver asks for root, or the right to administer the machine; the simulated one likewise. */
static bool may_set(const jm_limits *limits) {
    const char *allowed = getenv("JOULEMETER_SIMGPU_ALLOW_LIMIT");
    if (jmi_gpus_simulated(limits->set) && allowed != NULL) return strcmp(allowed, "1") == 0;
    return geteuid() == 0;
}

static int find_access(jm_limits *limits, uint32_t index, char *message, char *remedy,
                       size_t size) {
    jm_error error = {0};
    jm_limit limit;
    remedy[0] = '\0';
    int status = read_one(limits, index, JM_LEVER_POWER, &limit, &error);
    if (status != JM_OK) {
        snprintf(message, size, "Cannot be set: %.400s.", error.message);
        return status;
    }
    if (may_set(limits)) {
        snprintf(message, size, "Can be set, from %.6g to %.6g W.", limit.least, limit.most);
        return JM_OK;
    }
    if (limits->kind != JMI_LENDER_DAEMON) status = reach_daemon(limits, &error);
    if (status == JM_OK) {
        read_one(limits, index, JM_LEVER_POWER, &limit, &error);
        snprintf(message, size, "Can be set through joulemeter-limitd, from %.6g to %.6g W.",
                 limit.least, limit.most);
        return JM_OK;
    }
    snprintf(message, size, "Cannot be set by this user.");
    snprintf(remedy, size, "%s", error.message);
    return status;
}

int jm_limits_access(jm_limits *limits, uint32_t index, jm_finding *finding) {
    if (limits == NULL || finding == NULL || index >= limits->count ||
        limits->owner != (int32_t)getpid())
        return JM_INVALID;
    enum { DEVICE, MESSAGE, REMEDY };
    snprintf(limits->finding[DEVICE], sizeof limits->finding[DEVICE], "gpu%u",
             limits->gpus[index].gpu);
    pthread_mutex_lock(&limits->lock);
    int status = find_access(limits, index, limits->finding[MESSAGE], limits->finding[REMEDY],
                             sizeof limits->finding[MESSAGE]);
    pthread_mutex_unlock(&limits->lock);
    const jm_finding found = {.size = sizeof found,
                              .interface = "limits",
                              .device = limits->finding[DEVICE],
                              .what = "power_limit",
                              .status = status,
                              .message = limits->finding[MESSAGE],
                              .remedy = limits->finding[REMEDY]};
    return jmi_give_struct(finding, &found, sizeof found);
}
