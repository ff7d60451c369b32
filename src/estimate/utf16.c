/* UTF-16 into UTF-8. */
#include "estimate/profile.h"

static size_t put(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* What takes the place of half a pair. */
enum { REPLACEMENT = 0xFFFD };

static size_t take_unit(jmi_utf16 *state, uint16_t unit, char *out) {
    size_t length = 0;
    bool low = (unit & 0xFC00) == 0xDC00, high = (unit & 0xFC00) == 0xD800;
    if (state->high != 0 && low) {
        uint32_t c = 0x10000 + ((uint32_t)(state->high & 0x3FF) << 10 | (unit & 0x3FF));
        state->high = 0;
        return put(out, c);
    }
    if (state->high != 0) length = put(out, REPLACEMENT);
    state->high = high ? unit : 0;
    if (!high) length += put(out + length, low ? REPLACEMENT : unit);
    return length;
}

size_t jmi_utf16_read(jmi_utf16 *state, const char *bytes, size_t length, char *out) {
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        state->half = !state->half;
        if (state->half) {
            state->byte = byte;
            continue;
        }
        unsigned unit =
            state->big ? (unsigned)state->byte << 8 | byte : (unsigned)byte << 8 | state->byte;
        written += take_unit(state, (uint16_t)unit, out + written);
    }
    return written;
}
