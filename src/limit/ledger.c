/* One GPU's limit on one lever: the note in its file, and the driver, brought together. */
#include "limit/limit.h"

#include "sensor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- locks: byte 0 is for who writes the note, byte N is held by the guard of loan N ---- */

static int lock_byte(int fd, uint32_t byte) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

/* A lock of a process dies with it, whatever namespace its number is from. */
static bool is_held(int fd, uint32_t byte) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Nobody else may so much as read it: a lock for reading would keep limits from being given back.
 */
static int open_lock(const char *path) {
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Who cleans up may have removed the folder meanwhile. */
static int open_lock_again(const char *path, const char *folder) {
    int fd = open_lock(path);
    if (fd >= 0 || errno != ENOENT) return fd;
    return jmi_make_dirs(folder, NULL) == JM_OK ? open_lock(path) : -1;
}

static int wait_for_lock(jmi_ledger *ledger, const char *folder, jm_error *error) {
    const struct timespec pause = {0, 2000000};
    int64_t deadline = jm_now_ns() + jmi_driver_timeout_ns() + 2 * JMI_NS_PER_S;
    ledger->lock = open_lock_again(ledger->lock_path, folder);
    if (ledger->lock < 0)
        return jmi_fail_errno(error, errno, "cannot write the note beside %s", ledger->lock_path);
    for (;;) {
        int errnum = lock_byte(ledger->lock, 0);
        if (errnum == 0) return JM_OK;
        if (errnum != EAGAIN && errnum != EACCES && errnum != EINTR)
            return jmi_fail_errno(error, errnum, "cannot lock %s", ledger->lock_path);
        if (jm_now_ns() > deadline)
            return jmi_fail(error, JM_HUNG,
                            "gpu%u: another program has been setting its limit for long; the "
                            "driver may hang",
                            ledger->gpu);
        nanosleep(&pause, NULL);
    }
}

/* A number that no loan has may be held nevertheless: by a guard that is just letting go of it, or
 * whose loan somebody else has ended. */
int jmi_ledger_hold(const jmi_ledger *ledger, uint32_t *id) {
    enum { MOST_HELD = 4096 };
    int fd = open_lock(ledger->lock_path);
    if (fd < 0) return jmi_status_of_errno(errno);
    *id = jmi_note_free_id(&ledger->note);
    int errnum = lock_byte(fd, *id);
    for (int i = 0; i < MOST_HELD && (errnum == EAGAIN || errnum == EACCES); i++) {
        *id = jmi_note_next_id(&ledger->note, *id);
        errnum = lock_byte(fd, *id);
    }
    if (errnum == 0) return fd;
    close(fd);
    return jmi_status_of_errno(errnum);
}

/* ---- the note's file ---- */

static bool make_paths(jmi_ledger *ledger, const char *folder, const char *key) {
    const char *lever = jm_lever_name((int)ledger->lever);
    return jmi_path(ledger->note_path, sizeof ledger->note_path, NULL, "%s/%s.%s", folder, key,
                    lever) &&
           jmi_path(ledger->lock_path, sizeof ledger->lock_path, NULL, "%s/%s.%s.lock", folder, key,
                    lever);
}

/* JM_NO_DATA: there is none. */
static int read_note(const char *path, jmi_note *note) {
    char text[JMI_NOTE_BYTES + 2];
    memset(note, 0, sizeof *note);
    ssize_t length = jmi_read_text(path, text, sizeof text - 1);
    if (length == JM_NOT_FOUND) return JM_NO_DATA;
    if (length < 0) return (int)length;
    text[length++] = '\n'; /* reading strips the last one */
    return jmi_note_parse(note, text, (size_t)length);
}

/* A folder in memory has nothing to wait for. */
static int sync_file(int fd) {
    return fsync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno;
}

static int write_note(const char *path, const jmi_note *note, jm_error *error) {
    char name[4200];
    jmi_text text = {0};
    jmi_note_format(note, &text);
    if (text.failed) {
        jmi_text_free(&text);
        return jmi_fail(error, JM_MEMORY, "out of memory");
    }
    int fd = jmi_make_beside(path, name, sizeof name, error);
    if (fd < 0) {
        jmi_text_free(&text);
        return fd;
    }
    jmi_quiet quiet = jmi_quiet_begin();
    int errnum = jmi_write_all(fd, text.data, text.length);
    if (errnum == 0) errnum = sync_file(fd);
    jmi_quiet_end(quiet);
    if (close(fd) != 0 && errnum == 0) errnum = errno;
    if (errnum == 0 && rename(name, path) != 0) errnum = errno;
    jmi_text_free(&text);
    if (errnum == 0) return JM_OK;
    unlink(name);
    return jmi_fail_errno(error, errnum, "cannot write the note %s", path);
}

/* A note that says nothing is no file: of clocks it tells what the driver does not, and of what
 * could not be given back (`undone`) what it was. */
static int keep_note(jmi_ledger *ledger, bool undone, jm_error *error) {
    const jmi_note *note = &ledger->note;
    bool owed = undone && note->base != note->applied;
    bool says_nothing = note->loan_count == 0 && note->applying == 0 && !owed &&
                        (ledger->lever == JM_LEVER_POWER || note->base == 0);
    if (!says_nothing) return write_note(ledger->note_path, note, error);
    if (unlink(ledger->note_path) == 0 || errno == ENOENT) return JM_OK;
    return jmi_fail_errno(error, errno, "cannot remove the note %s", ledger->note_path);
}

/* ---- what holds of it ---- */

static uint32_t forget_dead(jmi_note *note, int lock) {
    uint32_t dead = 0;
    for (uint32_t i = note->loan_count; i-- > 0;)
        if (!is_held(lock, note->loans[i].id)) {
            jmi_note_remove(note, note->loans[i].id);
            dead++;
        }
    return dead;
}

/* Has the limit been ours until now? Where not, somebody set it who knows nothing of notes, or a
 * driver that was restarted forgot it: what is in force now is what to go back to. */
static bool is_ours(const jmi_ledger *ledger, bool same_boot) {
    const jmi_note *note = &ledger->note;
    uint32_t now = ledger->reading.requested;
    if (ledger->lever == JM_LEVER_CLOCK) return same_boot;
    if (!same_boot) return now == note->applied && now != note->base;
    return note->applying != 0 || now == note->applied;
}

static void take_over(jmi_ledger *ledger) {
    jmi_note *note = &ledger->note;
    char boot[40];
    jmi_boot_id(boot);
    uint32_t now = ledger->lever == JM_LEVER_CLOCK ? 0 : ledger->reading.requested;
    bool same_boot = strcmp(boot, note->boot) == 0;
    if (!note->has_base || !is_ours(ledger, same_boot)) {
        ledger->foreign = note->has_base && same_boot;
        note->base = note->applied = now;
        note->applying = 0;
        note->has_base = true;
    }
    strcpy(note->boot, boot);
    if (ledger->lever == JM_LEVER_POWER) note->applied = now;
}

static void set_aside(const char *path) {
    char name[4200];
    if (jmi_path(name, sizeof name, NULL, "%s.damaged", path)) rename(path, name);
}

int jmi_ledger_open(jmi_ledger *ledger, const char *folder, jmi_sensor_set *set, uint32_t gpu,
                    jm_lever lever, jm_error *error) {
    char key[64];
    memset(ledger, 0, sizeof *ledger);
    ledger->set = set;
    ledger->gpu = gpu;
    ledger->lever = lever;
    ledger->lock = -1;
    if (!make_paths(ledger, folder, jmi_gpu_key(set, gpu, key)))
        return jmi_fail(error, JM_INVALID, "the path %.100s... is too long", folder);
    int status = wait_for_lock(ledger, folder, error);
    if (status == JM_OK) status = jmi_limit_read(set, gpu, lever, &ledger->reading, error);
    if (status != JM_OK) {
        jmi_ledger_close(ledger);
        return status;
    }
    int read = read_note(ledger->note_path, &ledger->note);
    if (read == JM_FORMAT) set_aside(ledger->note_path);
    if (read != JM_OK) memset(&ledger->note, 0, sizeof ledger->note);
    ledger->missing = read != JM_OK;
    ledger->dead = forget_dead(&ledger->note, ledger->lock);
    take_over(ledger);
    ledger->before = ledger->note;
    return JM_OK;
}

void jmi_ledger_close(jmi_ledger *ledger) {
    if (ledger->lock >= 0) close(ledger->lock);
    ledger->lock = -1;
}

/* ---- bringing it into force ---- */

static bool in_force(const jmi_ledger *ledger, uint32_t wanted) {
    if (ledger->note.applying != 0) return false;
    return wanted ==
           (ledger->lever == JM_LEVER_CLOCK ? ledger->note.applied : ledger->reading.requested);
}

/* Half a watt is rounding; more is another limit than was asked for. */
static int check_applied(jmi_ledger *ledger, uint32_t wanted, jm_error *error) {
    char asked[32], got[32];
    int status = jmi_limit_read(ledger->set, ledger->gpu, ledger->lever, &ledger->reading, error);
    if (status != JM_OK) return status;
    uint32_t now = ledger->lever == JM_LEVER_CLOCK ? wanted : ledger->reading.requested;
    ledger->note.applied = now;
    ledger->note.applying = 0;
    uint32_t apart = now > wanted ? now - wanted : wanted - now;
    if (apart <= 500) return JM_OK;
    return jmi_fail(error, JM_DRIVER, "gpu%u: %s was asked for, and the driver now says %s",
                    ledger->gpu, jmi_lever_text(ledger->lever, wanted, asked),
                    jmi_lever_text(ledger->lever, now, got));
}

static int apply(jmi_ledger *ledger, uint32_t wanted, jm_error *error) {
    ledger->note.applying = wanted != 0 ? wanted : JMI_LIMIT_UNKNOWN;
    int status = write_note(ledger->note_path, &ledger->note, error);
    /* A limit that is set and not noted might stay; one that is given back may not wait. */
    if (status != JM_OK && ledger->note.loan_count > 0) return status;
    status = jmi_limit_write(ledger->set, ledger->gpu, ledger->lever, wanted, error);
    return status == JM_OK ? check_applied(ledger, wanted, error) : status;
}

int jmi_ledger_settle(jmi_ledger *ledger, jm_error *error) {
    uint32_t wanted = jmi_note_wanted(&ledger->note);
    int status = in_force(ledger, wanted) ? JM_OK : apply(ledger, wanted, error);
    if (status == JM_OK) {
        int kept = keep_note(ledger, false, error);
        return ledger->note.loan_count > 0 ? kept : JM_OK;
    }
    uint32_t applied = ledger->note.applied, applying = ledger->note.applying;
    ledger->note = ledger->before;
    ledger->note.applied = applied;
    if (status == JM_DRIVER)
        jmi_limit_write(ledger->set, ledger->gpu, ledger->lever, jmi_note_wanted(&ledger->note),
                        NULL);
    if (status != JM_PERMISSION && status != JM_NOT_SUPPORTED && status != JM_INVALID)
        ledger->note.applying = applying; /* it may have been set */
    keep_note(ledger, true, NULL);
    return status;
}

/* ---- for those who only look ---- */

int jmi_ledger_peek(const char *folder, const char *key, jm_lever lever, jmi_note *note,
                    uint32_t *dead) {
    jmi_ledger paths = {.lever = lever};
    *dead = 0;
    memset(note, 0, sizeof *note);
    if (!make_paths(&paths, folder, key)) return JM_INVALID;
    int status = read_note(paths.note_path, note);
    if (status != JM_OK) return status;
    int lock = open(paths.lock_path, O_RDONLY | O_CLOEXEC);
    bool alive = lock < 0 && errno == EACCES; /* not ours to see: taken to be */
    if (!alive) *dead = forget_dead(note, lock);
    if (*dead == 0 && note->loan_count == 0 && lever == JM_LEVER_POWER) *dead = 1;
    if (lock >= 0) close(lock);
    return JM_OK;
}
