#include "hidden.h"

#include "command.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 1 << 20, WORDS = 4096 }; /* bytes; those that are of use as last words */

int hidden_open(int streams[3]) {
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int errors = memfd_create("stderr of the command", MFD_CLOEXEC);
    if (nothing < 0 || errors < 0) return errno;
    streams[0] = streams[1] = nothing;
    streams[2] = errors;
    return 0;
}

void hidden_close(int streams[3]) {
    if (streams[2] > 0) close(streams[2]);
    if (streams[0] > 0) close(streams[0]);
    streams[0] = streams[1] = streams[2] = 0;
}

void hidden_forget(const int streams[3]) {
    if (ftruncate(streams[2], 0) == 0) lseek(streams[2], 0, SEEK_SET);
}

/* Only the last is ever shown. */
void hidden_thin_out(const int streams[3]) {
    struct stat info;
    if (fstat(streams[2], &info) != 0) return;
    if (info.st_blocks * 512 > HELD && info.st_size > HELD)
        fallocate(streams[2], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  info.st_size - HELD / 2);
}

/* The last whole lines; "" if there are none. */
static void read_words(const int *streams, char *text, size_t size) {
    off_t end = lseek(streams[2], 0, SEEK_END);
    off_t begin = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
    ssize_t got = pread(streams[2], text, size - 1, begin);
    if (got < 0) got = 0;
    text[got] = '\0';
    if (begin == 0) return;
    const char *line = strchr(text, '\n');
    if (line != NULL) memmove(text, line + 1, strlen(line));
}

int hidden_fail(const cli_command *command, const char *step, int status, const int *streams) {
    char words[WORDS] = "", how[80];
    int code = exit_code_of(status);
    if (streams != NULL) read_words(streams, words, sizeof words);
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended with exit code %d", code);
    cli_fail(command, code, "%s %s%s", step, how,
             words[0] != '\0'  ? "; its last words:"
             : streams != NULL ? "; --show-output shows what it says"
                               : "");
    write_all(STDERR_FILENO, words, strlen(words));
    if (words[0] != '\0' && words[strlen(words) - 1] != '\n') write_all(STDERR_FILENO, "\n", 1);
    return code;
}
