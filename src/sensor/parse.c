/* What /proc and sysfs say, as pure functions on text: nothing here trusts what it reads. */
#include "sensor/internal.h"

#include <ctype.h>
#include <string.h>

/* ---- a cursor over bytes that need not end with NUL ---- */

typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

static void skip_blanks(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t')) c->at++;
}

static bool take_u64(cursor *c, uint64_t *value) {
    skip_blanks(c);
    const char *begin = c->at;
    uint64_t sum = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*c->at - '0'), &sum))
            return false;
    *value = sum;
    return c->at > begin;
}

static bool skip_word(cursor *c) {
    skip_blanks(c);
    const char *begin = c->at;
    while (c->at < c->end && !isspace((unsigned char)*c->at)) c->at++;
    return c->at > begin;
}

static bool take_pid(cursor *c, int32_t *pid) {
    uint64_t value;
    if (!take_u64(c, &value) || value > INT32_MAX) return false;
    *pid = (int32_t)value;
    return true;
}

/* ---- /proc/stat ---- */

bool jmi_parse_cpu_times(const char *text, size_t length, jmi_cpu_times *times) {
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    cursor c = {text, text + length};
    if (length < 4 || memcmp(text, "cpu", 3) != 0 || (text[3] != ' ' && text[3] != '\t'))
        return false;
    c.at += 3;
    uint64_t field[FIELDS] = {0};
    size_t count = 0;
    while (count < FIELDS && take_u64(&c, &field[count])) count++;
    if (count <= IDLE) return false; /* kernels before 2.6.11 had no more than these */
    *times = (jmi_cpu_times){0};
    /* Stolen time burned another machine's energy. Sums may wrap on hostile input; differences of
     * them are checked by their users. */
    for (size_t i = 0; i < FIELDS; i++) {
        times->total += field[i];
        if (i != IDLE && i != IOWAIT && i != STEAL) times->busy += field[i];
    }
    return true;
}

/* ---- /proc/PID/stat ---- */

/* The name of a program, in parentheses, may itself hold blanks, newlines and parentheses: what
 * follows the last one is beyond its reach. */
bool jmi_parse_pid_stat(const char *text, size_t length, jmi_pid_stat *stat) {
    cursor c = {text, text + length};
    const char *name_end = memrchr(text, ')', length);
    uint64_t user, system, child_user, child_system;
    if (name_end == NULL || !take_pid(&c, &stat->pid) || c.at >= name_end) return false;
    skip_blanks(&c);
    if (c.at >= name_end || *c.at != '(') return false;
    c.at = name_end + 1;
    if (!skip_word(&c) || !take_pid(&c, &stat->parent)) return false;
    for (int field = 5; field <= 13; field++)
        if (!skip_word(&c)) return false;
    if (!take_u64(&c, &user) || !take_u64(&c, &system)) return false;
    if (!take_u64(&c, &child_user) || !take_u64(&c, &child_system)) return false;
    for (int field = 18; field <= 21; field++)
        if (!skip_word(&c)) return false;
    if (!take_u64(&c, &stat->start)) return false;
    return !__builtin_add_overflow(user, system, &stat->own) &&
           !__builtin_add_overflow(child_user, child_system, &stat->children);
}

size_t jmi_parse_pids(const char *text, size_t length, int32_t *pids, size_t capacity) {
    cursor c = {text, text + length};
    size_t count = 0;
    while (count < capacity && take_pid(&c, &pids[count])) {
        if (c.at < c.end && *c.at != ' ' && *c.at != '\n') break;
        if (c.at < c.end) c.at++;
        count++;
    }
    return count;
}

/* ---- /proc/cpuinfo ---- */

/* The value of "key : value" if the line is about that key. */
static bool line_value(const char *line, size_t length, const char *key, const char **value,
                       size_t *value_length) {
    size_t key_length = strlen(key);
    if (length < key_length || memcmp(line, key, key_length) != 0) return false;
    cursor c = {line + key_length, line + length};
    skip_blanks(&c);
    if (c.at >= c.end || *c.at != ':') return false;
    c.at++;
    skip_blanks(&c);
    *value = c.at;
    *value_length = (size_t)(c.end - c.at);
    return true;
}

