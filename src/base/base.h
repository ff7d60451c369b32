/* What C lacks and every room needs: errors, clock, text, growable arrays, files, threads. */
#ifndef JMI_BASE_H
#define JMI_BASE_H

#include "joulemeter.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>

#define JMI_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define JMI_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define JMI_NS_PER_S     INT64_C(1000000000)

/* ---- errors ---- */

/* Writes a sentence into error (if not NULL) and returns status, so that callers can
 * `return jmi_fail(error, JM_INVALID, "...")`. */
int(jmi_fail)(jm_error *error, int status, const char *format, ...) JMI_PRINTF(3, 4);
#ifdef __clang_analyzer__ /* it does not look into other files */
#define jmi_fail(error, status, ...) ((jmi_fail)(error, status, __VA_ARGS__), (status))
#endif
/* Likewise with ": " and the text of errno; the status follows from errno (EACCES, ENOENT ...). */
int jmi_fail_errno(jm_error *error, int errnum, const char *format, ...) JMI_PRINTF(3, 4);
int jmi_status_of_errno(int errnum);

/* Copies a caller's option struct of an older or newer size: what the caller lacks is zero, what
 * it has beyond ours must be zero. */
int jmi_take_struct(void *ours, size_t our_size, const void *theirs, const char *what,
                    jm_error *error);
/* The other way, for structs that we fill: never writes beyond the caller's size. */
int jmi_give_struct(void *theirs, const void *ours, size_t our_size);

/* ---- clock ---- */

int64_t jmi_clock_ns(int clock_id);
/* `clock_id` minus CLOCK_MONOTONIC, from the tightest of five bracketed readings. */
int64_t jmi_clock_offset_ns(int clock_id);

/* ---- memory: these return NULL on failure, sizes are checked for overflow ---- */

void *jmi_alloc(size_t count, size_t size); /* zeroed */
char *jmi_strdup(const char *text);         /* NULL gives "" */
/* Makes room for `needed` elements in *array, growing by half; false: out of memory, unchanged. */
bool jmi_reserve(void *array, size_t *capacity, size_t needed, size_t size);
/* Memory of many MB that is about to be filled: its pages come in larger pieces, which is quicker.
 * Smaller memory is left alone. */
void jmi_use_large_pages(void *memory, size_t bytes);

/* ---- text that grows ---- */

typedef struct jmi_text {
    char *data; /* always terminated once something was added; NULL before */
    size_t length;
    size_t capacity;
    bool failed; /* out of memory: what follows is ignored */
} jmi_text;

void jmi_text_add(jmi_text *text, const char *format, ...) JMI_PRINTF(2, 3);
void jmi_text_add_v(jmi_text *text, const char *format, va_list args);
/* Likewise, and a line break. */
void jmi_text_add_line(jmi_text *text, const char *format, va_list args);
void jmi_text_append(jmi_text *text, const char *bytes, size_t length);
void jmi_text_free(jmi_text *text);
/* Hands the text over (never NULL on JM_OK) and leaves an empty one. */
int jmi_text_take(jmi_text *text, char **out, jm_error *error);

/* Where a text is cut: so many bytes of it, at most `most` and whole characters, and a tail, "…"
 * and a checksum, by which texts that begin alike stay apart. `tail` has JMI_CUT_TAIL + 1 bytes. */
enum { JMI_CUT_TAIL = 12 };
size_t jmi_cut_length(const char *text, size_t most);
void jmi_cut_tail(const char *text, char *tail);

/* Numbers in text, whatever the locale. False if the whole of text is not a number in range. */
bool jmi_parse_u64(const char *text, uint64_t *value);
bool jmi_parse_i64(const char *text, int64_t *value);
bool jmi_parse_double(const char *text, double *value);
/* A finite double with 17 significant digits at most, shortest that reads back; point as '.'. */
const char *jmi_format_double(double value, char *buffer, size_t size);

/* ---- strings kept once; pointers stay valid until free ---- */

typedef struct jmi_intern jmi_intern;
jmi_intern *jmi_intern_new(void);
const char *jmi_intern_text(jmi_intern *intern, const char *bytes,
                            size_t length); /* NULL: memory */
size_t jmi_intern_bytes(const jmi_intern *intern);
void jmi_intern_free(jmi_intern *intern);

/* ---- small files below a root (sysfs, procfs) ---- */

/* root + path into buffer; root NULL or "/" gives path alone. False: does not fit. */
bool jmi_path(char *buffer, size_t size, const char *root, const char *format, ...)
    JMI_PRINTF(4, 5);
/* Reads at most size-1 bytes, terminates, strips trailing white space. Returns the length or a
 * negative jm_status. */
ssize_t jmi_read_text(const char *path, char *buffer, size_t size);
int jmi_read_u64(const char *path, uint64_t *value);
/* Names in a folder that begin with prefix, sorted naturally (zone2 before zone10), as an array
 * ended by NULL. JM_NOT_FOUND if there is no such folder. */
int jmi_list_dir(const char *path, const char *prefix, char ***names);
void jmi_list_free(char **names);
/* Makes an empty file of a name that nothing has yet, `path` with an ending, to be renamed to
 * `path` when it is complete. Returns its descriptor or a negative jm_status; `name` gets its name.
 */
int jmi_make_beside(const char *path, char *name, size_t size, jm_error *error);
/* Makes a folder and its parents; that of a file, if its path names one. */
int jmi_make_dirs(const char *path, jm_error *error);
int jmi_make_parent(const char *path, jm_error *error);
/* All of it, whatever interrupts: 0 or an errno. */
int jmi_write_all(int fd, const char *bytes, size_t length);
/* Adds what is left of a file, and so that `text` is terminated; EFBIG: it is more than `most`. */
int jmi_read_all(int fd, size_t most, jmi_text *text);
/* "$VARIABLE/joulemeter/NAME", of an XDG folder, or else "$HOME/AT_HOME/joulemeter/NAME". False:
 * neither is an absolute path, or it does not fit. */
bool jmi_user_path(char *buffer, size_t size, const char *variable, const char *at_home,
                   const char *name);

/* ---- threads and processes ---- */

/* Starts a thread that gets none of the program's signals; `thread` NULL: a detached one. Returns
 * an errno. Untouched pages of the stack cost nothing. */
int jmi_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *), void *argument);

/* Writing beyond the limit on the size of files (ulimit -f) fails, but first a signal comes that
 * ends the program. Between these two the calling thread does without it; they nest. */
typedef struct jmi_quiet {
    bool blocked; /* by us */
    bool pending; /* before: it is not ours to take */
} jmi_quiet;
jmi_quiet jmi_quiet_begin(void);
void jmi_quiet_end(jmi_quiet quiet);

/* Waits until *word != expected, a wake, or the CLOCK_MONOTONIC deadline; works across processes
 * on shared memory. Returns false on time-out. */
bool jmi_futex_wait_until(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns);
void jmi_futex_wake(_Atomic uint32_t *word);

/* Has this process ended, waited for or not? False where that cannot be known. */
bool jmi_process_gone(int32_t pid);

#endif
