/* Texts come from programs that may write anything; what is kept is UTF-8. */
#include "record/recording.h"

#include <string.h>

/* Bytes of the character at text, 0 if it is none. */
static size_t character(const unsigned char *text, size_t left) {
    unsigned char first = text[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > left) return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if (first == 0xe0 && text[1] < 0xa0) return 0; /* longer than it need be */
    if (first == 0xed && text[1] > 0x9f) return 0; /* a half of a UTF-16 pair */
    if (first == 0xf0 && text[1] < 0x90) return 0;
    if (first == 0xf4 && text[1] > 0x8f) return 0;
    return length;
}

bool jmi_utf8_valid(const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t i = 0;
    while (i < length) {
        size_t step = character(bytes + i, length - i);
        if (step == 0) return false;
        i += step;
    }
    return true;
}

void jmi_utf8_clean(char *clean, const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t i = 0;
    while (i < length) {
        size_t step = character(bytes + i, length - i);
        if (step == 0) {
            clean[i++] = '?';
            continue;
        }
        memcpy(clean + i, text + i, step);
        i += step;
    }
}
