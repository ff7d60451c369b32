/* Published limits of boards, from NVIDIA's data sheets: TDP, SMs, boost clock, bandwidth of
 * memory, NVLink and PCIe (both directions together). */
#include "estimate/board.h"

#include <ctype.h>
#include <string.h>

typedef struct entry {
    const char *name;
    const char *words; /* all of them are in a name that means it */
    uint32_t power_w, sms, clock_mhz, dram_gb, nvlink_gb, pcie_gb;
} entry;

/* Longer descriptions first: the first that fits counts. */
static const entry entries[] = {
    {"Tesla V100-SXM2", "v100 sxm", 300, 80, 1530, 900, 300, 32},
    {"Tesla V100-PCIE", "v100 pcie", 250, 80, 1380, 900, 0, 32},
    {"Quadro GV100", "gv100", 250, 80, 1627, 870, 200, 32},
    {"Tesla V100", "v100", 300, 80, 1530, 900, 300, 32},
    {"TITAN V", "titan v", 250, 80, 1455, 653, 0, 32},
    {"Tesla P100", "p100", 300, 56, 1480, 732, 160, 32},
    {"Tesla T4", "t4", 70, 40, 1590, 320, 0, 32},
    {"Quadro RTX 6000", "quadro rtx 6000", 260, 72, 1770, 672, 100, 32},
    {"GeForce RTX 2080 Ti", "2080 ti", 250, 68, 1545, 616, 100, 32},
    {"A100-SXM4-80GB", "a100 sxm 80gb", 400, 108, 1410, 2039, 600, 64},
    {"A100-PCIE-80GB", "a100 80gb", 300, 108, 1410, 1935, 600, 64},
    {"A100-PCIE-40GB", "a100 pcie", 250, 108, 1410, 1555, 600, 64},
    {"A100-SXM4-40GB", "a100", 400, 108, 1410, 1555, 600, 64},
    {"A30", "a30", 165, 56, 1440, 933, 200, 64},
    {"A40", "a40", 300, 84, 1740, 696, 112, 64},
    {"A10", "a10", 150, 72, 1695, 600, 0, 64},
    {"RTX A6000", "a6000", 300, 84, 1800, 768, 112, 64},
    {"GeForce RTX 3080", "3080", 320, 68, 1710, 760, 0, 64},
    {"GeForce RTX 3090", "3090", 350, 82, 1695, 936, 112, 64},
    {"GeForce RTX 4090", "4090", 450, 128, 2520, 1008, 0, 64},
    {"L4", "l4", 72, 58, 2040, 300, 0, 64},
    {"L40S", "l40s", 350, 142, 2520, 864, 0, 64},
    {"H100 PCIe", "h100 pcie", 350, 114, 1755, 2000, 600, 128},
    {"H100 SXM", "h100", 700, 132, 1980, 3350, 900, 128},
    {"H200", "h200", 700, 132, 1980, 4800, 900, 128},
    {"GH200", "gh200", 900, 132, 1980, 4000, 900, 128},
    {"GeForce RTX 5090", "5090", 575, 170, 2407, 1792, 0, 128},
    {"B200", "b200", 1000, 148, 1965, 8000, 1800, 128},
};

uint32_t jm_board_count(void) {
    return JMI_COUNT(entries);
}

static jm_board board_of(const entry *e) {
    return (jm_board){.size = sizeof(jm_board),
                      .name = e->name,
                      .power_limit_w = e->power_w,
                      .sms = e->sms,
                      .clock_hz = e->clock_mhz * 1e6,
                      .dram_bytes_s = e->dram_gb * 1e9,
                      .nvlink_bytes_s = e->nvlink_gb * 1e9,
                      .pcie_bytes_s = e->pcie_gb * 1e9};
}

int jm_board_get(uint32_t index, jm_board *board) {
    if (board == NULL) return JM_INVALID;
    if (index >= JMI_COUNT(entries)) return JM_NOT_FOUND;
    jm_board ours = board_of(&entries[index]);
    return jmi_give_struct(board, &ours, sizeof ours);
}

/* Letters and digits of a name in lower case; what is between them is one space. */
static void simplify(const char *name, char *out, size_t size) {
    size_t length = 0;
    bool gap = false;
    out[length++] = ' ';
    for (; *name != '\0' && length + 3 < size; name++) {
        unsigned char c = (unsigned char)*name;
        if (!isalnum(c) || c > 127) {
            gap = length > 1;
            continue;
        }
        if (gap) out[length++] = ' ';
        gap = false;
        out[length++] = (char)tolower(c);
    }
    out[length++] = ' ';
    out[length] = '\0';
}

/* Is `word` one of the text's, or the beginning of one that goes on with another kind of sign, as
 * "sxm" of "sxm4"? */
static bool has_word(const char *text, const char *word, size_t length) {
    for (const char *at = text; (at = strchr(at, ' ')) != NULL; at++) {
        if (strncmp(at + 1, word, length) != 0) continue;
        char next = at[1 + length];
        if (next == ' ') return true;
        if (isdigit((unsigned char)next) && !isdigit((unsigned char)word[length - 1])) return true;
    }
    return false;
}

static bool fits(const char *text, const char *words) {
    for (const char *word = words; *word != '\0';) {
        size_t length = strcspn(word, " ");
        if (!has_word(text, word, length)) return false;
        word += length + (word[length] == ' ');
    }
    return true;
}

bool jmi_board_named(const char *name, jm_board *board) {
    char text[256];
    simplify(name, text, sizeof text);
    for (size_t i = 0; i < JMI_COUNT(entries); i++)
        if (fits(text, entries[i].words)) {
            *board = board_of(&entries[i]);
            return true;
        }
    return false;
}

int jm_board_find(const char *name, jm_board *board, jm_error *error) {
    jm_board ours;
    if (name == NULL || board == NULL)
        return jmi_fail(error, JM_INVALID, "there is no name of a board");
    if (jmi_board_named(name, &ours)) return jmi_give_struct(board, &ours, sizeof ours);
    jmi_text names = {0};
    for (size_t i = 0; i < JMI_COUNT(entries); i++)
        jmi_text_add(&names, "%s%s", i > 0 ? ", " : "", entries[i].name);
    int status = jmi_fail(error, JM_NOT_FOUND,
                          "the limits of a board '%.60s' are not known; there are: %.400s", name,
                          names.data != NULL ? names.data : "");
    jmi_text_free(&names);
    return status;
}
