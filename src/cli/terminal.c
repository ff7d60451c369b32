#include "terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

uint32_t terminal_width(int fd) {
    struct winsize size;
    unsigned long columns = 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
    const char *set = getenv("COLUMNS");
    if (columns == 0 && set != NULL) columns = strtoul(set, NULL, 10);
    return columns == 0 ? 80 : columns < 40 ? 40 : columns > 1000 ? 1000 : (uint32_t)columns;
}

bool terminal_is_live(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool terminal_has_color(int fd) {
    const char *no_color = getenv("NO_COLOR");
    return terminal_is_live(fd) && (no_color == NULL || no_color[0] == '\0');
}

bool terminal_is_ours(int fd) {
    pid_t group = tcgetpgrp(fd);
    return group < 0 || group == getpgrp();
}

bool terminal_is_utf8(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

jm_report_options terminal_report_options(int fd) {
    jm_report_options options = JM_REPORT_OPTIONS_INIT;
    options.width = terminal_width(fd);
    options.color = terminal_has_color(fd);
    return options;
}
