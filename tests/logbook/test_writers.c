/* Many processes append at once, and some are killed: what was acknowledged is there, and the file
 * is whole. $JOULEMETER_LOG_WRITERS and $JOULEMETER_LOG_WRITES make it larger: 50 and 200 in
 * ./dev soak. */
#include "book.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { MOST_WRITERS = 64, MOST_WRITES = 1000 };

/* Shared by all: what each writer was told is on the disk. */
static _Atomic unsigned char (*acknowledged)[MOST_WRITES];

static unsigned setting(const char *name, unsigned usual, unsigned most) {
    const char *text = getenv(name);
    unsigned long value = text != NULL ? strtoul(text, NULL, 10) : usual;
    return value < 1 ? usual : value > most ? most : (unsigned)value;
}

static void write_rows(unsigned writer, unsigned writes) {
    for (unsigned i = 0; i < writes; i++) {
        char name[32];
        jm_error error = {0};
        snprintf(name, sizeof name, "%u", writer);
        const jm_log_value values[] = {{"project", name, 0}, {"energy_j", NULL, i}};
        if (jm_log_append(path, values, 2, NULL, &error) != JM_OK) {
            fprintf(stderr, "writer %u: %s\n", writer, error.message);
            _exit(1);
        }
        atomic_store(&acknowledged[writer][i], 1);
    }
    _exit(0);
}

typedef struct found {
    unsigned char row[MOST_WRITERS][MOST_WRITES];
    unsigned twice;
    bool begun;
    int project, energy;
} found;

static int take_found(size_t columns, const jm_sql_value *values, void *user) {
    found *f = user;
    if (!f->begun) {
        for (size_t i = 0; i < columns; i++) {
            if (strcmp(values[i].text, "project") == 0) f->project = (int)i;
            if (strcmp(values[i].text, "energy_j") == 0) f->energy = (int)i;
        }
        f->begun = true;
        return 0;
    }
    unsigned writer = (unsigned)strtoul(values[f->project].text, NULL, 10);
    unsigned i = (unsigned)values[f->energy].real;
    if (writer >= MOST_WRITERS || i >= MOST_WRITES) return 1;
    f->twice += f->row[writer][i]++ > 0;
    return 0;
}

static int take_text(void *text, int columns, char **values, char **names) {
    (void)columns, (void)names;
    snprintf(text, 64, "%s", values[0]);
    return 0;
}

static void check_whole(void) {
    sqlite3 *db = NULL;
    char verdict[64] = "";
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA integrity_check", take_text, verdict, NULL),
                     SQLITE_OK);
    assert_string_equal(verdict, "ok");
    sqlite3_close(db);
}

static void many_writers_and_some_are_killed(void **state) {
    (void)state;
    unsigned writers = setting("JOULEMETER_LOG_WRITERS", 12, MOST_WRITERS);
    unsigned writes = setting("JOULEMETER_LOG_WRITES", 50, MOST_WRITES);
    pid_t pids[MOST_WRITERS];
    unsigned killed = 0, lost = 0, rows = 0, acks = 0;
    acknowledged = mmap(NULL, sizeof *acknowledged * MOST_WRITERS, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(acknowledged != MAP_FAILED);
    for (unsigned w = 0; w < writers; w++) {
        pids[w] = fork();
        assert_true(pids[w] >= 0);
        if (pids[w] == 0) write_rows(w, writes);
    }
    /* Every fifth writer is killed when it has written some. */
    for (unsigned w = 0; w < writers; w += 5) {
        unsigned target = 1 + (w * 7) % (writes / 2 + 1);
        for (int i = 0; i < 60000 && !atomic_load(&acknowledged[w][target - 1]); i++)
            nanosleep(&(struct timespec){0, 1000000 + w * 1000}, NULL);
        kill(pids[w], SIGKILL);
    }
    for (unsigned w = 0; w < writers; w++) {
        int status = 0;
        assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
        killed += WIFSIGNALED(status) != 0;
        if (!WIFSIGNALED(status)) assert_int_equal(WEXITSTATUS(status), 0);
    }
    static found f;
    jm_error error = {0};
    ok(jm_log_rows(path, JM_LOG_ALL, NULL, take_found, &f, &error), &error);
    for (unsigned w = 0; w < writers; w++)
        for (unsigned i = 0; i < writes; i++) {
            rows += f.row[w][i] > 0;
            acks += acknowledged[w][i];
            lost += acknowledged[w][i] && f.row[w][i] == 0;
        }
    print_message("%u writers, %u killed, %u rows, %u acknowledged\n", writers, killed, rows, acks);
    assert_int_equal(lost, 0);
    assert_int_equal(f.twice, 0);
    assert_true(killed > 0);
    /* At most one row of each killed writer is there that it was not told of. */
    assert_true(rows >= acks && rows <= acks + killed);
    check_whole();
    munmap(acknowledged, sizeof *acknowledged * MOST_WRITERS);
}

/* A writer killed in the middle of a transaction leaves a journal; the next one rolls it back. */
static void a_journal_that_was_left_behind(void **state) {
    (void)state;
    append(NULL, 0);
    pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *db = NULL;
        sqlite3_open(path, &db);
        sqlite3_exec(db, "PRAGMA cache_size = 1; BEGIN IMMEDIATE", NULL, NULL, NULL);
        for (int i = 0; i < 2000; i++)
            sqlite3_exec(db, "INSERT INTO run (comment) VALUES (hex(randomblob(500)))", NULL, NULL,
                         NULL);
        kill(getpid(), SIGKILL);
    }
    waitpid(pid, NULL, 0);
    char journal[160];
    snprintf(journal, sizeof journal, "%s-journal", path);
    assert_int_equal(access(journal, F_OK), 0);
    append(NULL, 0);
    assert_int_equal(rows_of(JM_LOG_ALL, NULL)->rows, 2);
    assert_int_equal(access(journal, F_OK), -1);
    check_whole();
}

static void *append_one(void *unused) {
    jm_error error = {0};
    (void)unused;
    if (jm_log_append(path, NULL, 0, NULL, &error) == JM_OK) return NULL;
    print_message("%s\n", error.message);
    return &folder;
}

static void *append_some(void *unused) {
    (void)unused;
    for (int i = 0; i < 10; i++)
        if (jm_log_append(path, NULL, 0, NULL, NULL) != JM_OK) return &folder;
    return NULL;
}

/* Whoever is first makes it; nobody takes what is half made for something else. */
static void several_make_it_at_once(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        pthread_t threads[6];
        unlink(path);
        for (int i = 0; i < 6; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, append_one, NULL), 0);
        for (int i = 0; i < 6; i++) {
            void *failed = NULL;
            pthread_join(threads[i], &failed);
            assert_null(failed);
        }
        assert_int_equal(rows_of(JM_LOG_ALL, NULL)->rows, 6);
    }
}

static void threads_append_too(void **state) {
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_some, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(rows_of(JM_LOG_ALL, NULL)->rows, 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_set_up, book_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(many_writers_and_some_are_killed),
                                       TEST(a_journal_that_was_left_behind),
                                       TEST(several_make_it_at_once), TEST(threads_append_too)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