static void take_text(char *out, size_t size, const char *value, size_t length) {
    if (out[0] != '\0') return; /* every CPU says it, the first is enough */
    if (length >= size) length = size - 1;
    for (size_t i = 0; i < length; i++)
        out[i] = (unsigned char)value[i] < 0x20 || value[i] == 0x7f ? '?' : value[i];
    out[length] = '\0';
    for (; length > 0 && out[length - 1] == ' '; length--) out[length - 1] = '\0';
}

static void take_u32(uint32_t *out, const char *value, size_t length) {
    cursor c = {value, value + length};
    uint64_t number;
    if (take_u64(&c, &number) && number < 100000) *out = (uint32_t)number;
}

static bool has_word(const char *text, size_t length, const char *word) {
    const char *found = memmem(text, length, word, strlen(word));
    return found != NULL;
}

static void take_cpu_line(jmi_cpu_info *info, const char *line, size_t length) {
    const char *value;
    size_t n;
    uint32_t number = 0;
    if (line_value(line, length, "processor", &value, &n)) info->cpus++;
    if (line_value(line, length, "vendor_id", &value, &n))
        take_text(info->vendor, sizeof info->vendor, value, n);
    if (line_value(line, length, "model name", &value, &n))
        take_text(info->model, sizeof info->model, value, n);
    if (line_value(line, length, "cpu family", &value, &n)) take_u32(&info->family, value, n);
    if (line_value(line, length, "model", &value, &n)) take_u32(&info->model_number, value, n);
    if (line_value(line, length, "cpu cores", &value, &n)) take_u32(&info->cores, value, n);
    if (line_value(line, length, "flags", &value, &n))
        info->hypervisor = has_word(value, n, " hypervisor");
    if (line_value(line, length, "physical id", &value, &n)) {
        take_u32(&number, value, n);
        if (number + 1 > info->sockets) info->sockets = number + 1;
    }
}

bool jmi_parse_cpu_info(const char *text, size_t length, jmi_cpu_info *info) {
    *info = (jmi_cpu_info){0};
    for (const char *line = text, *end = text + length; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL) stop = end;
        take_cpu_line(info, line, (size_t)(stop - line));
        line = stop + 1;
    }
    if (info->sockets == 0) info->sockets = 1;
    info->cores *= info->sockets; /* the file gives those of one socket */
    return info->cpus > 0;
}

/* ---- sysfs ---- */

bool jmi_parse_cpu_list(const char *text, void (*each)(uint32_t cpu, void *user), void *user) {
    enum { MOST = 65536 };
    cursor c = {text, text + strlen(text)};
    while (c.at < c.end) {
        uint64_t first, last;
        if (!take_u64(&c, &first)) return false;
        last = first;
        if (c.at < c.end && *c.at == '-') {
            c.at++;
            if (!take_u64(&c, &last)) return false;
        }
        if (last < first || last >= MOST) return false;
        for (uint64_t cpu = first; cpu <= last; cpu++) each((uint32_t)cpu, user);
        if (c.at < c.end && *c.at++ != ',') return false;
    }
    return true;
}

static bool take_hex(cursor *c, uint64_t *value) {
    if (c->end - c->at > 2 && c->at[0] == '0' && (c->at[1] == 'x' || c->at[1] == 'X')) c->at += 2;
    const char *begin = c->at;
    uint64_t sum = 0;
    for (; c->at < c->end && isxdigit((unsigned char)*c->at); c->at++) {
        if (sum >> 60) return false;
        unsigned char digit = (unsigned char)*c->at;
        sum = sum * 16 + (uint64_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    *value = sum;
    return c->at > begin;
}

bool jmi_parse_perf_config(const char *text, uint64_t *config) {
    cursor c = {text, text + strlen(text)};
    uint64_t event = 0, umask = 0;
    while (c.at < c.end) {
        size_t left = (size_t)(c.end - c.at);
        uint64_t *into = NULL;
        if (left > 6 && memcmp(c.at, "event=", 6) == 0) into = &event;
        if (left > 6 && memcmp(c.at, "umask=", 6) == 0) into = &umask;
        if (into == NULL) return false;
        c.at += 6;
        if (!take_hex(&c, into) || *into > 0xff) return false;
        if (c.at < c.end && *c.at++ != ',') return false;
    }
    *config = event | umask << 8;
    return event != 0;
}
