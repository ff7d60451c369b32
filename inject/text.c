#include "inject.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- UTF-8 ---- */

static size_t encode(char out[4], uint32_t c) {
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(first[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++) out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

size_t inject_utf8(char *out, size_t size, const wchar_t *wide) {
    size_t length = 0;
    for (; wide != NULL && *wide != L'\0'; wide++) {
        char bytes[4];
        size_t more = encode(bytes, (uint32_t)*wide);
        if (length + more >= size) break;
        memcpy(out + length, bytes, more);
        length += more;
    }
    out[length] = '\0';
    return length;
}

const char *inject_text(int type, nvtx_text text, char *buffer) {
    switch (type) {
    case NVTX_TEXT_ASCII: return text.ascii != NULL ? text.ascii : "";
    case NVTX_TEXT_WIDE: inject_utf8(buffer, INJECT_NAME_BYTES, text.wide); return buffer;
    case NVTX_TEXT_REGISTERED: return inject_string_of(text.registered);
    default: return "";
    }
}

/* ---- JSON ---- */

/* Length of the character at `text`, whose bytes need not be UTF-8. */
static size_t character(const char *text) {
    size_t length = 1;
    if ((unsigned char)text[0] < 0xc0) return 1;
    while (length < 4 && ((unsigned char)text[length] & 0xc0) == 0x80) length++;
    return length;
}

size_t inject_json_text(char *out, size_t size, const char *text) {
    size_t length = 0;
    for (size_t taken; *text != '\0'; text += taken) {
        char piece[8];
        size_t more = taken = character(text);
        if (*text == '"' || *text == '\\') {
            piece[0] = '\\';
            piece[1] = *text;
            more = 2;
        } else if ((unsigned char)*text < ' ') {
            more = (size_t)snprintf(piece, sizeof piece, "\\u%04x", (unsigned)*text);
        } else {
            memcpy(piece, text, taken);
        }
        if (length + more >= size) break;
        memcpy(out + length, piece, more);
        length += more;
    }
    out[length] = '\0';
    return length;
}

/* As C writes it in any locale: what the locale has for a point may be several bytes. */
static size_t real(char *out, size_t size, double value, bool is_float) {
    char text[40];
    if (!isfinite(value)) return (size_t)snprintf(out, size, "null");
    for (int digits = 6; digits <= 17; digits++) { /* no more than it takes to read it back */
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (back == value || (is_float && (float)back == (float)value)) break;
    }
    size_t length = 0;
    for (const char *c = text; *c != '\0' && length + 1 < size; c++) {
        if (strchr("0123456789+-e", *c) != NULL)
            out[length++] = *c;
        else if (out[length - 1] != '.')
            out[length++] = '.';
    }
    out[length] = '\0';
    return length;
}

/* snprintf takes three times as long, and this is in the path of every range with a payload. */
size_t inject_whole(char *out, uint64_t value, bool negative) {
    char digits[20];
    size_t count = 0, length = 0;
    do digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    if (negative) out[length++] = '-';
    while (count > 0) out[length++] = digits[--count];
    out[length] = '\0';
    return length;
}

static size_t integer(char *out, int64_t value) {
    return value < 0 ? inject_whole(out, 0 - (uint64_t)value, true)
                     : inject_whole(out, (uint64_t)value, false);
}

size_t inject_payload(char *out, size_t size, const nvtx_event *event) {
    switch (event->payload_type) {
    case NVTX_PAYLOAD_UINT64: return inject_whole(out, event->payload.u64, false);
    case NVTX_PAYLOAD_INT64: return integer(out, event->payload.i64);
    case NVTX_PAYLOAD_DOUBLE: return real(out, size, event->payload.f64, false);
    case NVTX_PAYLOAD_UINT32: return inject_whole(out, event->payload.u32, false);
    case NVTX_PAYLOAD_INT32: return integer(out, event->payload.i32);
    case NVTX_PAYLOAD_FLOAT: return real(out, size, (double)event->payload.f32, true);
    default: out[0] = '\0'; return 0;
    }
}
